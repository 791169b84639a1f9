"""Becomes another program in odd surroundings. Its words are carried out in order; after `--` comes the program:

block NAME        blocks SIGNAME                     ignore NAME       ignores SIGNAME
junk N            /dev/zero on descriptor N, open across exec
close N           closes descriptor N                env NAME=VALUE    sets it; VALUE in latin-1, for \\xff
sockets N         plays an outer supervisor: N listening sockets of 127.0.0.1 from 3 on, LISTEN_FDS and LISTEN_PID;
                  their ports go to stdout, one a line
stored PORT NAME  the next of such sockets, at 127.0.0.1:PORT and called NAME
limit NAME S H    setrlimit(2)                       user UID GID      gives root up, with all groups
umask OCTAL       sets it                            cpu N             runs on the N-th of its CPUs only
"""
import fcntl, os, resource, signal, socket, sys

words = iter(sys.argv[1:])
kept = []

for word in words:
    if word == "block": signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, "SIG" + next(words))])
    elif word == "ignore": signal.signal(getattr(signal, "SIG" + next(words)), signal.SIG_IGN)
    elif word == "junk":
        number, opened = int(next(words)), os.open("/dev/zero", os.O_RDONLY)
        os.dup2(opened, number, inheritable=True)
        if opened != number: os.close(opened)
    elif word == "close": os.close(int(next(words)))
    elif word == "env":
        name, value = next(words).split("=", 1)
        os.environb[name.encode()] = value.encode().decode("unicode_escape").encode("latin-1")
    elif word == "sockets":
        count = int(next(words))
        for index in range(count):
            kept.append(socket.create_server(("127.0.0.1", 0)))
            print(kept[-1].getsockname()[1], flush=True)
        # First out of the way of each other, then to their numbers.
        copies = [fcntl.fcntl(s, fcntl.F_DUPFD, 64) for s in kept]
        for index, number in enumerate(copies): os.dup2(number, 3 + index, inheritable=True)
        for number in copies: os.close(number)
        os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = str(count), str(os.getpid())
    elif word == "stored":
        port, index = int(next(words)), len(kept)
        kept.append(socket.create_server(("127.0.0.1", port)))
        names = os.environ.get("LISTEN_FDNAMES", "").split(":") if index else []
        # Out of the way of its own number.
        copy = fcntl.fcntl(kept[-1], fcntl.F_DUPFD, 64)
        if kept[-1].fileno() != 3 + index: os.dup2(copy, 3 + index, inheritable=True)
        os.set_inheritable(3 + index, True)
        os.close(copy)
        os.environ["LISTEN_FDNAMES"] = ":".join(names + [next(words)])
        os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = str(index + 1), str(os.getpid())
    elif word == "limit":
        name = getattr(resource, "RLIMIT_" + next(words).upper())
        resource.setrlimit(name, (int(next(words)), int(next(words))))
    elif word == "user":
        user, group = int(next(words)), int(next(words))
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    elif word == "umask": os.umask(int(next(words), 8))
    elif word == "cpu": os.sched_setaffinity(0, [sorted(os.sched_getaffinity(0))[int(next(words))]])
    elif word == "--":
        program = list(words)
        os.execvp(program[0], program)
    else: sys.exit(f"no such word: {word}")
