"""Starts the program again when it exits with status 3, as Django's runserver and others do while one develops: the
process that serves is a child. autoreload.py PROGRAM [ARG...]"""
import subprocess, sys

while (status := subprocess.call(sys.argv[1:])) == 3: pass
sys.exit(status)
