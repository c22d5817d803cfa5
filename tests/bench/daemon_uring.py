#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a message of a socket costs icbmsgd with io_uring and without: CPU time and system calls, for one
client and for many, by size and direction.

    tests/bench/daemon_uring.py [BUILD_DIR]        default: build/release

As daemon.py: all clients send to a core that takes everything, or get all that a core sends without
end. A message that 20 clients receive counts 20 times. Nothing is judged here.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from daemon import COUNT, SIZES, Daemon, client

CLIENTS = [1, 4, 20]


def counted(daemon, verb):
    """Messages that the daemon has moved."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(f"{daemon.dir}/control")
    s.sendall(b'{"version":1,"command":"stats"}\n')
    endpoint = json.loads(s.makefile().readline())["instances"][0]["endpoints"][0]
    s.close()
    return endpoint["to_core"]["messages"] if verb == "send" else endpoint["delivery"]["delivered"]


def finish(process):
    """Who has finished and stays would keep the others waiting."""
    process.stdout.readline()
    process.stdin.close()
    process.wait()


def run(daemon, verb, clients, count, size):
    """The daemon's CPU time per message for about @count of them, and how many there were."""
    each = count // clients
    processes = [client(daemon, "socket", verb, each, size) for n in range(clients)]
    threads = [threading.Thread(target=finish, args=(p,)) for p in processes]
    cpu, messages = daemon.cpu(), counted(daemon, verb)
    for p, t in zip(processes, threads):
        p.stdin.write("\n")
        p.stdin.flush()
        t.start()
    for t in threads:
        t.join()
    while verb == "send" and counted(daemon, verb) < each * clients:
        pass
    cpu, messages = daemon.cpu() - cpu, counted(daemon, verb) - messages
    return cpu / messages, messages


def calls(daemon, verb, clients, count, size):
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out.name, "-p", str(daemon.pid)],
                                  stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()
        spent, messages = run(daemon, verb, clients, count, size)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", out.read(), re.M)
    return {name: int(n) / messages for n, name in rows if name != "total"}


def measure(use, verb, clients, size):
    mode = "sink" if verb == "send" else "source"
    options = ["-o", f"io-uring={use}", "-o", "confine=no"]
    spent = []
    # What else runs on the machine only ever adds.
    for n in range(3):
        daemon = Daemon(mode, size, options)
        spent.append(run(daemon, verb, clients, COUNT, size)[0])
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
