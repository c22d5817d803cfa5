#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of icbmsgd: lines of standard input go out as messages, messages come in as lines.
usage: client.py SOCKET"""
import os, select, socket, sys

ept = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ept.connect(sys.argv[1])
watched = [ept, sys.stdin]
while ept in watched:
    ready, _, _ = select.select(watched, [], [], None if sys.stdin in watched else 1)
    if sys.stdin in ready:
        line = sys.stdin.readline()
        ept.send(line.rstrip("\n").encode()) if line else watched.remove(sys.stdin)
    if ept in ready or not ready:
        message = ept.recv(1 << 20) if ready else b""
        print(message.decode(), flush=True) if message else watched.remove(ept)
