# SPDX-License-Identifier: Apache-2.0
"""What the tests of icbmsgd need of a client: sockets that give up after a while, and the count of
everything that has come."""
import json
import os
import socket
import time

PATIENCE = 240 * (5 if os.environ.get("ICBMSG_SANITIZE") else 1)


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


def ask(command, **arguments):
    """A request to the daemon's control socket; the answer, whatever it is."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(PATIENCE)
    s.connect("run/control")
    s.sendall(json.dumps({"version": 1, "command": command, **arguments}).encode() + b"\n")
    with s.makefile() as f:
        answer = json.loads(f.readline())
    s.close()
    return answer


def instance():
    return ask("stats")["instances"][0]


def endpoint(name):
    return next(e for e in instance()["endpoints"] if e["name"] == name)


def limit(name):
    return ask("stats")["limits"][name]


def balanced(delivery):
    """Every message that was offered has one fate, or waits."""
    fates = ("delivered", "dropped_oldest", "dropped_newest", "abandoned", "stale", "oversize")
    return delivery["offered"] == delivery["queued"] + sum(delivery[f] for f in fates)


def numbered(n, size=1000):
    return b"%08d" % n + b"." * (size - 8)


def number_of(message):
    return int(message[:8])
