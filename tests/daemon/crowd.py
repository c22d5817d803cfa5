# SPDX-License-Identifier: Apache-2.0
"""100 programs on 20 endpoints of icbmsgd: senders, readers, slow ones, stuck ones, and ones that are
killed all the time, while the core restarts. Everybody writes down what he gets, and the books of all
go into books.json; crowd_check.py adds them up once the core has ended, too.
usage: crowd.py CORE_PID KILLS RESTARTS SEED"""
import mmap
import random
import select
import signal
import sys
from multiprocessing import Pipe

from sockets import *

ENDPOINTS, COUNT, STEP = 20, 30, 200
POLICIES = ["block", "block", "drop-oldest", "drop-newest"]
core, kills, restarts, seed = map(int, sys.argv[1:])

# What clients have sent, and are about to have sent: known of those who are killed, too.
slots = 5 * ENDPOINTS + kills + 1
tallies = memoryview(mmap.mmap(-1, 16 * slots)).cast("Q")


def padding(number):
    return b"." * (number * 7 % 900)


class Client:
    """A program's own part: its end of the pipe to the parent, its socket, what it has got."""

    def __init__(self, role, name, slot, pipe):
        self.role, self.slot, self.pipe = role, slot, pipe
        self.me, self.got = b"%-16d" % os.getpid(), []
        self.socket = connect("run/net/" + name)

    def take(self):
        message = self.socket.recv(2000)
        assert message[24:] == padding(int(message[16:24])), "damaged"
        self.got.append(message[:24])

    def send(self):
        number = tallies[2 * self.slot]
        tallies[2 * self.slot + 1] = number + 1
        try:
            self.socket.send(self.me + b"%08d" % number + padding(number))
            tallies[2 * self.slot] = number + 1
        except BlockingIOError:
            tallies[2 * self.slot + 1] = number

    def run(self):
        """Until the parent says how many messages there are to get."""
        reads, sends = self.role != "stuck", self.role in ("sender", "victim")
        self.socket.setblocking(False)
        while True:
            wanted = [self.pipe, self.socket] if reads else [self.pipe]
            readable, writable, _ = select.select(wanted, [self.socket] if sends else [], [])
            if self.pipe in readable:
                told = self.pipe.recv()
                if told != "quiet":
                    return told
                sends = False
                self.pipe.send("sent")
            if self.socket in readable:
                self.take()
                if self.role == "slow" and len(self.got) % 20 == 0:
                    time.sleep(0.001)
            if writable and sends:
                self.send()

    def finish(self, total):
        self.socket.settimeout(PATIENCE)
        while len(self.got) < total:
            self.take()
        assert not select.select([self.socket], [], [], 0)[0], "more than there is to get"
        with open("got-%d" % os.getpid(), "wb") as f:
            f.write(b"".join(self.got))


def be_client(role, name, slot, pipe):
    status = 1
    try:
        client = Client(role, name, slot, pipe)
        pipe.send("here")
        pipe.recv()
        client.finish(client.run())
        status = 0
    finally:
        os._exit(status)


def start(role, name):
    ours, theirs = Pipe()
    slot = len(everybody)
    pid = os.fork()
    if pid == 0:
        be_client(role, name, slot, theirs)
    theirs.close()
    assert ours.recv() == "here"
    c = {"role": role, "name": name, "pid": pid, "slot": slot, "pipe": ours}
    everybody.append(c)
    clients.append(c)
    return c


def kill(c):
    os.kill(c["pid"], signal.SIGKILL)
    os.waitpid(c["pid"], 0)
    clients.remove(c)
    c["pipe"].close()


def all_sent(index=0):
    return sum(tallies[index : 2 * len(everybody) : 2])


def wait_for_traffic():
    goal = all_sent() + STEP
    until(lambda: all_sent() >= goal, "%d messages more" % STEP)


def link():
    return ask("list")["instances"][0]


def bound():
    return all(e["bound"] for e in link()["endpoints"])


def restart_core():
    before = link()["restarts"]
    os.kill(core, signal.SIGUSR1)
    until(lambda: link()["restarts"] > before, "a noticed restart")
    until(bound, "bound again")


def taken():
    """Has the daemon taken everything out of the sockets of all?"""
    for e in instance()["endpoints"]:
        inside = e["to_core"]["messages"] + e["to_core"]["discarded"]
        if inside < sum(tallies[2 * c["slot"]] for c in everybody if c["name"] == e["name"]):
            return False
    return True


def quiet():
    """Nobody sends, and nothing is on its way but to those who are stuck."""
    for c in clients:
        c["pipe"].send("quiet")
        assert c["pipe"].recv() == "sent"
    for c in [c for c in clients if c["role"] == "victim"]:
        kill(c)
    until(lambda: len(ask("clients")["clients"]) == len(clients), "the end of the killed")
    until(taken, "everything sent on")
    # The link keeps the order: what comes behind everything comes back behind everything.
    slot = len(everybody)
    everybody.append({"role": "marker", "name": None, "pid": os.getpid(), "slot": slot})
    for n in range(ENDPOINTS):
        s = connect("run/net/e%d" % n)
        marker = b"%-16d" % os.getpid() + b"%08d" % n
        s.send(marker + padding(n))
        while s.recv(2000)[:24] != marker:
            pass
        s.close()
        tallies[2 * slot] = tallies[2 * slot + 1] = n + 1
    until(lambda: len(ask("clients")["clients"]) == len(clients), "the end of the marker's")
    until(settled, "quiet")


def settled():
    stuck = {c["pid"] for c in clients if c["role"] == "stuck"}
    return all(c["held"] == 0 and (c["queued"] == 0 or c["pid"] in stuck)
               for c in ask("clients")["clients"])


def finish():
    """Everybody takes exactly what the daemon says he has got or will get."""
    books = {k["pid"]: k for k in ask("clients")["clients"]}
    for c in clients:
        c["book"] = books[c["pid"]]
        c["total"] = c["book"]["delivery"]["delivered"] + c["book"]["queued"]
        c["pipe"].send(c["total"])
    for c in clients:
        assert os.waitpid(c["pid"], 0)[1] == 0, c


print("--- crowd.py seed %d: %d kills, %d restarts" % (seed, kills, restarts), flush=True)
random = random.Random(seed)
everybody, clients = [], []
for n in range(ENDPOINTS):
    fourth = "slow" if POLICIES[n % 4] == "block" else "stuck"
    for role in ["sender", "sender", "reader", fourth, "victim"]:
        start(role, "e%d" % n)
until(lambda: limit("max-clients")["used"] == len(clients), "everybody's connection")
until(bound, "bound endpoints")
for c in clients:
    c["pipe"].send("go")
restart_at = set(random.sample(range(kills), restarts))
for k in range(kills):
    wait_for_traffic()
    victim = random.choice([c for c in clients if c["role"] == "victim"])
    kill(victim)
    start("victim", victim["name"])["pipe"].send("go")
    if k in restart_at:
        wait_for_traffic()
        restart_core()
senders = [c for c in clients if c["role"] == "sender"]
until(lambda: all(tallies[2 * c["slot"]] >= COUNT for c in senders), "everybody's turn")
quiet()
finish()
until(lambda: not ask("clients")["clients"], "the end")
until(lambda: instance()["link"]["rx_held"] == 0, "free blocks")
for name in ("max-bytes", "max-held", "max-clients"):
    assert limit(name)["used"] == 0, name
for c in everybody:
    c["sent"], c["tried"] = tallies[2 * c["slot"]], tallies[2 * c["slot"] + 1]
    c.pop("pipe", None)
with open("books.json", "w") as f:
    json.dump({"restarts": restarts, "clients": everybody, **instance()}, f)
