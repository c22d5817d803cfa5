# SPDX-License-Identifier: Apache-2.0
"""Adds up what a crowd (crowd.py) has sent and got, what the core has got (core.record), and what the
daemon says about it, in books.json. Within a life of the core every message arrives exactly once and
in order; over its restarts at most once, and no more are lost than the daemon has reported."""
import collections
import json

from sockets import balanced

with open("books.json") as f:
    books = json.load(f)
restarts, clients, link = books["restarts"], books["clients"], books["link"]
endpoints = {e["name"]: e for e in books["endpoints"]}


def read_record():
    """Per endpoint what arrived: (life of the core, header of the message)."""
    arrived = {name: [] for name in endpoints}
    with open("core.record") as f:
        for line in f:
            life, size, head, name = line.rstrip("\n").split(" ", 3)
            head = bytes.fromhex(head)[:24]
            assert int(size) == 24 + int(head[16:]) * 7 % 900, line
            arrived[name].append((int(life), head))
    return arrived


def check_order(name, messages):
    """Of each sender: never twice, never an older one, and gaps at the core's restarts only."""
    last, numbers = {}, collections.Counter()
    for life, head in messages:
        sender, number = int(head[:16]), int(head[16:])
        before = last.get(sender)
        if sender == marker["pid"]:
            assert number == int(name[1:]) and before is None
        elif before is None:
            assert number == 0 or life > 0, (name, sender, number)
        else:
            assert number > before[1], ("twice, or out of order", name, sender, number, before)
            assert number == before[1] + 1 or life > before[0], ("lost", name, sender, number, before)
        last[sender] = (life, number)
        numbers[sender] += 1
    return {s: number for s, (life, number) in last.items()}, numbers


def check_senders(name, messages):
    last, numbers = check_order(name, messages)
    for c in clients:
        if c["name"] != name:
            continue
        least, most = (c["sent"], c["tried"]) if "book" not in c else (c["sent"], c["sent"])
        # Since the core's last restart nothing has been lost; killed ones may have ended before it.
        highest = last.get(c["pid"], -1) + 1
        assert highest <= most, c
        if "book" in c or not restarts:
            assert highest >= least, c
        if not restarts:
            assert numbers[c["pid"]] == highest, c


def check_endpoint(e, messages):
    mine = [c for c in clients if c["name"] == e["name"]]
    given, came, reported = e["to_core"]["messages"], e["from_core"]["messages"], e["to_core"]["unknown"]
    # One more is the marker's.
    taken = given + e["to_core"]["discarded"]
    assert sum(c["sent"] for c in mine) + 1 <= taken <= sum(c["tried"] for c in mine) + 1, e
    assert e["to_core"]["oversize"] == e["to_core"]["empty"] == e["from_core"]["empty"] == 0, e
    assert balanced(e["delivery"]) and e["delivery"]["queued"] == 0, e
    lost = given - len(messages)
    # The core sends a message back and then releases it: what has come back is known to have been
    # handled, but for one message at each restart that falls in between.
    assert 0 <= lost <= reported <= given - came + restarts, (e, lost)
    if not restarts:
        assert came == given and reported == 0, e
    return given, len(messages), reported


def check_client(c, messages):
    e, book = endpoints[c["name"]], c["book"]
    fates = book["delivery"]
    with open("got-%d" % c["pid"], "rb") as f:
        data = f.read()
    got = [data[n : n + 24] for n in range(0, len(data), 24)]
    assert balanced(fates), book
    assert fates["offered"] == e["from_core"]["messages"], (c, e)
    lost = sum(fates[f] for f in ("dropped_oldest", "dropped_newest", "stale"))
    assert len(got) == c["total"] == fates["offered"] - lost, c
    assert book["to_core"]["messages"] + book["to_core"]["discarded"] == c["sent"] == c["tried"], c
    # In the order in which the core got and sent them, each once.
    rest = iter(head for life, head in messages)
    assert all(head in rest for head in got), ("out of order, twice, or never sent back", c)
    if e["name"] in blocking:
        assert fates["dropped_oldest"] == fates["dropped_newest"] == 0, book
        if not restarts:
            assert got == [head for life, head in messages], c
    return lost


marker = next(c for c in clients if c["role"] == "marker")
blocking = {"e%d" % n for n in range(20) if n % 4 < 2}
arrived = read_record()
sums = [0, 0, 0]
for name, messages in arrived.items():
    check_senders(name, messages)
    sums = [a + b for a, b in zip(sums, check_endpoint(endpoints[name], messages))]
dropped = sum(check_client(c, arrived[c["name"]]) for c in clients if "book" in c)
given, came, unknown = sums
assert link["restarts"] == restarts and link["tx_messages"] == given, link
assert link["tx_unknown"] == unknown, "what is reported is somebody's"
assert dropped > 0 or restarts, "stuck clients of drop policies have to lose something"
print("--- sent %d = arrived and known %d + unknown %d, of which %d arrived; %d dropped for slow clients"
      % (given, given - unknown, unknown, unknown - (given - came), dropped))
