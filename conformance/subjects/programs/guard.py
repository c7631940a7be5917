"""The guard between harness and program: it ends the program, and all that it started, once the harness is gone.

A script, run in a session of its own: ``python guard.py FD COMMAND...``.  FD is a socket to the harness.  On it the
guard tells how the program ended; when it is closed, by whatever death of the harness, the guard ends its own process
group.  So no moment is left in which a program could outlive who asked for it.
"""

import os
import signal
import socket
import subprocess
import sys
import threading


def main(lifeline: socket.socket, command: list[str]) -> None:
    """Run a command on this process's own standard streams until it ends, or the lifeline does."""
    # Before the program is there, so that none is started for a harness that is gone.
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    try:
        program = subprocess.Popen(command)
    except (OSError, ValueError) as error:
        lifeline.sendall(f"{error}\n".encode())
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # else the harness would never see the program close them
        os.dup2(nothing, stream)
    try:
        lifeline.sendall(f"{program.wait()}\n".encode())
    finally:
        os.killpg(0, signal.SIGKILL)


def _end_with(lifeline: socket.socket) -> None:
    lifeline.recv(1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
