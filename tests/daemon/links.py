# SPDX-License-Identifier: Apache-2.0
"""Library clients, driven through link-client, line by line; and raw hellos."""

import collections
import os
import struct
import subprocess

VERSION = 1
MAGIC = 0x4D424349
RING, HELLO, WELCOME, REFUSAL, REGISTER, DEREGISTER, ANSWER = range(7)


class Links:
    """One process with many clients. Whatever is waited for is an event."""

    def __init__(self, prepare=None, how=os.environ.get("LINK_MODE")):
        self.process = subprocess.Popen(
            [os.environ["LINK_CLIENT"]] + ([how] if how else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            preexec_fn=prepare,
        )
        self.seen = collections.defaultdict(collections.deque)

    def tell(self, *words):
        print(*words, file=self.process.stdin)

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError("link-client has ended")
        who, _, what = line.rstrip("\n").partition(" ")
        self.seen[who].append(what)

    def next(self, n):
        """The next event of client n."""
        while not self.seen[str(n)]:
            self._read()
        return self.seen[str(n)].popleft()

    def expect(self, n, what):
        got = self.next(n)
        assert got == what, f"client {n}: {got!r} instead of {what!r}"

    def sync(self):
        """Everything that was told has been done."""
        self.tell("sync")
        while not self.seen["synced"]:
            self._read()
        self.seen["synced"].clear()

    def quiet(self, n):
        """Nothing has happened to client n."""
        self.sync()
        assert not self.seen[str(n)], self.seen[str(n)]

    def connect(self, n, path="run/net.sock", verb="connect"):
        self.tell(verb, n, path)
        got = self.next(n)
        assert got.startswith("welcome "), got
        return got

    def register(self, n, name, bound=True):
        self.tell("register", n, name)
        self.expect(n, "answer 0 ")
        if bound:
            self.expect(n, f"bound {name}")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def hello(low=VERSION, high=VERSION, magic=MAGIC, extra=b""):
    return struct.pack("=BBBBIQII", HELLO, low, high, 0, magic, 0, 0, 0) + extra
