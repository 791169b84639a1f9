// net/http and nothing else: server PORT [shutdown]. Answers what shapes.py asks for; with the second word it drains
// itself on SIGTERM.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	who := fmt.Sprintf("slot=%s generation=%s pid=%d\n",
		os.Getenv("RELOADERD_SLOT"), os.Getenv("RELOADERD_GENERATION"), os.Getpid())
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, who) })
	http.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		// As a handler that asks a database does: it gives up if the client is gone.
		select {
		case <-time.After(milliseconds(r, "ms")):
			fmt.Fprint(w, who)
		case <-r.Context().Done():
			http.Error(w, r.Context().Err().Error(), http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		count, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, count)
	})
	http.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		count, _ := strconv.Atoi(r.URL.Query().Get("n"))
		for number := 0; number < count; number++ {
			if number > 0 {
				time.Sleep(milliseconds(r, "pause"))
			}
			fmt.Fprint(w, "chunk\n")
			w.(http.Flusher).Flush()
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Args[1]}
	ended := make(chan error)
	if len(os.Args) > 2 && os.Args[2] == "shutdown" {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		go func() {
			<-asked
			ended <- server.Shutdown(context.Background())
		}()
	}
	err := server.ListenAndServe()
	if err == http.ErrServerClosed {
		err = <-ended
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func milliseconds(r *http.Request, name string) time.Duration {
	count, _ := strconv.Atoi(r.URL.Query().Get(name))
	return time.Duration(count) * time.Millisecond
}
