# SPDX-License-Identifier: Apache-2.0
"""What the tests of icbmsgd need of a client: sockets that give up after a while, and the count of
everything that has come."""
import os
import socket
import time

PATIENCE = 60 * (5 if os.environ.get("ICBMSG_SANITIZE") else 1)


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(PATIENCE)
    s.connect(path)
    return s


def ended(s):
    """Read up to the end of file; what came before it."""
    came = []
    while True:
        message = s.recv(1 << 20)
        if not message:
            return came
        came.append(message)


def until(condition, what):
    """For states that announce themselves by no event of ours: asked for again and again."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.005)
