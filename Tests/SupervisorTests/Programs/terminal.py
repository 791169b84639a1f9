"""Runs a command with its standard error on a terminal that is stopped, as by control-S. Says the command's PID; a line
on standard input lets the terminal go on, and what comes out of it goes to standard output, until the command ends."""
import os, subprocess, sys, termios

master, terminal = os.openpty()
attributes = termios.tcgetattr(terminal)
attributes[1] &= ~termios.OPOST  # bytes as they are
termios.tcsetattr(terminal, termios.TCSANOW, attributes)
termios.tcflow(terminal, termios.TCOOFF)
command = subprocess.Popen(sys.argv[1:], stderr=terminal, stdin=subprocess.DEVNULL)
print(command.pid, flush=True)
sys.stdin.readline()
termios.tcflow(terminal, termios.TCOON)
os.close(terminal)
while True:
    try:
        data = os.read(master, 65536)
    except OSError:  # nobody has the terminal open any more
        break
    os.write(1, data)
sys.exit(command.wait())
