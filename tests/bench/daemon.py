#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a message costs icbmsgd: CPU time and system calls, by kind of client, size and direction.

    tests/bench/daemon.py [BUILD_DIR]        default: build/release

A stand-in for firmware takes everything, or sends without end; one client sends or receives. The
daemon's CPU time is the kernel's own count (schedstat); its system calls are counted by strace in a
second run (skipped where there is no strace). Nothing is judged here: the numbers depend on the
machine, and on what else runs on it.
"""

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile


def end(number, frame):
    """Who is ended early (by timeout, say) leaves no core behind that sends without end."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


signal.signal(signal.SIGTERM, end)

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build/release"
BIN = os.path.abspath(os.path.join(BUILD, "bin"))
CLIENT = os.path.abspath(os.path.join(BUILD, "tests/bench-daemon-client"))
COUNT = int(os.environ.get("BENCH_COUNT", 100000))
SIZES = [64, 4096]


class Daemon:
    """A core in one mode and a daemon on it, which is the core's child and has its doorbells."""

    def __init__(self, mode, size, options=()):
        self.dir = tempfile.mkdtemp(prefix="icbmsgd-bench-", dir="/tmp")
        script = (
            'cat "$ICBMSG_CONFIG" - >conf <<END\n[daemon]\nrundir = %s\nmax-held = 0\n'
            "[endpoint net/ep0]\npolicy = block\nEND\n"
            'exec %s/icbmsgd -c conf --banner %s 2>log'
        ) % (self.dir, BIN, " ".join(options))
        self.core = subprocess.Popen(
            [f"{BIN}/icbmsg-sim", "echo", "--instance", "net", "--mode", mode, "--size", str(size),
             "--region-size", "256k", "--tx-blocks", "64", "--rx-blocks", "64", "--", "sh", "-c", script],
            cwd=self.dir, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert "ready" in self.core.stdout.readline()
        self.pid = int(subprocess.check_output(["pgrep", "-P", str(self.core.pid), "icbmsgd"], text=True))
        atexit.register(self.stop)

    def cpu(self):
        with open(f"/proc/{self.pid}/schedstat") as f:
            return int(f.read().split()[0])

    def taken(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{self.dir}/control")
        s.sendall(b'{"version":1,"command":"stats"}\n')
        answer = json.loads(s.makefile().readline())
        s.close()
        return answer["instances"][0]["endpoints"][0]["to_core"]["messages"]

    def stop(self):
        atexit.unregister(self.stop)
        os.kill(self.pid, signal.SIGKILL)
        self.core.wait()
        shutil.rmtree(self.dir)


def client(daemon, kind, verb, count, size):
    path = f"{daemon.dir}/net.sock" if kind == "library" else f"{daemon.dir}/net/ep0"
    process = subprocess.Popen([CLIENT, kind, verb, path, "ep0", str(count), str(size)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def run(daemon, process, verb, count):
    """The client's work from start to end: CPU time of the daemon and of the client."""
    before = daemon.cpu()
    process.stdin.write("\n")
    process.stdin.flush()
    own = int(process.stdout.readline())
    while verb == "send" and daemon.taken() < count:
        pass
    spent = daemon.cpu() - before
    process.stdin.close()
    process.wait()
    return spent, own


def calls(daemon, process, verb, count):
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out.name, "-p", str(daemon.pid)],
                                  stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()
        run(daemon, process, verb, count)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", out.read(), re.M)
    return {name: int(n) for n, name in rows if name != "total"}


def measure(kind, verb, size):
    mode = "sink" if verb == "send" else "source"
    daemon = Daemon(mode, size)
    spent, own = run(daemon, client(daemon, kind, verb, COUNT, size), verb, COUNT)
    daemon.stop()
    line = f"{kind:8} {verb:8} {size:6} {spent / COUNT:10.0f} {own / COUNT:10.0f}"
    if shutil.which("strace"):
        count = COUNT // 10
        daemon = Daemon(mode, size, ["-o", "confine=no"])
        rows = calls(daemon, client(daemon, kind, verb, count, size), verb, count)
        daemon.stop()
        most = sorted(rows.items(), key=lambda r: -r[1])[:5]
        line += f" {sum(rows.values()) / count:8.2f}  " + " ".join(f"{k} {n / count:.2f}" for k, n in most)
    print(line, flush=True)


def main():
    print(f"{'CLIENT':8} {'VERB':8} {'BYTES':>6} {'DAEMON ns':>10} {'CLIENT ns':>10} {'CALLS':>8}")
    for size in SIZES:
        for verb in ("send", "receive"):
            for kind in ("socket", "library"):
                measure(kind, verb, size)


if __name__ == "__main__":
    main()
