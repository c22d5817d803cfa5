# SPDX-License-Identifier: Apache-2.0
"""100 programs on 20 endpoints of icbmsgd: senders, readers, slow ones, stuck ones, and ones that are
killed all the time. Everybody checks what he gets, and in the end everything has to add up.
usage: crowd.py CORE_PID RESTARTS"""
import random
import select
import signal
import sys
from multiprocessing import Pipe

from sockets import *

ENDPOINTS, COUNT, KILLS = 20, 60, 30
core, restarts = int(sys.argv[1]), int(sys.argv[2])
policies = ["block", "block", "drop-oldest", "drop-newest"]


class Seen:
    """What one client has got: per sender in order, and never twice."""

    def __init__(self):
        self.last, self.counts, self.total = {}, {}, 0

    def take(self, message):
        sender, number = message[:16], int(message[16:24])
        assert number > self.last.get(sender, -1), (sender, number, self.last)
        assert message[24:] == b"." * (number * 7 % 900), "damaged"
        self.last[sender] = number
        self.counts[sender] = self.counts.get(sender, 0) + 1
        self.total += 1


def message_of(sender, number):
    return sender + b"%08d" % number + b"." * (number * 7 % 900)


def client(role, name, pipe):
    s = connect("run/net/" + name)
    me, sent, seen = b"%-16d" % os.getpid(), 0, Seen()
    pipe.send("here")
    pipe.recv()
    s.setblocking(False)
    limit = {"sender": COUNT, "victim": 20}.get(role, 0)
    while True:
        # Everybody sleeps until there is something to do: a hundred programs, few processors.
        readers = [pipe] if role == "stuck" else [pipe, s]
        readable, writable, _ = select.select(readers, [s] if sent < limit else [], [])
        if pipe in readable:
            break
        if s in readable:
            seen.take(s.recv(2000))
            if role == "slow" and seen.total % 20 == 0:
                time.sleep(0.001)
        if s in writable:
            try:
                s.send(message_of(me, sent))
            except BlockingIOError:
                continue
            sent += 1
            if sent == limit and role == "sender":
                pipe.send("sent")
    pipe.recv()
    if role == "stuck":
        s.settimeout(PATIENCE)
        while pipe.poll() is False:
            seen.take(s.recv(2000))
            pipe.send(seen.total)
            if pipe.recv() == "enough":
                break
    pipe.send((sent, seen.total, {k.strip().decode(): v for k, v in seen.counts.items()}))


def start(role, name):
    ours, theirs = Pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            client(role, name, theirs)
            status = 0
        finally:
            os._exit(status)
    assert ours.recv() == "here"
    return {"role": role, "name": name, "pid": pid, "pipe": ours}


def kill_and_replace(clients, r):
    victims = [c for c in clients if c["role"] == "victim"]
    c = r.choice(victims)
    os.kill(c["pid"], signal.SIGKILL)
    os.waitpid(c["pid"], 0)
    clients.remove(c)
    clients.append(start("victim", c["name"]))
    clients[-1]["pipe"].send("go")


def settled():
    """Nothing is on its way any more, but for those who are stuck."""
    link = instance()
    for e in link["endpoints"]:
        if e["to_core"]["messages"] != e["from_core"]["messages"] and not restarts:
            return False
    stuck = {c["pid"] for c in clients if c["role"] == "stuck"}
    return all(c["queued"] == 0 or c["pid"] in stuck for c in ask("clients")["clients"])


def drain_stuck(c):
    """All that is queued for it, to the last message."""
    c["pipe"].send("stop")
    while True:
        c["pipe"].recv()
        counts = next(k for k in ask("clients")["clients"] if k["pid"] == c["pid"])
        c["got"] = c.get("got", 0) + 1
        if counts["queued"] == 0 and counts["delivery"]["delivered"] == c["got"]:
            c["book"] = counts
            c["pipe"].send("enough")
            return
        c["pipe"].send("more")


r = random.Random(4)
clients = []
for n in range(ENDPOINTS):
    policy = policies[n % 4]
    roles = ["sender", "sender", "reader", "slow" if policy == "block" else "stuck", "victim"]
    clients += [start(role, "e%d" % n) for role in roles]
until(lambda: all(e["bound"] for e in ask("list")["instances"][0]["endpoints"]), "bound endpoints")
for c in clients:
    c["pipe"].send("go")
for k in range(KILLS):
    kill_and_replace(clients, r)
    if restarts and k % (KILLS // restarts) == 0:
        before = ask("list")["instances"][0]["restarts"]
        os.kill(core, signal.SIGUSR1)
        until(lambda: ask("list")["instances"][0]["restarts"] > before, "a noticed restart")
        until(lambda: all(e["bound"] for e in ask("list")["instances"][0]["endpoints"]), "bound again")
for c in clients:
    if c["role"] == "sender":
        assert c["pipe"].recv() == "sent"
for c in [c for c in clients if c["role"] == "victim"]:
    os.kill(c["pid"], signal.SIGKILL)
    os.waitpid(c["pid"], 0)
    clients.remove(c)
until(lambda: len(ask("clients")["clients"]) == len(clients), "the end of the killed")
until(settled, "quiet")
books = {k["pid"]: k for k in ask("clients")["clients"]}
for c in clients:
    c["book"] = books[c["pid"]]
    if c["role"] != "stuck":
        c["pipe"].send("stop")
    elif c["book"]["delivery"]["delivered"] > 0:
        drain_stuck(c)
link = instance()
for c in clients:
    if c["role"] == "stuck":
        if "got" not in c:  # it never got anything, and waits for it
            os.kill(c["pid"], signal.SIGKILL)
            os.waitpid(c["pid"], 0)
            continue
    c["sent"], c["total"], c["counts"] = c["pipe"].recv()
    assert os.waitpid(c["pid"], 0)[1] == 0
    book = c["book"]
    assert balanced(book["delivery"]), book
    assert book["delivery"]["delivered"] == c["total"], (c, book)
    assert book["to_core"]["messages"] + book["to_core"]["discarded"] == c["sent"], (c, book)
for e in link["endpoints"]:
    assert balanced(e["delivery"]), e
    if restarts:
        continue
    mine = [c for c in clients if c["name"] == e["name"]]
    senders = [str(c["pid"]) for c in mine if c["role"] == "sender"]
    assert e["to_core"]["unknown"] == e["to_core"]["discarded"] == 0
    assert e["from_core"]["messages"] == e["to_core"]["messages"]
    if policies[int(e["name"][1:]) % 4] == "block":
        for c in mine:
            for s in senders:
                assert c["counts"][s] == COUNT, (c, s)
        lost = {k: v for k, v in e["delivery"].items() if k.startswith("dropped")}
        assert not any(lost.values()), lost
if restarts:
    assert link["link"]["restarts"] == restarts
    sent, back = (sum(e[d]["messages"] for e in link["endpoints"]) for d in ("to_core", "from_core"))
    unknown = sum(e["to_core"]["unknown"] for e in link["endpoints"])
    assert unknown == link["link"]["tx_unknown"], "each lost message is somebody's"
    # What did not come back was of unknown fate, or its echo was in the rings when they were reset.
    print("restarts %d: sent %d, came back %d, unknown %d" % (restarts, sent, back, unknown))
    assert back <= sent
until(lambda: instance()["link"]["rx_held"] == 0 and not ask("clients")["clients"], "the end")
assert limit("max-bytes")["used"] == limit("max-held")["used"] == limit("max-clients")["used"] == 0
