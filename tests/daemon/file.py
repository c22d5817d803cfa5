# SPDX-License-Identifier: Apache-2.0
"""A file goes out through an endpoint of icbmsgd in packets of SIZE bytes, comes back at the same time,
and is compared.
usage: file.py SOCKET FILE SIZE"""
import hashlib
import select
import sys

from sockets import *


def both(path, file, size):
    """Never waits for one direction alone: the far side takes no more while its echoes lie there."""
    s = connect(path)
    until(lambda: limit("max-clients")["used"] == 1, "to be accepted")
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


both(sys.argv[1], sys.argv[2], int(sys.argv[3]))
