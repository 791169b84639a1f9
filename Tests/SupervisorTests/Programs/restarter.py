"""A service manager in small: starts its arguments, again whenever they are killed, and reaps what they leave behind.
Ends as they end otherwise; passes signals on to them."""
import ctypes, os, signal, sys

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
words = sys.argv[1:]
child = 0


def start():
    global child
    # No signal may come between the two processes.
    signal.pthread_sigmask(signal.SIG_BLOCK, passed)
    child = os.fork()
    if child == 0:
        for number in passed: signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)
        os.execvp(words[0], words)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)


passed = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH]
for number in passed: signal.signal(number, lambda number, _: os.kill(child, number))
start()
while True:
    pid, status = os.wait()
    if pid != child: continue
    if not os.WIFSIGNALED(status): os._exit(os.WEXITSTATUS(status))
    start()
