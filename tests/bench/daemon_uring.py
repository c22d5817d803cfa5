#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a message of a socket costs icbmsgd with io_uring and without: CPU time and system calls, for one
client and for many, by size and direction.

    tests/bench/daemon_uring.py [BUILD_DIR]        default: build/release

As daemon.py: all clients send to a core that takes everything, or get all that a core sends without
end. A message that 20 clients receive counts 20 times. Nothing is judged here.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile

from daemon import COUNT, SIZES, Daemon, client

CLIENTS = [1, 4, 20]


def run(daemon, verb, clients, count, size):
    """CPU time of the daemon for @count messages in all."""
    each = count // clients
    processes = [client(daemon, "socket", verb, each, size) for n in range(clients)]
    before = daemon.cpu()
    for p in processes:
        p.stdin.write("\n")
        p.stdin.flush()
    for p in processes:
        p.stdout.readline()
    while verb == "send" and daemon.taken() < each * clients:
        pass
    spent = daemon.cpu() - before
    for p in processes:
        p.stdin.close()
        p.wait()
    return spent / (each * clients)


def calls(daemon, verb, clients, count, size):
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out.name, "-p", str(daemon.pid)],
                                  stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()
        run(daemon, verb, clients, count, size)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", out.read(), re.M)
    return {name: int(n) / count for name, n in rows if name != "total"}


def measure(use, verb, clients, size):
    mode = "sink" if verb == "send" else "source"
    options = ["-o", f"io-uring={use}", "-o", "confine=no"]
    spent = []
    # What else runs on the machine only ever adds.
    for n in range(3):
        daemon = Daemon(mode, size, options)
        spent.append(run(daemon, verb, clients, COUNT, size))
        daemon.stop()
    line = f"{use:5} {verb:8} {clients:7} {size:6} {min(spent):10.0f}"
    if shutil.which("strace"):
        daemon = Daemon(mode, size, options)
        rows = calls(daemon, verb, clients, COUNT // 5, size)
        daemon.stop()
        most = sorted(rows.items(), key=lambda r: -r[1])[:5]
        line += f" {sum(rows.values()):8.2f}  " + " ".join(f"{k} {n:.2f}" for k, n in most)
    print(line, flush=True)


print(f"{'USE':5} {'VERB':8} {'CLIENTS':>7} {'BYTES':>6} {'DAEMON ns':>10} {'CALLS':>8}")
for size in SIZES:
    for verb in ("send", "receive"):
        for clients in CLIENTS:
            for use in ("no", "auto", "yes"):
                measure(use, verb, clients, size)
