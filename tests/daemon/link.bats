#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgd and programs that use libicbmsg: hellos, endpoints, messages both ways, restarts of either
# side, and the end. link-client speaks the client protocol by hand.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
}

teardown() {
	common_teardown
}

a_library_client_hello() {
	start_core --endpoint chat
	config "[endpoint net/chat]"
	start_daemon
	python3 <<-'END'
		from links import *
		c = Links()
		print(c.connect(0))
		c.register(0, "chat")
		for n in range(300):
		    c.tell("send", 0, "chat", f"message {n}")
		    c.expect(0, f"received chat message {n}")
		c.tell("register", 0, "chat")
		assert c.next(0).startswith("answer -17 ")
		c.tell("register", 0, "unknown")
		got = c.next(0)
		assert got.startswith("answer -2 ")
		assert "LINK_MODE" in os.environ or "net/unknown: no section of the configuration" in got, got
		c.quiet(0)
		c.close()
	END
	stop_daemon
	[ ! -e run/net.sock ]
}

@test "a library client: hello, an endpoint, an echo, and the end" {
	a_library_client_hello
}

@test "a library client: hello, an endpoint, an echo, and the end (icbmsg_connect)" {
	export LINK_MODE=--connect
	a_library_client_hello
}

@test "hello: versions, short ones, long ones, none" {
	start_core --endpoint chat
	config "[endpoint net/chat]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import connect, ended
		silent = connect("run/net.sock")
		def answer(packet):
		    s = connect("run/net.sock")
		    s.send(packet)
		    return s.recv(600), s
		# A newer program that still speaks ours, with members we do not know.
		packet, s = answer(hello(1, 9, extra=b"\xff" * 100))
		assert packet[0] == WELCOME and packet[1] == 1, packet
		# An older one that does not know all of ours.
		packet, s = answer(hello()[:8])
		assert packet[0] == WELCOME and packet[1] == 1, packet
		# Nothing in common: told what there is, and the end.
		for low, high in ((2, 9), (0, 0)):
		    packet, s = answer(hello(low, high))
		    kind, least, most, _, error = struct.unpack("=BBBBi", packet[:8])
		    assert (kind, least, most, error) == (REFUSAL, 1, 1, -93), packet
		    assert b"no version" in packet[8:]
		    assert ended(s) == []
		# No hellos at all.
		for packet in (b"\0", hello()[:7], hello(magic=1), b"x" * 600, hello(2, 1), bytes([REGISTER]) + b"chat"):
		    s = connect("run/net.sock")
		    s.send(packet)
		    assert all(p[0] == REFUSAL for p in ended(s)), packet
		# And one who says nothing.
		assert ended(silent) == []
	END
	grep -q 'it has not said hello in time' log
}

@test "packets that break a rule end their client, and nobody else" {
	start_core --endpoint chat
	config "[endpoint net/chat]"
	start_daemon
	DAEMON=$daemon python3 <<-'END'
		import array, os, socket
		from links import *
		from sockets import connect, ended, ask, until, limit
		c = Links()
		c.connect(0)
		c.register(0, "chat")
		for packet in (
		    bytes([WELCOME]), bytes([ANSWER]) + b"\0" * 7, b"\x63", bytes([HELLO]) + b"x", b"\0" * 513,
		    bytes([REGISTER]), bytes([REGISTER]) + b"n" * 256, bytes([REGISTER]) + b"a\0b",
		    bytes([DEREGISTER]) + b"chat",
		):
		    s = connect("run/net.sock")
		    s.send(hello())
		    assert s.recv(600)[0] == WELCOME
		    s.send(packet)
		    assert set(p[0] for p in ended(s)) <= {RING}, packet
		# Requests without reading the answers: as many as the socket takes, and no more.
		s = connect("run/net.sock")
		s.send(hello())
		assert s.recv(600)[0] == WELCOME
		try:
		    while True:
		        s.send(bytes([REGISTER]) + b"unknown")
		except (BrokenPipeError, ConnectionResetError):
		    pass
		# Descriptors that nobody asked for are not kept.
		s = connect("run/net.sock")
		s.send(hello())
		assert s.recv(600)[0] == WELCOME
		def count():
		    s.send(bytes([REGISTER]) + b"unknown")
		    while s.recv(600)[0] != ANSWER:
		        pass
		    return len(os.listdir("/proc/%s/fd" % os.environ["DAEMON"]))
		before = count()
		for n in range(100):
		    s.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
		assert count() <= before
		# Doorbells all the time are answered by nothing.
		s = connect("run/net.sock")
		s.send(hello())
		for n in range(20000):
		    s.send(b"\0")
		c.tell("send", 0, "chat", "still there")
		c.expect(0, "received chat still there")
		s.close()
		until(lambda: limit("max-library-clients")["used"] == 1, "the others to be forgotten")
		c.close()
	END
}

a_message_goes_to_library() {
	start_core --endpoint a --endpoint b
	config "[endpoint net/a]" "[endpoint net/b]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import connect, endpoint, balanced
		c = Links()
		for n in range(4):
		    c.connect(n)
		    c.register(n, "a")
		c.register(3, "b")
		s = connect("run/net/a")
		for n in range(200):
		    if n % 5 == 4:
		        s.send(b"m%d" % n)
		    else:
		        c.tell("send", n % 5, "a", f"m{n}")
		    for k in range(4):
		        c.expect(k, f"received a m{n}")
		    assert s.recv(100) == b"m%d" % n
		c.tell("send", 3, "b", "for b")
		c.expect(3, "received b for b")
		c.tell("send", 0, "a", "")
		for k in range(4):
		    c.expect(k, "received a ")
		s.send(b"last")
		assert s.recv(100) == b"last"
		stats = endpoint("a")
		assert stats["delivery"]["offered"] == 4 * 202 + 201 and balanced(stats["delivery"])
		assert stats["from_core"]["empty"] == 1 and stats["to_core"]["messages"] == 202
		c.close()
	END
}

@test "a message goes to library clients and to sockets alike, an empty one to the former" {
	a_message_goes_to_library
}

@test "a message goes to library clients and to sockets alike, an empty one to the former (icbmsg_connect)" {
	export LINK_MODE=--connect
	a_message_goes_to_library
}

exclusive_endpoints() {
	start_core --endpoint ep0
	config "[endpoint net/ep0]" "exclusive = yes"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import connect, ended, endpoint, until
		c = Links()
		c.connect(0)
		c.connect(1)
		c.register(0, "ep0")
		c.tell("register", 1, "ep0")
		assert c.next(1).startswith("answer -16 ")
		assert ended(connect("run/net/ep0")) == []
		c.tell("deregister", 0, "ep0")
		until(lambda: endpoint("ep0")["clients"]["connected"] == 0, "it to be free")
		s = connect("run/net/ep0")
		s.send(b"x")
		assert s.recv(10) == b"x"
		c.tell("register", 0, "ep0")
		assert c.next(0).startswith("answer -16 ")
		s.close()
		until(lambda: endpoint("ep0")["clients"]["connected"] == 0, "it to be free")
		c.register(1, "ep0")
		c.close()
	END
}

@test "an endpoint is given back while the same client sends without end on another" {
	start_core --endpoint ep0 --endpoint two --mode sink --tx-blocks 4 --rx-blocks 4
	config "[endpoint net/ep0]" "exclusive = yes" "[endpoint net/two]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import endpoint, connect
		busy, other = Links(), Links()
		busy.connect(0)
		busy.register(0, "ep0")
		busy.register(0, "two")
		busy.tell("flood", 0, "two", "ep0")
		busy.expect(0, "flooding")
		other.connect(0)
		while True:
		    other.tell("register", 0, "ep0")
		    if other.next(0) == "answer 0 ":
		        break
		before = endpoint("two")["to_core"]["messages"]
		while endpoint("two")["to_core"]["messages"] < before + 1000:
		    pass
		busy.process.kill()
		other.close()
	END
}

@test "exclusive endpoints: sockets and library clients respect each other" {
	exclusive_endpoints
}

@test "exclusive endpoints: sockets and library clients respect each other (icbmsg_connect)" {
	export LINK_MODE=--connect
	exclusive_endpoints
}

an_endpoint_that_is_given_back() {
	start_core --endpoint ep0 --endpoint two
	config "[endpoint net/ep0]" "[endpoint net/two]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import endpoint, until
		c = Links()
		c.connect(0)
		c.register(0, "two")
		for n in range(20):
		    c.register(0, "ep0")
		    c.tell("send", 0, "ep0", f"m{n}")
		    # What was sent before is sent on, whichever way comes first.
		    c.tell("deregister", 0, "ep0")
		    until(lambda: endpoint("ep0")["to_core"]["messages"] == n + 1, "the message")
		    until(lambda: endpoint("ep0")["clients"]["connected"] == 0, "the endpoint")
		    c.sync()
		    c.seen["0"].clear()
		c.tell("send", 0, "two", "x")
		c.expect(0, "received two x")
		c.close()
	END
}

@test "an endpoint that is given back and asked for again" {
	an_endpoint_that_is_given_back
}

@test "an endpoint that is given back and asked for again (icbmsg_connect)" {
	export LINK_MODE=--connect
	an_endpoint_that_is_given_back
}

@test "the file of an endpoint's socket says who gets it from the library, too" {
	[ "$(id -u)" -eq 0 ] || skip "needs another user"
	start_core --endpoint open --endpoint shut
	config "library-mode = 0666" "[endpoint net/open]" "mode = 0666" "[endpoint net/shut]" "[endpoint net/x*]" \
		"[endpoint net/y*]" "mode = 0602"
	start_daemon
	chmod 755 "$work"
	python3 <<-'END'
		import os
		from links import *
		from sockets import endpoint
		def user(uid, gid, groups):
		    os.setgroups(groups), os.setresgid(gid, gid, gid), os.setresuid(uid, uid, uid)
		c = Links(lambda: user(65534, 65534, []))
		c.connect(0)
		c.register(0, "open")
		for name in ("shut", "x1"):
		    c.tell("register", 0, name)
		    assert c.next(0).startswith("answer -13 the mode, owner and group"), name
		# Nothing is exported for who may not have it; for the rest of the world, it is.
		assert not os.path.exists("run/net/x1")
		c.register(0, "y1", bound=False)
		assert os.path.exists("run/net/y1")
		c.close()
		# A member of the group, if only by the way.
		c = Links(lambda: user(65534, 65534, [0]))
		c.connect(0)
		c.register(0, "shut")
		c.register(0, "x1", bound=False)
		c.tell("register", 0, "y2")
		assert c.next(0).startswith("answer -13 ")
		c.close()
	END
}

a_client_that_takes_nothing() {
	start_core --endpoint ep0
	config "[endpoint net/ep0]" "backlog = 20k" "hold-time = 1ms"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import *
		c = Links()
		c.connect(0)
		c.register(0, "ep0")
		s = connect("run/net/ep0")
		c.tell("hold", 0)
		c.sync()
		COUNT = 600
		for n in range(COUNT):
		    s.send(numbered(n, 150))
		    assert number_of(s.recv(2000)) == n
		got = lambda: int(c.next(0).split()[2][:8])
		first = got()
		assert first == 0
		until(lambda: endpoint("ep0")["delivery"]["dropped_oldest"] > 0, "drops")
		stats = endpoint("ep0")["delivery"]
		assert balanced(stats) and stats["queued"] > 20, stats
		c.tell("release", 0)
		numbers = []
		while not numbers or numbers[-1] < COUNT - 1:
		    numbers.append(got())
		assert numbers == sorted(set(numbers))
		stats = endpoint("ep0")["delivery"]
		assert balanced(stats) and stats["queued"] == 0
		assert stats["delivered"] == COUNT + 1 + len(numbers), (stats, len(numbers))
		c.close()
	END
}

@test "a client that takes nothing: held, kept, dropped, and the rest in order" {
	a_client_that_takes_nothing
}

@test "a client that takes nothing: held, kept, dropped, and the rest in order (icbmsg_connect)" {
	export LINK_MODE=--connect
	a_client_that_takes_nothing
}

@test "policy disconnect ends the connection of a library client that does not keep up" {
	start_core --endpoint ep0 --endpoint two
	config "[endpoint net/ep0]" "backlog = 2k" "hold-time = 1ms" "hold-blocks = 0" "policy = disconnect" \
		"[endpoint net/two]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import *
		c = Links()
		c.connect(0)
		c.register(0, "ep0")
		c.register(0, "two")
		c.connect(1)
		c.register(1, "two")
		s = connect("run/net/ep0")
		c.tell("hold", 0)
		c.sync()
		n = 0
		while endpoint("ep0")["clients"]["connected"] == 2:
		    s.send(numbered(n, 150))
		    assert number_of(s.recv(2000)) == n
		    n += 1
		while c.next(0) != "end":
		    pass
		assert endpoint("two")["clients"]["connected"] == 1
		assert balanced(endpoint("ep0")["delivery"])
		c.tell("send", 1, "two", "x")
		c.expect(1, "received two x")
		c.close()
	END
}

blocks_of_the_core_are_out() {
	start_core --endpoint ep0 --mode sink --tx-blocks 4 --rx-blocks 4
	config "[endpoint net/ep0]"
	start_daemon
	CORE=$core python3 <<-'END'
		import os, signal
		from links import *
		from sockets import *
		c = Links()
		core = int(os.environ["CORE"])
		for n in range(6):
		    c.connect(n)
		    c.register(n, "ep0")
		s = connect("run/net/ep0")
		os.kill(core, signal.SIGSTOP)
		for k in range(5):
		    for n in range(6):
		        c.tell("send", n, "ep0", f"{n} {k}")
		    s.send(b"s %d" % k)
		until(lambda: instance()["waiting"] == 7, "all to wait")
		assert endpoint("ep0")["to_core"]["messages"] == 4
		# One leaves the queue, the others stay.
		c.tell("drop", 5)
		os.kill(core, signal.SIGCONT)
		until(lambda: endpoint("ep0")["to_core"]["messages"] >= 30, "the messages")
		until(lambda: instance()["waiting"] == 0, "nobody to wait")
		c.close()
	END
}

@test "blocks of the core are out: clients of both kinds wait in one queue, and all arrives" {
	blocks_of_the_core_are_out
}

@test "blocks of the core are out: clients of both kinds wait in one queue, and all arrives (icbmsg_connect)" {
	export LINK_MODE=--connect
	blocks_of_the_core_are_out
}

the_core_restarts() {
	local options=(--endpoint ep0 --endpoint two --tx-blocks 6 --rx-blocks 6)
	start_core "${options[@]}"
	config "[endpoint net/ep0]" "[endpoint net/two]"
	start_daemon
	mkfifo told
	CORE=$core python3 3>told <<-'END' &
		import os, signal
		from links import *
		from sockets import *
		core = int(os.environ["CORE"])
		c = Links()
		for n in range(3):
		    c.connect(n)
		    c.register(n, "ep0")
		c.register(2, "two")
		c.tell("send", 0, "ep0", "handled")
		for n in range(3):
		    c.expect(n, "received ep0 handled")
		until(lambda: sum(k["outstanding"] for k in ask("clients")["connections"]) == 0, "the release")
		os.kill(core, signal.SIGSTOP)
		for k in range(4):
		    c.tell("send", 0, "ep0", f"outstanding {k}")
		until(lambda: endpoint("ep0")["to_core"]["messages"] == 5, "them to be sent")
		c.tell("send", 2, "two", "a fifth")
		c.tell("send", 2, "two", "a sixth")
		c.tell("send", 2, "two", "waits for blocks")
		c.tell("send", 2, "two", "not looked at")
		until(lambda: instance()["waiting"] == 1, "one to wait")
		rows = {k["id"]: k for k in ask("clients")["connections"]}
		assert sorted(k["outstanding"] for k in rows.values()) == [0, 2, 4], rows
		# Going on it might read some before it restarts.
		os.kill(core, signal.SIGKILL)
		print("killed", file=os.fdopen(3, "w", 1))
		c.expect(0, "unbound ep0 4")
		c.expect(0, "bound ep0")
		c.expect(1, "unbound ep0 0")
		c.expect(1, "bound ep0")
		got = [c.next(2) for n in range(4)]
		# The library of the client counts what the core has had, what waited, and what nobody saw.
		assert sorted(got) == sorted(["unbound ep0 0", "unbound two 4", "bound ep0", "bound two"]), got
		stats = instance()["endpoints"]
		assert sum(e["to_core"]["unknown"] for e in stats) == 6
		assert endpoint("two")["to_core"]["discarded"] == 1
		for name in ("ep0", "two"):
		    c.tell("send", 2, name, "again")
		    assert c.next(2) == f"received {name} again"
		c.expect(0, "received ep0 again")
		c.expect(1, "received ep0 again")
		until(lambda: sum(k["outstanding"] for k in ask("clients")["connections"]) == 0, "the release")
		c.close()
	END
	clients=$!
	exec 6<told
	read -r line <&6
	[ "$line" = killed ]
	wait "$core" || true
	start_core "${options[@]}"
	wait "$clients"
	exec 6<&-
}

@test "the core restarts: its library clients hear which messages are of unknown fate" {
	the_core_restarts
}

@test "the core restarts: its library clients hear which messages are of unknown fate (icbmsg_connect)" {
	export LINK_MODE=--connect
	the_core_restarts
}

restarts_of_the_core_in_a_row() {
	start_core --endpoint ep0
	config "[endpoint net/ep0]"
	start_daemon
	CORE=$core python3 <<-'END'
		import os, signal
		from links import *
		from sockets import *
		core = int(os.environ["CORE"])
		c = Links()
		c.connect(0)
		c.register(0, "ep0")
		sent = received = unknown = 0
		for round in range(30):
		    for n in range(round % 7):
		        c.tell("send", 0, "ep0", f"{round}")
		        sent += 1
		    os.kill(core, signal.SIGUSR1)
		    while True:
		        got = c.next(0)
		        if got.startswith("received"):
		            received += 1
		        elif got.startswith("unsent"):
		            sent -= 1
		        elif got.startswith("unbound"):
		            unknown += int(got.split()[2])
		        elif got == "bound ep0":
		            break
		        else:
		            assert False, got
		# A message that was released was handled, and its echo may have been lost; not the reverse.
		assert received <= sent and unknown <= sent
		assert endpoint("ep0")["to_core"]["messages"] + endpoint("ep0")["to_core"]["discarded"] <= sent
		c.tell("send", 0, "ep0", "end")
		c.expect(0, "received ep0 end")
		c.close()
	END
}

@test "restarts of the core in a row, with traffic: every message has one fate on both sides" {
	restarts_of_the_core_in_a_row
}

@test "restarts of the core in a row, with traffic: every message has one fate on both sides (icbmsg_connect)" {
	export LINK_MODE=--connect
	restarts_of_the_core_in_a_row
}

kill_of_a_client() {
	start_core --endpoint ep0 --tx-blocks 4 --rx-blocks 4
	config "[endpoint net/ep0]"
	start_daemon
	CORE=$core DAEMON=$daemon python3 <<-'END'
		import os, signal
		from links import *
		from sockets import *
		core = int(os.environ["CORE"])
		for round in range(8):
		    c, other = Links(), Links()
		    other.connect(0)
		    other.register(0, "ep0")
		    for n in range(4):
		        c.connect(n)
		        c.register(n, "ep0")
		    before = endpoint("ep0")["to_core"]["messages"]
		    os.kill(core, signal.SIGSTOP)
		    for n in range(4):
		        for k in range(round + 1):
		            c.tell("send", n, "ep0", f"{n} {k}")
		    c.tell("hold", 2)
		    c.sync()
		    c.process.kill()
		    os.kill(core, signal.SIGCONT)
		    # Every message that was in the memory is sent on, although its sender is dead.
		    for k in range(4 * (round + 1)):
		        assert other.next(0).startswith("received ep0")
		    assert endpoint("ep0")["to_core"]["messages"] == before + 4 * (round + 1)
		    until(lambda: limit("max-library-clients")["used"] == 1, "the dead to be forgotten")
		    other.close()
		until(lambda: limit("max-library-clients")["used"] == 0, "all to be forgotten")
		assert limit("max-library-bytes")["used"] == 0
		assert len(os.listdir("/proc/%s/fd" % os.environ["DAEMON"])) < 40
	END
}

@test "kill -9 of a client in the middle: what it had sent goes on, the rest is forgotten" {
	kill_of_a_client
}

@test "kill -9 of a client in the middle: what it had sent goes on, the rest is forgotten (icbmsg_connect)" {
	export LINK_MODE=--connect
	kill_of_a_client
}

@test "the daemon is killed: clients connect again with the memory they have, and go on" {
	start_core --endpoint ep0
	config "[endpoint net/ep0]"
	start_daemon
	mkfifo told asked
	python3 3>told 4<asked <<-'END' &
		import os
		from links import *
		told, asked = os.fdopen(3, "w", 1), os.fdopen(4)
		c = Links()
		for n in range(3):
		    c.connect(n)
		    c.register(n, "ep0")
		print("ready", file=told)
		for n in range(3):
		    c.expect(n, "end")
		print("ended", file=told)
		assert asked.readline() == "again\n"
		for n in range(3):
		    c.connect(n, verb="again")
		    c.register(n, "ep0")
		for k in range(100):
		    c.tell("send", k % 3, "ep0", f"m{k}")
		    for n in range(3):
		        c.expect(n, f"received ep0 m{k}")
		c.close()
	END
	clients=$!
	exec 6<told 7>asked
	read -r line <&6
	[ "$line" = ready ]
	kill -9 "$daemon"
	wait "$daemon" || true
	read -r line <&6
	[ "$line" = ended ]
	# Firmware of today does not notice that this side has started anew.
	start_daemon
	restart_core
	echo again >&7
	wait "$clients"
	exec 6<&- 7>&-
}

@test "the daemon is killed: libicbmsg connects again by itself, and says what is refused then" {
	export LINK_MODE=--connect
	start_core --endpoint ep0 --endpoint two
	config "[endpoint net/ep0]" "[endpoint net/two]"
	start_daemon
	mkfifo told asked
	python3 3>told 4<asked <<-'END' &
		import os
		from links import *
		told, asked = os.fdopen(3, "w", 1), os.fdopen(4)
		c = Links()
		for n in range(5):
		    c.connect(n)
		    c.register(n, "ep0")
		c.register(0, "two")
		print("ready", file=told)
		c.expect(0, "gone ep0")
		c.expect(0, "gone two")
		for n in range(1, 5):
		    c.expect(n, "gone ep0")
		print("gone", file=told)
		got = [c.next(0), c.next(0)]
		assert sorted(got) == ["bound ep0", "error two -2"], got
		for n in range(1, 5):
		    c.expect(n, "bound ep0")
		for k in range(100):
		    c.tell("send", k % 5, "ep0", f"m{k}")
		    for n in range(5):
		        c.expect(n, f"received ep0 m{k}")
		c.close()
	END
	clients=$!
	exec 6<told 7>asked
	read -r line <&6
	[ "$line" = ready ]
	kill -9 "$daemon"
	wait "$daemon" || true
	read -r line <&6
	[ "$line" = gone ]
	config "[endpoint net/ep0]"
	start_daemon
	restart_core
	wait "$clients"
	exec 6<&- 7>&-
}

@test "a client that writes anything anywhere, and rings: others do not notice" {
	start_core --endpoint ep0 --endpoint two
	config "[endpoint net/ep0]" "policy = drop-oldest" "[endpoint net/two]"
	start_daemon -v
	python3 <<-'END'
		from links import *
		from sockets import ask, until, limit, endpoint, balanced
		bad, good = Links(), Links()
		good.connect(0)
		good.register(0, "two")
		for round in range(60):
		    bad.connect(round)
		    bad.register(round, "ep0")
		    # Where: the indices, the rings, the blocks, everything.
		    bad.tell("scribble", round, "x", f"{round} {2000 if round % 3 else 40000} {round % 4}")
		    for k in range(10):
		        good.tell("send", 0, "two", f"m{round} {k}")
		        good.expect(0, f"received two m{round} {k}")
		    bad.tell("send", round, "ep0", "perhaps")
		    bad.sync()
		bad.process.kill()
		until(lambda: limit("max-library-clients")["used"] == 1, "them to go")
		assert limit("max-library-bytes")["used"] == ask("clients")["connections"][0]["memory"]
		stats = endpoint("ep0")
		assert balanced(stats["delivery"])
		good.close()
	END
	grep -q 'restarted or broke the protocol' log
}

@test "a client that begins new sessions all the time is answered with delays, and answered" {
	start_core --endpoint ep0
	config "[endpoint net/ep0]"
	start_daemon -v
	python3 <<-'END'
		from links import *
		c = Links()
		for n in range(2):
		    c.connect(n)
		    c.register(n, "ep0")
		c.tell("restart", 0, "ep0", 14)
		while (got := c.next(0)) != "bound ep0":
		    pass
		c.tell("send", 0, "ep0", "x")
		for n in range(2):
		    c.expect(n, "received ep0 x")
		c.close()
	END
	grep -q 'from now on it is answered after a while' log
}

@test "memory of a former connection is taken only if it is what the daemon makes" {
	start_core --endpoint ep0
	config "[endpoint net/ep0]"
	start_daemon
	python3 <<-'END'
		import array, ctypes, fcntl, os, socket
		from links import *
		from sockets import connect, ask, until, limit
		F_ADD_SEALS, F_GET_SEALS, GROW, SHRINK, SEAL, WRITE = 1033, 1034, 4, 2, 1, 8
		def welcome(*fds):
		    s = connect("run/net.sock")
		    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
		    s.sendmsg([hello()], ancillary)
		    packet, ancillary, _, _ = s.recvmsg(600, 100)
		    assert packet[0] == WELCOME
		    fd = array.array("i", ancillary[0][2])[0]
		    return s, fd, struct.unpack_from("=Q", packet, 16)[0]
		s, made, size = welcome()
		seals = fcntl.fcntl(made, F_GET_SEALS)
		assert seals & 0xf == GROW | SHRINK | SEAL and os.fstat(made).st_size == size
		same = lambda a, b: os.fstat(a).st_ino == os.fstat(b).st_ino
		s.close()
		# Its own comes back.
		s, fd, _ = welcome(made)
		assert same(fd, made)
		s.close()
		# With a second descriptor, too, and that one is not kept.
		r, w = os.pipe()
		s, fd, _ = welcome(made, w)
		os.close(w)
		assert same(fd, made) and os.read(r, 1) == b""
		s.close()
		def memfd(size, seals, flags=os.MFD_ALLOW_SEALING):
		    fd = os.memfd_create("x", flags)
		    os.ftruncate(fd, size)
		    if seals:
		        fcntl.fcntl(fd, F_ADD_SEALS, seals)
		    return fd
		good = GROW | SHRINK | SEAL
		wrong = [
		    memfd(size, 0), memfd(size, GROW | SHRINK), memfd(size, SHRINK | SEAL), memfd(size, good | WRITE),
		    memfd(size - 4096, good), memfd(size + 4096, good), memfd(0, good), r, os.open("/dev/zero", os.O_RDWR),
		    os.open("/proc/self/fd/%d" % made, os.O_RDONLY), os.open(".", os.O_RDONLY),
		    os.open(os.path.join("/dev/shm", os.path.basename(os.getcwd())), os.O_RDWR | os.O_CREAT),
		]
		os.unlink("/dev/shm/" + os.path.basename(os.getcwd()))
		os.truncate(wrong[-1], size)
		try:
		    wrong.append(memfd(size, good, os.MFD_ALLOW_SEALING | os.MFD_HUGETLB))
		except OSError:
		    pass
		for fd in wrong:
		    s, got, _ = welcome(fd)
		    assert not same(got, fd), fd
		    s.close()
		until(lambda: limit("max-library-bytes")["used"] == 0, "the memory to be given back")
	END
}

@test "limits: how many, how much memory, per user and in all" {
	start_core --endpoint ep0 --region-size 16k
	config "max-library-clients = 5" "max-library-clients-per-uid = 4" "max-library-bytes = 300k" \
		"max-library-bytes-per-uid = 256k" "library-region-max = 256k" "[endpoint net/ep0]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import connect, ended, limit, until
		def refusal(packet):
		    s = connect("run/net.sock")
		    s.send(packet)
		    packet = s.recv(600)
		    return struct.unpack_from("=BBBBi", packet), packet[8:]
		c = Links()
		c.connect(0)
		size = limit("max-library-bytes")["used"]
		head, text = refusal(struct.pack("=BBBBIQII", HELLO, 1, 1, 0, MAGIC, 0, 1 << 31, 1 << 31))
		assert head[0] == REFUSAL and head[4] == -122 and text.startswith(b"max-library-bytes"), (head, text)
		assert limit("max-library-bytes")["used"] == size
		waiting = [connect("run/net.sock") for n in range(3)]
		until(lambda: limit("max-library-clients")["used"] == 4, "them")
		head, text = refusal(hello())
		assert head[4] == -122 and text.startswith(b"max-library-clients-per-uid is reached"), (head, text)
		for s in waiting:
		    s.close()
		until(lambda: limit("max-library-clients")["used"] == 1, "them to go")
		# One after the other, more than are kept to hear why.
		waiting = [connect("run/net.sock") for n in range(3)]
		for n in range(30):
		    assert refusal(hello())[0][4] == -122
		for s in waiting:
		    s.close()
		until(lambda: limit("max-library-clients")["used"] == 1, "them to go")
		c.register(0, "ep0")
		c.close()
	END
}

@test "an endpoint that is not exported any more ends the connections that have it" {
	start_core --endpoint ep0 --endpoint two
	config "[endpoint net/ep0]" "[endpoint net/two]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import ask
		def ended(c, n):
		    while (got := c.next(n)) != "end":
		        assert got.startswith("unbound"), got
		c = Links()
		for n in range(2):
		    c.connect(n)
		    c.register(n, "two")
		c.register(0, "ep0")
		text = open("icbmsgd.conf").read()
		open("icbmsgd.conf", "w").write(text.replace("[endpoint net/ep0]", ""))
		assert ask("reload")["ok"]
		ended(c, 0)
		c.connect(0)
		c.tell("register", 0, "ep0")
		assert c.next(0).startswith("answer -2 ")
		c.register(0, "two")
		c.tell("send", 1, "two", "x")
		for n in range(2):
		    c.expect(n, "received two x")
		# The whole instance.
		open("icbmsgd.conf", "w").write(open("link.conf").read().replace("[instance net]", "[instance other]")
		    + "[daemon]\nrundir = " + __import__("os").getcwd() + "/run\n")
		assert not ask("reload")["failed"]
		for n in range(2):
		    ended(c, n)
		c.close()
	END
}

@test "an endpoint is not exported any more while what was sent before it was given back waits" {
	start_core --endpoint ep0 --endpoint two --mode sink --tx-blocks 4 --rx-blocks 4
	config "[endpoint net/ep0]" "[endpoint net/two]"
	start_daemon
	CORE=$core python3 <<-'END'
		import os, signal
		from links import *
		from sockets import *
		core = int(os.environ["CORE"])
		c = Links()
		for n in range(2):
		    c.connect(n)
		    c.register(n, "two")
		c.register(0, "ep0")
		os.kill(core, signal.SIGSTOP)
		for k in range(4):
		    c.tell("send", 1, "two", f"{k}")
		until(lambda: endpoint("two")["to_core"]["messages"] == 4, "all blocks to be taken")
		c.tell("send", 0, "ep0", "waits")
		until(lambda: instance()["waiting"] == 1, "it to wait")
		c.tell("deregister", 0, "ep0")
		until(lambda: any(k["state"] == "finishing" for k in ask("clients")["clients"]), "the request")
		text = open("icbmsgd.conf").read()
		open("icbmsgd.conf", "w").write(text.replace("[endpoint net/ep0]", ""))
		assert ask("reload")["ok"]
		connections = ask("clients")["connections"]
		os.kill(core, signal.SIGCONT)
		# It is of unknown fate, which the end of the session says.
		assert len(connections) == 1, connections
		while (got := c.next(0)) != "end":
		    assert got.startswith("unbound"), got
		c.tell("send", 1, "two", "x")
		until(lambda: endpoint("two")["to_core"]["messages"] == 5, "the rest to be sent")
		c.close()
	END
}

# Everybody sends more than there are blocks anywhere, and gets it back from a core that has as few.
full_both_ways() {
	start_core --endpoint ep0 --tx-blocks 4 --rx-blocks 4 --region-size 4k
	[ -z "$1" ] || sed -i "s/^doorbell/$1\n&/" link.conf
	config "[endpoint net/ep0]" "policy = block" "backlog = 4k"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import *
		CLIENTS, EACH = 4, 440
		c = Links()
		for n in range(CLIENTS):
		    c.connect(n)
		    c.register(n, "ep0")
		for k in range(EACH):
		    if k in (100, 340):
		        # From here to there nobody gives anything back: all that has a bound fills up,
		        # as more is sent than fits anywhere.
		        if k == 340:
		            until(lambda: endpoint("ep0")["backlog"]["blocked"] > 0, "the policy to block")
		        for n in range(CLIENTS):
		            c.tell("hold" if k == 100 else "release", n)
		    for n in range(CLIENTS):
		        c.tell("send", n, "ep0", f"{n} {k:03d} " + "x" * 150)
		    c.sync() # the pipes to link-client fill up, too
		sent, got = [EACH] * CLIENTS, [[] for n in range(CLIENTS)]
		while any(len(g) < sum(sent) for g in got):
		    for n in range(CLIENTS):
		        if len(got[n]) == sum(sent):
		            continue
		        event = c.next(n).split()
		        if event[0] == "unsent":
		            # The client's own memory is full: it would have to wait.
		            assert event[2] == "-105"
		            sent[n] -= 1
		        else:
		            got[n].append((int(event[2]), int(event[3])))
		for g in got:
		    assert g == got[0], "everybody sees the same order"
		for n in range(CLIENTS):
		    mine = [k for who, k in got[0] if who == n]
		    assert mine == sorted(mine) and len(mine) == sent[n]
		assert sum(sent) < CLIENTS * EACH, "nothing was full"
		stats = endpoint("ep0")
		assert balanced(stats["delivery"]) and stats["delivery"]["delivered"] == CLIENTS * sum(sent)
		assert stats["backlog"]["blocked"] > 0
		c.close()
	END
}

@test "both directions full, policy block: nothing is lost, nobody waits for ever" {
	full_both_ways ""
}

@test "both directions full, policy block: nothing is lost, nobody waits for ever (icbmsg_connect)" {
	export LINK_MODE=--connect
	full_both_ways ""
}

@test "both directions full, policy block, memory that cannot be held" {
	full_both_ways "memory-type = device"
}

@test "while somebody stalls memory that cannot be held, what the core releases is taken" {
	start_core --endpoint ep0 --endpoint two --tx-blocks 200 --rx-blocks 200 --region-size 64k
	sed -i "s/^doorbell/memory-type = device\n&/" link.conf
	config "[endpoint net/ep0]" "policy = block" "backlog = 0" "[endpoint net/two]"
	start_daemon
	python3 <<-'END'
		from links import *
		from sockets import *
		c = Links()
		c.connect(0)
		c.register(0, "two")
		s = connect("run/net/ep0")
		while not ask("list")["instances"][0]["stalled"]:
		    s.send(b"x" * 100)
		for k in range(20):
		    c.tell("send", 0, "two", f"{k}")
		until(lambda: endpoint("two")["to_core"]["messages"] == 20, "them to be sent")
		until(lambda: ask("clients")["connections"][0]["outstanding"] == 0, "the releases")
		assert ask("list")["instances"][0]["stalled"]
		s.close()
		for k in range(20):
		    c.expect(0, f"received two {k}")
		c.close()
	END
}

@test "who may connect can be changed while clients are there" {
	start_core --endpoint ep0
	config "library-mode = 0600" "[endpoint net/ep0]"
	start_daemon
	[ "$(stat -c %a run/net.sock)" = 600 ]
	python3 <<-'END'
		import os
		from links import *
		from sockets import ask
		c = Links()
		c.connect(0)
		c.register(0, "ep0")
		text = open("icbmsgd.conf").read()
		open("icbmsgd.conf", "w").write(text.replace("library-mode = 0600", "library-mode = 0666"))
		answer = ask("reload")
		assert any("library-mode" in line for line in answer["changed"]) and not answer["failed"], answer
		assert os.stat("run/net.sock").st_mode & 0o777 == 0o666
		c.tell("send", 0, "ep0", "x")
		c.expect(0, "received ep0 x")
		rows = ask("clients")
		assert [r["kind"] for r in rows["clients"]] == ["library"], rows
		assert rows["clients"][0]["connection"] == rows["connections"][0]["id"]
		assert rows["connections"][0]["endpoints"] == 1 and rows["connections"][0]["memory"] > 0
		listed = ask("list")["instances"][0]
		assert listed["library_socket"].endswith("run/net.sock")
		assert listed["endpoints"][0]["library_clients"] == listed["endpoints"][0]["clients"] == 1
		c.close()
	END
	run -0 "$bin/icbmsgctl" clients --socket run/control
	[[ ${lines[0]} == *KIND* ]]
}

@test "SIGTERM: what was sent is sent on, what was received is taken, then the end" {
	start_core --endpoint ep0 --tx-blocks 4 --rx-blocks 4 --record record
	config "drain-timeout = 60s" "[endpoint net/ep0]"
	start_daemon
	CORE=$core DAEMON=$daemon python3 <<-'END'
		import os, signal
		from links import *
		from sockets import *
		core = int(os.environ["CORE"])
		def end_of(n):
		    while (got := c.next(n)) != "end":
		        assert got.startswith("received ") or got.startswith("unbound "), got
		c = Links()
		for n in range(3):
		    c.connect(n)
		    c.register(n, "ep0")
		silent = connect("run/net.sock")
		c.tell("hold", 2)
		c.tell("send", 0, "ep0", "first")
		c.expect(2, "received ep0 first")
		os.kill(core, signal.SIGSTOP)
		for k in range(5):
		    for n in range(2):
		        c.tell("send", n, "ep0", f"{n} {k}")
		c.sync()
		os.kill(int(os.environ["DAEMON"]), signal.SIGTERM)
		assert ended(silent) == []
		os.kill(core, signal.SIGCONT)
		end_of(0)
		end_of(1)
		c.tell("release", 2)
		end_of(2)
		c.close()
	END
	wait "$daemon"
	daemon=''
	stop_core
	[ "$(wc -l <record)" -eq 11 ]
}

@test "SIGTERM: a library client that goes on sending holds nobody up" {
	start_core --endpoint ep0
	config "drain-timeout = 60s" "[endpoint net/ep0]"
	start_daemon
	DAEMON=$daemon python3 <<-'END'
		import os, signal
		from links import *
		from sockets import *
		daemon = int(os.environ["DAEMON"])
		c = Links()
		c.connect(0)
		c.register(0, "ep0")
		c.tell("busy", 0, "ep0")
		c.expect(0, "busy")
		until(lambda: endpoint("ep0")["delivery"]["delivered"] > 1000, "it to be busy")
		os.kill(daemon, signal.SIGTERM)
		until(lambda: not os.path.exists(f"/proc/{daemon}/exe"), "the end")
		c.process.kill()
	END
	wait "$daemon"
	daemon=''
	run ! grep 'have not taken their last messages' log
}

a_thousand_library() {
	start_core --endpoint ep0 --endpoint two --region-size 16k
	config "[endpoint net/ep0]" "[endpoint net/two]"
	start_daemon
	DAEMON=$daemon python3 <<-'END'
		import os
		from links import *
		from sockets import *
		count = lambda: len(os.listdir("/proc/%s/fd" % os.environ["DAEMON"]))
		before = count()
		c = Links()
		COUNT = 1000
		for n in range(COUNT):
		    c.connect(n)
		    c.register(n, "ep0")
		assert count() == before + 8 * COUNT, (count(), before)
		c.register(7, "two")
		for k in range(50):
		    c.tell("send", 7, "two", f"m{k}")
		    c.expect(7, f"received two m{k}")
		for k in range(3):
		    c.tell("send", k, "ep0", f"m{k}")
		    for n in range(COUNT):
		        c.expect(n, f"received ep0 m{k}")
		assert balanced(endpoint("ep0")["delivery"])
		c.close()
		until(lambda: limit("max-clients")["used"] == 0, "them to go")
		until(lambda: count() <= before, "their descriptors to be closed")
		assert limit("max-library-bytes")["used"] == 0
	END
}

@test "a thousand library clients, one of them busy" {
	a_thousand_library
}

@test "a thousand library clients, one of them busy (icbmsg_connect)" {
	export LINK_MODE=--connect
	a_thousand_library
}
