# SPDX-License-Identifier: Apache-2.0
"""A file through an endpoint of icbmsgd, in packets of SIZE bytes.
usage: file.py send SOCKET FILE SIZE    a file goes out
       file.py receive SOCKET BYTES     so much comes in, and goes to standard output
       file.py both SOCKET FILE SIZE    it goes out and comes back at once, and is compared"""
import hashlib
import select
import sys

from sockets import *


def accepted(path):
    """A connection that gets messages from now on; others' wait in the listening socket."""
    s = connect(path)
    until(lambda: limit("max-clients")["used"] == 1, "to be accepted")
    return s


def send(path, file, size):
    s = connect(path)
    with open(file, "rb") as f:
        while packet := f.read(size):
            s.send(packet)
    s.close()


def receive(path, total):
    s = accepted(path)
    with open("ready", "w") as f:
        f.write("now\n")
    while total > 0:
        packet = s.recv(1 << 20)
        assert packet, "the daemon has closed"
        sys.stdout.buffer.write(packet)
        total -= len(packet)
    assert total == 0


def both(path, file, size):
    """Never waits for one direction alone: the far side takes no more while its echoes lie there."""
    s = accepted(path)
    s.setblocking(False)
    out, back = hashlib.sha256(), hashlib.sha256()
    sent = came = 0
    with open(file, "rb") as f:
        packet = f.read(size)
        while packet or came < sent:
            readable, writable, _ = select.select([s], [s] if packet else [], [], PATIENCE)
            assert readable or writable, "stuck after %d bytes sent, %d back" % (sent, came)
            if readable:
                echo = s.recv(1 << 20)
                assert echo, "the daemon has closed"
                back.update(echo)
                came += len(echo)
            if writable:
                try:
                    s.send(packet)
                except BlockingIOError:
                    continue
                out.update(packet)
                sent += len(packet)
                packet = f.read(size)
    assert out.digest() == back.digest()
    print("%d bytes went and came back" % sent)


role, path = sys.argv[1:3]
if role == "receive":
    receive(path, int(sys.argv[3]))
else:
    {"send": send, "both": both}[role](path, sys.argv[3], int(sys.argv[4]))
