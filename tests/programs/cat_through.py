#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
icbmsg-cat with the link of --direct given to icbmsgd, so that the tests of --direct are tests of
the daemon as well: the same command line, the same descriptors, and the same is expected. Without a
link (usage errors and the like) it is icbmsg-cat itself.
"""
import fcntl
import os
import signal
import subprocess
import sys
import tempfile

BIN = os.environ["ICBMSG_BIN_DIR"]
LINK = (20, 21, 22)


def has_link():
    try:
        fcntl.fcntl(LINK[0], fcntl.F_GETFD)
    except OSError:
        return False
    return "-d" in sys.argv


def configure(folder):
    """Writes the daemon's configuration; returns icbmsg-cat's arguments."""
    at = sys.argv.index("-d")
    file, _, instance = sys.argv[at + 1].partition(":")
    prefix, colon, endpoint = sys.argv[-1].partition(":")
    if colon:
        instance = prefix
    else:
        endpoint = sys.argv[-1]
    section = open(file).read().split(f"[instance {instance}]\n")[1].split("[")[0]
    with open(f"{folder}/icbmsgd.conf", "w") as conf:
        conf.write(f"[daemon]\nrundir = {folder}/run\n[instance {instance}]\n{section}")
        conf.write(f"[endpoint {instance}/{endpoint}]\npolicy = block\n")
    return ["-s", f"{folder}/run", *sys.argv[1:at], *sys.argv[at + 2:]]


def own_process_group_signals(child):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, frame: child.send_signal(n))


def run(folder):
    arguments = configure(folder)
    with open("daemon.log", "a") as log:
        daemon = subprocess.Popen(
            [f"{BIN}/icbmsgd", "-c", f"{folder}/icbmsgd.conf", "--banner"], pass_fds=LINK,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
    with open("daemon.pid", "w") as pid:
        pid.write(str(daemon.pid))
    if not daemon.stdout.readline():
        sys.exit("no daemon: " + open("daemon.log").read())
    cat = subprocess.Popen([f"{BIN}/icbmsg-cat", *arguments])
    own_process_group_signals(cat)
    # Only cat shall hold what its reader and writer see the end of.
    for fd in (0, 1):
        os.close(fd)
    status = cat.wait()
    daemon.terminate()
    if daemon.wait() != 0:
        sys.exit("the daemon failed: " + open("daemon.log").read())
    return status


if not has_link():
    os.execv(f"{BIN}/icbmsg-cat", [f"{BIN}/icbmsg-cat", *sys.argv[1:]])
with tempfile.TemporaryDirectory(prefix="icbmsg-cat-", dir="/tmp") as scratch:
    result = run(scratch)
sys.exit(result)
