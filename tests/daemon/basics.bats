#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgd as its clients see it: sockets, messages, ends of file, refusals.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
}

teardown() {
	common_teardown
}

@test "socat and ten lines of Python are clients, at the same time" {
	start_core --endpoint chat --endpoint two
	config "[endpoint net/chat]" "[endpoint net/two]"
	start_daemon
	echoes socat - UNIX-CONNECT:run/net/chat,type=5
	echoes python3 "$ICBMSG_SOURCE_DIR/tests/daemon/client.py" run/net/two
	stop_daemon
	[ ! -e run/net/chat ]
}

@test "a message goes to every client of its endpoint and to nobody else" {
	start_core --endpoint a --endpoint b
	config "[endpoint net/a]" "[endpoint net/b]"
	start_daemon
	python3 <<-'END'
		from sockets import connect
		a = [connect("run/net/a") for n in range(5)]
		b = [connect("run/net/b") for n in range(3)]
		for n in range(200):
		    a[n % 5].send(b"a%d" % n)
		    b[n % 3].send(b"b%d" % n)
		    assert all(c.recv(100) == b"a%d" % n for c in a)
		    assert all(c.recv(100) == b"b%d" % n for c in b)
	END
}

@test "senders share the link: each one's messages arrive whole and in order" {
	start_core --tx-blocks 1
	config "[endpoint net/ep0]" "policy = block"
	start_daemon
	python3 <<-'END'
		from sockets import connect
		import random, threading
		COUNT, SENDERS = 300, 8
		clients = [connect("run/net/ep0") for n in range(SENDERS)]
		def send(n):
		    r = random.Random(n)
		    for k in range(COUNT):
		        clients[n].send(b"%02d %06d " % (n, k) + bytes([65 + n]) * r.randrange(12000))
		threads = [threading.Thread(target=send, args=(n,)) for n in range(SENDERS)]
		watcher = connect("run/net/ep0")
		def drain(c):
		    for k in range(SENDERS * COUNT):
		        c.recv(1 << 16)
		threads += [threading.Thread(target=drain, args=(c,)) for c in clients]
		for t in threads:
		    t.start()
		last = [-1] * SENDERS
		for k in range(SENDERS * COUNT):
		    m = watcher.recv(1 << 16)
		    n, number = int(m[:2]), int(m[3:9])
		    assert number == last[n] + 1, (n, number, last)
		    assert m[10:] == bytes([65 + n]) * len(m[10:])
		    last[n] = number
		for t in threads:
		    t.join()
	END
}

@test "the largest message comes through, both ways; a larger one ends its sender" {
	start_core --region-size 512k --tx-blocks 8 --rx-blocks 8
	config "[endpoint net/ep0]"
	start_daemon
	largest=$("$bin/icbmsgctl" layout --direct link.conf | sed -n 's/^largest message *\([0-9]*\) .*/\1/p')
	[ "$largest" -gt 400000 ]
	python3 - "$largest" <<-'END'
		from sockets import connect, ended
		import os, socket, sys
		largest = int(sys.argv[1])
		c, other = connect("run/net/ep0"), connect("run/net/ep0")
		for s in (c, other):
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, largest)
		message = os.urandom(largest)
		c.send(message)
		assert c.recv(1 << 20) == message and other.recv(1 << 20) == message
		c.send(message + b"x")
		assert ended(c) == []
		other.send(b"small")
		assert other.recv(100) == b"small"
	END
	grep -q "sent $((largest + 1)) bytes, but the link carries messages up to $largest" log
}

@test "clients wait for a core that is not there yet, and their messages with them" {
	start_core
	config "[endpoint net/ep0]"
	stop_core
	start_daemon
	mkfifo sent
	python3 - <<-'END' >sent 3>&- &
		from sockets import *
		c = connect("run/net/ep0")
		c.send(b"early")
		until(lambda: limit("max-clients")["used"] == 1, "to be accepted")
		print("sent", flush=True)
		# Whose turn comes first is not said.
		assert sorted(c.recv(100) for n in range(2)) == [b"early", b"fire-and-forget\n"]
	END
	client=$!
	read -r _ <sent
	echo fire-and-forget | socat -u - UNIX-CONNECT:run/net/ep0,type=5
	start_core
	wait "$client"
}

@test "when the core restarts clients get an end of file, or stay if so configured" {
	start_core --endpoint closes --endpoint keeps
	config "[endpoint net/closes]" "[endpoint net/keeps]" "on-unbound = keep"
	start_daemon
	mkfifo go
	python3 - <<-'END' 3>&- &
		from sockets import connect, ended
		closes, keeps = connect("run/net/closes"), connect("run/net/keeps")
		for c in (closes, keeps):
		    c.send(b"one")
		    assert c.recv(100) == b"one"
		open("go", "w").close()
		assert ended(closes) == []
		try:
		    closes.send(b"x")
		    raise AssertionError("an ended connection takes messages")
		except BrokenPipeError:
		    pass
		keeps.send(b"two")
		assert keeps.recv(100) == b"two"
		again = connect("run/net/closes")
		again.send(b"three")
		assert again.recv(100) == b"three"
	END
	client=$!
	read -r _ <go || true
	restart_core
	wait "$client"
}

@test "an exclusive endpoint has one client at a time" {
	start_core
	config "[endpoint net/ep0]" "exclusive = yes"
	start_daemon
	python3 <<-'END'
		from sockets import connect, ended, until
		first = connect("run/net/ep0")
		first.send(b"x")
		assert first.recv(10) == b"x"
		assert ended(connect("run/net/ep0")) == []
		first.close()
		def alone():
		    c = connect("run/net/ep0")
		    try:
		        c.send(b"y")
		        return c.recv(10) == b"y"
		    except (BrokenPipeError, ConnectionResetError):
		        return False
		until(alone, "a place at the exclusive endpoint")
	END
	grep -q 'ep0: process [0-9]* of user [0-9]* is refused: the endpoint is exclusive' log
}

@test "empty packets are no end of file" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon
	python3 <<-'END'
		from sockets import connect
		c = connect("run/net/ep0")
		for message in (b"", b"1", b"", b"", b"2"):
		    c.send(message)
		assert c.recv(100) == b"1" and c.recv(100) == b"2"
	END
}

@test "a client may close its sending half and still receive" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon
	python3 <<-'END'
		from sockets import connect
		import socket
		half, other = connect("run/net/ep0"), connect("run/net/ep0")
		half.send(b"last words")
		half.shutdown(socket.SHUT_WR)
		assert half.recv(100) == b"last words" and other.recv(100) == b"last words"
		other.send(b"more")
		assert half.recv(100) == b"more"
	END
}

@test "what a client has sent last is sent on, also if it has left something unread" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon
	python3 - "$daemon" <<-'END'
		from sockets import *
		import signal, sys
		daemon = int(sys.argv[1])
		def stopped():
		    with open("/proc/%d/stat" % daemon) as f:
		        return f.read().rsplit(")", 1)[1].split()[0] == "T"
		other = connect("run/net/ep0")
		for words in (b"last words", b"of another"):
		    gone = connect("run/net/ep0")
		    until(lambda: limit("max-clients")["used"] == 2, "the client")
		    other.send(b"not for long")
		    assert other.recv(100) == b"not for long"
		    until(lambda: not any(c["queued"] or c["held"] for c in ask("clients")["clients"])
		          and all(c["delivery"]["delivered"] for c in ask("clients")["clients"]), "delivery")
		    # The daemon finds the packet, the reset and the end all at once.
		    os.kill(daemon, signal.SIGSTOP)
		    until(stopped, "the stop")
		    gone.send(words)
		    gone.close()
		    os.kill(daemon, signal.SIGCONT)
		    assert other.recv(100) == words
		    until(lambda: limit("max-clients")["used"] == 1, "the end")
	END
}

@test "messages on their way to blocks when the core restarts take no blocks from what comes then" {
	start_core --tx-blocks 1
	config "[endpoint net/ep0]" "on-unbound = keep"
	start_daemon
	python3 - "$core" <<-'END'
		from sockets import *
		import select, signal, sys
		core, clients = int(sys.argv[1]), [connect("run/net/ep0") for _ in range(12)]
		def work():
		    readable, writable, _ = select.select(clients, clients, [])
		    for c in readable:
		        c.recv(5000, socket.MSG_DONTWAIT)
		    for c in writable:
		        try:
		            c.send(bytes(500), socket.MSG_DONTWAIT)
		        except BlockingIOError:
		            pass
		def bound():
		    return ask("list")["instances"][0]["endpoints"][0]["bound"]
		def bound_again():
		    for _ in range(10):
		        work()
		    return instance()["link"]["restarts"] > before and bound()
		until(bound, "bound")
		for _ in range(40):
		    before = instance()["link"]["restarts"]
		    os.kill(core, signal.SIGUSR1)
		    until(bound_again, "bound again")
	END
}

@test "access is by owner, group and mode, and names are escaped" {
	start_core --endpoint a/b% --endpoint .c
	config "[endpoint net/a%2Fb%25]" "mode = 0640" "owner = 1234" "group = 5678" \
		"[endpoint net/.c]" "socket = c.socket"
	start_daemon
	[ "$(stat -c '%a %u %g' run/net/a%2Fb%25)" = "640 1234 5678" ]
	[ "$(stat -c '%a' run/net/c.socket)" = 660 ]
	echoes python3 "$ICBMSG_SOURCE_DIR/tests/daemon/client.py" run/net/a%2Fb%25
}

@test "clients that are killed at any point leave nothing behind" {
	start_core --endpoint a --endpoint b
	config "[endpoint net/a]" "[endpoint net/b]" "policy = drop-newest"
	start_daemon
	python3 - "$daemon" <<-'END'
		from sockets import connect, until
		import os, random, signal, subprocess, sys
		daemon = sys.argv[1]
		fds = lambda: len(os.listdir("/proc/%s/fd" % daemon))
		before = fds()
		r = random.Random(1)
		code = '''if True:
		    import sys, socket, select
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.connect(sys.argv[1])
		    n = 0
		    while True:
		        s.send(b"x" * (n % 3000 + 1))
		        n += 1
		        while n % 3 and select.select([s], [], [], 0)[0]:
		            s.recv(1 << 16)
		'''
		for k in range(30):
		    p = subprocess.Popen([sys.executable, "-c", code, "run/net/" + r.choice("ab")])
		    until(lambda: fds() > before or p.poll() is not None, "a connection")
		    # Killed between any two of its steps, a random time later.
		    try:
		        p.wait(r.random() * 0.05)
		    except subprocess.TimeoutExpired:
		        pass
		    p.kill()
		    p.wait()
		    until(lambda: fds() == before, "the connection's end")
		for name in "ab":
		    c = connect("run/net/" + name)
		    c.send(b"still here")
		    while c.recv(1 << 16) != b"still here":
		        pass
	END
}

@test "two daemons do not share a rundir, and what a killed one leaves is no obstacle" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon
	run -1 "$bin/icbmsgd" -c icbmsgd.conf
	[[ $output == *"run: another icbmsgd serves it"* ]]
	kill -9 "$daemon"
	wait "$daemon" || true
	[ -e run/net/ep0 ]
	restart_core
	start_daemon
	echoes python3 "$ICBMSG_SOURCE_DIR/tests/daemon/client.py" run/net/ep0
}

@test "memory that needs aligned accesses works, too" {
	start_core --tx-blocks 8 --rx-blocks 8
	config
	sed -i 's/^doorbell/memory-type = device\n&/' icbmsgd.conf
	printf '%s\n' "[endpoint net/ep0]" "policy = block" "backlog = 0" >>icbmsgd.conf
	start_daemon
	python3 <<-'END'
		from sockets import connect
		import threading
		a, b = connect("run/net/ep0"), connect("run/net/ep0")
		COUNT = 400
		def send():
		    for n in range(COUNT):
		        a.send(b"%06d" % n + b"x" * (n * 37 % 7000))
		def drain():
		    for n in range(COUNT):
		        a.recv(1 << 16)
		threads = [threading.Thread(target=t) for t in (send, drain)]
		for t in threads:
		    t.start()
		for n in range(COUNT):
		    assert b.recv(1 << 16) == b"%06d" % n + b"x" * (n * 37 % 7000)
		for t in threads:
		    t.join()
	END
}
