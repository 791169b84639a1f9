// net/http and nothing else.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	body := fmt.Sprintf("slot=%s generation=%s pid=%d\n",
		os.Getenv("RELOADERD_SLOT"), os.Getenv("RELOADERD_GENERATION"), os.Getpid())
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
	os.Exit(1)
}
