"""Runs a command at a terminal, and prints what the terminal shows: `at_terminal.py ANSWER,… COMMAND…`. Each question gets the next
answer as soon as the terminal shows no more what is typed."""

import os
import pty
import sys
import termios

answers, command = sys.argv[1].split(","), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)

shown = b""
while True:
    try:
        some = os.read(terminal, 1024)
    except OSError:
        # The command has ended, and the terminal with it.
        break
    shown += some
    if shown.endswith(b": ") and answers:
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            os.sched_yield()
        os.write(terminal, answers.pop(0).encode() + b"\n")
print(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
