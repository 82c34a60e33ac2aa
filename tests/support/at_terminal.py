#!/usr/bin/env python3
"""Runs a program at a terminal of its own and prints what appears there.

usage: at_terminal.py [--columns N] [--type TEXT] [--wait-for TEXT] PROGRAM [ARGUMENT...]

TEXT is typed once the program has said something; with --wait-for only that is waited for, then the terminal is closed.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


def main():
    arguments, columns, typed, wait_for = sys.argv[1:], 80, None, None
    while arguments and arguments[0].startswith("--"):
        name, value = arguments[0], arguments[1]
        arguments = arguments[2:]
        if name == "--columns":
            columns = int(value)
        elif name == "--type":
            typed = value.encode().decode("unicode_escape").encode()
        elif name == "--wait-for":
            wait_for = value.encode()
    child, fd = pty.fork()
    if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execvp(arguments[0], arguments)
    seen, deadline = b"", time.monotonic() + 20
    quiet_since = time.monotonic()
    while time.monotonic() < deadline:
        ready, _, _ = select.select([fd], [], [], 0.05)
        if ready:
            try:
                got = os.read(fd, 65536)
            except OSError:
                break
            if not got:
                break
            seen += got
            quiet_since = time.monotonic()
        if typed and seen and time.monotonic() - quiet_since > 0.2:
            os.write(fd, typed)
            typed = None
        if wait_for and typed is None and wait_for in seen:
            break
    sys.stdout.buffer.write(seen)
    sys.stdout.flush()
    os.close(fd)
    done, status = os.waitpid(child, os.WNOHANG)
    if not done:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) if not wait_for else 0)


if __name__ == "__main__":
    main()
