#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgd and clients that do not read: each policy, with exact counts; and limits.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
}

teardown() {
	common_teardown
}

# slow POLICY: an endpoint with a client that does not read, while another sends 2,000 messages and
# takes their echoes; and an endpoint beside it.
slow() {
	start_core --endpoint slow --endpoint other
	config "[endpoint net/slow]" "policy = $1" "backlog = 64k" "socket-buffer = 16k" \
		"hold-time = 20ms" "[endpoint net/other]" "policy = $1"
	start_daemon
}

# What both drop policies have in common: stuck has everything it will ever get in its reach.
cat >"$BATS_FILE_TMPDIR/drops.py" <<'END'
from sockets import *
import resource
COUNT = 2000
stuck, sender, other = connect("run/net/slow"), connect("run/net/slow"), connect("run/net/other")
for n in range(COUNT):
    sender.send(numbered(n))
    assert number_of(sender.recv(2000)) == n
    if n % 10 == 0:
        other.send(b"flows")
        assert other.recv(100) == b"flows"
# No block is kept by a client that does not read.
until(lambda: instance()["link"]["rx_held"] == 0, "free blocks")
largest = ask("list")["instances"][0]["max_receive"]
other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, largest)
other.send(b"x" * largest)
assert len(other.recv(1 << 20)) == largest
before = endpoint("slow")
assert balanced(before["delivery"]) and before["delivery"]["offered"] == 2 * COUNT
assert before["backlog"]["queued"] > 0 and before["backlog"]["bytes"] <= 65536
got = []
dropped = before["delivery"]["dropped_oldest"] + before["delivery"]["dropped_newest"]
while len(got) < COUNT - dropped:
    got.append(number_of(stuck.recv(2000)))
assert got == sorted(set(got))
until(lambda: endpoint("slow")["backlog"]["queued"] == 0, "an empty backlog")
after = endpoint("slow")
assert after["delivery"]["delivered"] == COUNT + len(got), (after, len(got))
assert balanced(after["delivery"])
assert after["backlog"]["bytes"] == 0 and limit("max-bytes")["used"] == 0
END

@test "drop-oldest: a stuck client gets the newest, others everything" {
	slow drop-oldest
	{
		cat "$BATS_FILE_TMPDIR/drops.py"
		cat <<-'END'
			assert got[-1] == COUNT - 1
			assert before["delivery"]["dropped_newest"] == 0 and dropped > 0
			tail = got[-20:]
			assert tail == list(range(COUNT - 20, COUNT))
		END
	} | python3
}

@test "drop-newest: a stuck client gets the oldest, others everything" {
	slow drop-newest
	{
		cat "$BATS_FILE_TMPDIR/drops.py"
		cat <<-'END'
			assert got[:50] == list(range(50))
			assert before["delivery"]["dropped_oldest"] == 0 and dropped > 0
			sender.send(numbered(COUNT))
			assert number_of(stuck.recv(2000)) == COUNT
		END
	} | python3
}

@test "disconnect: a stuck client gets what it had and an end of file, others everything" {
	slow disconnect
	python3 <<-'END'
		from sockets import *
		COUNT = 2000
		stuck, sender, other = connect("run/net/slow"), connect("run/net/slow"), connect("run/net/other")
		for n in range(COUNT):
		    sender.send(numbered(n))
		    assert number_of(sender.recv(2000)) == n
		other.send(b"flows")
		assert other.recv(100) == b"flows"
		got = [number_of(m) for m in ended(stuck)]
		assert got == list(range(len(got))) and 0 < len(got) < COUNT
		e = endpoint("slow")
		assert balanced(e["delivery"])
		assert e["delivery"]["delivered"] == COUNT + len(got)
		assert e["delivery"]["abandoned"] == e["delivery"]["offered"] - COUNT - len(got) > 0
		assert e["clients"]["connected"] == 1 and e["backlog"]["queued"] == 0
		until(lambda: instance()["link"]["rx_held"] == 0, "free blocks")
	END
	grep -q 'net/slow: process [0-9]* is disconnected: it does not take its messages' log
}

@test "block: the core waits, icbmsgctl shows it, and nothing is lost" {
	slow block
	python3 - "$bin/icbmsgctl" <<-'END'
		from sockets import *
		import subprocess, sys, threading
		COUNT = 2000
		ctl = lambda *a: subprocess.run([sys.argv[1], *a, "-s", "run/control"], check=True,
		                                capture_output=True, text=True).stdout
		stuck, sender, other = connect("run/net/slow"), connect("run/net/slow"), connect("run/net/other")
		def send():
		    for n in range(COUNT):
		        sender.send(numbered(n))
		def take():
		    for n in range(COUNT):
		        assert number_of(sender.recv(2000)) == n
		threads = [threading.Thread(target=t, daemon=True) for t in (send, take)]
		for t in threads:
		    t.start()
		# All the blocks that the core sends from are held, and it has none for anybody else.
		until(lambda: instance()["link"]["rx_held"] == 24, "a core without blocks")
		assert endpoint("slow")["backlog"]["blocking"]
		assert "BLOCKING" in ctl("list") and "blocking true" in ctl("stats")
		blocked = endpoint("slow")["backlog"]["blocked"]
		assert blocked > 0
		other.send(b"stalled")
		assert threads[1].is_alive()
		assert [number_of(stuck.recv(2000)) for n in range(COUNT)] == list(range(COUNT))
		for t in threads:
		    t.join()
		assert other.recv(100) == b"stalled"
		until(lambda: not endpoint("slow")["backlog"]["blocking"], "the end of blocking")
		e = endpoint("slow")
		assert e["delivery"]["offered"] == e["delivery"]["delivered"] == 2 * COUNT, e
		assert instance()["link"]["rx_held"] == 0 and "BLOCKING" not in ctl("list")
	END
}

@test "a stuck client that is killed frees everything, whatever the policy" {
	for policy in drop-oldest drop-newest block; do
		slow "$policy"
		python3 <<-'END'
			from sockets import *
			import subprocess, sys
			code = "import socket, time; s = socket.socket(1, 5); s.connect('run/net/slow'); time.sleep(1000)"
			stuck = subprocess.Popen([sys.executable, "-c", code])
			until(lambda: endpoint("slow")["clients"]["connected"] == 1, "the client")
			sender = connect("run/net/slow")
			n = 0
			while n < 500:
			    sender.send(numbered(n))
			    assert number_of(sender.recv(2000)) == n
			    n += 1
			    if n % 10 == 0 and endpoint("slow")["backlog"]["queued"] > 20:
			        stuck.kill()
			until(lambda: instance()["link"]["rx_held"] == 0, "free blocks")
			e = endpoint("slow")
			assert balanced(e["delivery"]) and e["backlog"]["queued"] == e["backlog"]["bytes"] == 0
			assert e["delivery"]["abandoned"] > 0 and e["clients"]["connected"] == 1
			assert limit("max-bytes")["used"] == limit("max-held")["used"] == 0
		END
		stop_daemon
		stop_core
		rm -f "/dev/shm/$shm"
	done
}

@test "a restart of the core loses what was held for slow clients, and counts it" {
	start_core
	config "[endpoint net/ep0]" "policy = block" "backlog = 0" "socket-buffer = 4k" \
		"on-unbound = keep" "hold-time = 1m"
	start_daemon
	mkfifo go gone
	python3 - <<-'END' 3>&- &
		from sockets import *
		stuck, sender = connect("run/net/ep0"), connect("run/net/ep0")
		n = 0
		while endpoint("ep0")["backlog"]["held"] < 5:
		    sender.send(numbered(n))
		    assert number_of(sender.recv(2000)) == n
		    n += 1
		open("go", "w").close()
		open("gone").close()
		until(lambda: endpoint("ep0")["unbound"] == 1, "the loss of the link")
		sender.send(b"again")
		assert sender.recv(100) == b"again"
		e = endpoint("ep0")
		assert e["delivery"]["stale"] == 5, e
		assert balanced(e["delivery"]) and e["backlog"]["held"] == 1
		got = [number_of(stuck.recv(2000)) for k in range(n - 5)]
		assert got == list(range(n - 5))
		assert stuck.recv(100) == b"again"
	END
	client=$!
	read -r _ <go || true
	restart_core
	: >gone
	wait "$client"
}

@test "a shorter hold-time counts at once for what is held when it is read" {
	start_core
	config "[endpoint net/ep0]" "backlog = 64k" "socket-buffer = 4k" "hold-time = 1m"
	start_daemon
	mkfifo go gone
	python3 - <<-'END' 3>&- &
		import sockets
		from sockets import *
		sockets.PATIENCE = 30 # half of the longest hold-time
		stuck, sender = connect("run/net/ep0"), connect("run/net/ep0")
		n = 0
		while endpoint("ep0")["backlog"]["held"] < 2:
		    sender.send(numbered(n))
		    assert number_of(sender.recv(2000)) == n
		    n += 1
		open("go", "w").close()
		open("gone").close()
		until(lambda: endpoint("ep0")["backlog"]["held"] == 0, "free blocks")
		assert [number_of(stuck.recv(2000)) for k in range(n)] == list(range(n))
	END
	client=$!
	read -r _ <go || true
	sed -i 's/^hold-time = 1m/hold-time = 1ms/' icbmsgd.conf
	"$bin/icbmsgctl" reload -s run/control
	: >gone
	wait "$client"
}

@test "clients are refused by limits, which are named" {
	start_core --endpoint a --endpoint b
	config "max-clients = 6" "max-clients-per-uid = 4" "[endpoint net/a]" "mode = 0666" \
		"[endpoint net/b]" "mode = 0666"
	chmod 755 .
	start_daemon
	[ "$(id -u)" -eq 0 ] || skip "needs several users"
	python3 <<-'END'
		from sockets import *
		def as_user(uid, path):
		    os.seteuid(uid)
		    s = connect(path)
		    os.seteuid(0)
		    return s
		open_ones = []
		def one_more(uid, path):
		    # Two sockets are not accepted from in the order of connecting: one after the other.
		    open_ones.append(as_user(uid, path))
		    until(lambda: limit("max-clients")["used"] == len(open_ones), "one client more")
		for n in range(4):
		    one_more(1001, "run/net/" + "ab"[n % 2])
		assert ended(as_user(1001, "run/net/a")) == []
		one_more(1002, "run/net/a")
		one_more(1002, "run/net/a")
		assert ended(as_user(1002, "run/net/b")) == []
		assert limit("max-clients-per-uid") == {"used": 4, "max": 4, "refused": 1}
		assert limit("max-clients") == {"used": 6, "max": 6, "refused": 1}
		assert endpoint("a")["clients"]["refused"] == endpoint("b")["clients"]["refused"] == 1
		open_ones.pop(0).close()
		until(lambda: limit("max-clients")["used"] == 5, "a place")
		late = as_user(1001, "run/net/b")
		late.send(b"in")
		assert late.recv(100) == b"in"
	END
	grep -q 'net/a: process [0-9]* of user 1001 is refused: max-clients-per-uid is reached' log
	grep -q 'net/b: process [0-9]* of user 1002 is refused: max-clients is reached' log
}

@test "bytes and held buffers are limited over all clients of a user" {
	start_core --endpoint a --endpoint b
	config "max-bytes-per-uid = 20k" "max-held = 2" "max-held-per-uid = 1" \
		"[endpoint net/a]" "backlog = 1M" "socket-buffer = 4k" "hold-time = 1m" \
		"[endpoint net/b]" "backlog = 1M" "socket-buffer = 4k" "policy = drop-newest"
	start_daemon
	python3 <<-'END'
		from sockets import *
		stuck = [connect("run/net/" + e) for e in "aabb"]
		a, b = connect("run/net/a"), connect("run/net/b")
		for n in range(300):
		    for s in (a, b):
		        s.send(numbered(n))
		        assert number_of(s.recv(2000)) == n
		    assert limit("max-bytes-per-uid")["used"] <= 20480
		    assert limit("max-held")["used"] <= 2
		assert limit("max-bytes-per-uid")["refused"] > 0
		for name in "ab":
		    assert balanced(endpoint(name)["delivery"])
		    assert endpoint(name)["backlog"]["held"] <= 1
	END
}

@test "flooding clients share: none starves, and the daemon stays answerable" {
	start_core --tx-blocks 4 --rx-blocks 4 --endpoint ep0 --mode sink
	config "[endpoint net/ep0]"
	start_daemon
	python3 <<-'END'
		from sockets import *
		import threading
		COUNT, SENDERS = 600, 8
		clients = [connect("run/net/ep0") for n in range(SENDERS)]
		stop = threading.Event()
		def flood(s):
		    while not stop.is_set():
		        s.send(b"x" * 900)
		threads = [threading.Thread(target=flood, args=(s,)) for s in clients]
		for t in threads:
		    t.start()
		def counts():
		    return [c["to_core"]["messages"] for c in ask("clients")["clients"]]
		until(lambda: len(counts()) == SENDERS and min(counts()) > COUNT, "everybody's turn")
		c = counts()
		stop.set()
		for t in threads:
		    t.join()
		# One message per client and turn: nobody is far behind while all have something to send.
		assert max(c) < 2 * min(c), c
	END
}
