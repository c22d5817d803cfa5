#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The control socket, and icbmsgctl on it.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
	start_core --endpoint a --endpoint log1 --endpoint log2
	config "[endpoint net/a]" "[endpoint net/log*]" "mode = 0600"
	start_daemon
	ctl=$bin/icbmsgctl
}

teardown() {
	common_teardown
}

@test "list, stats and clients, for people and for programs" {
	python3 - "$ctl" <<-'END'
		from sockets import *
		import subprocess, sys
		def ctl(*a):
		    return subprocess.run([sys.argv[1], *a, "-s", "run/control"], check=True,
		                          capture_output=True, text=True).stdout
		c = connect("run/net/a")
		c.send(b"hello")
		assert c.recv(100) == b"hello"
		text = ctl("list")
		assert "net: up, initiator, messages up to 65020 bytes out" in text, text
		line = text.splitlines()[-1].split()
		assert line[:4] == ["a", "bound", "1", "drop-oldest"] and line[4].endswith("/run/net/a")
		answer = json.loads(ctl("list", "--json"))
		assert answer == ask("list")
		assert answer["instances"][0]["endpoints"][0]["clients"] == 1
		folder = subprocess.run([sys.argv[1], "list", "--socket", "run"], check=True,
		                        capture_output=True, text=True).stdout
		assert folder == text, folder
		text = ctl("stats")
		assert "net/a\n" in text and "delivery   offered 1, delivered 1, " in text, text
		assert endpoint("a")["to_core"]["messages"] == 1
		assert endpoint("a")["to_core"]["bytes"] == 5
		assert set(instance()["link"]) >= {"tx_messages", "rescues", "bad_blocks", "state"}
		me = ask("clients")["clients"][0]
		assert me["pid"] == os.getpid() and me["uid"] == os.getuid() and me["state"] == "connected"
		assert str(os.getpid()) in ctl("clients")
	END
}

@test "empty packets and what nobody takes are counted" {
	python3 - "$core" <<-'END'
		from sockets import *
		import signal, sys
		c = connect("run/net/a")
		for message in (b"", b"one", b"", b"two"):
		    c.send(message)
		assert c.recv(100) == b"one" and c.recv(100) == b"two"
		assert endpoint("a")["to_core"]["empty"] == 2
		# The core answers when the client has gone, and the daemon knows.
		os.kill(int(sys.argv[1]), signal.SIGSTOP)
		c.send(b"to nobody")
		c.close()
		until(lambda: endpoint("a")["clients"]["connected"] == 0, "the client's end")
		os.kill(int(sys.argv[1]), signal.SIGCONT)
		until(lambda: endpoint("a")["from_core"]["no_client"] == 1, "a message for nobody")
		assert endpoint("a")["to_core"]["messages"] == 3
	END
}

@test "endpoints on demand, within what the configuration allows" {
	[ ! -e run/net/log1 ]
	path=$("$ctl" export -s run/control net/log1)
	[ "$path" = "$work/run/net/log1" ]
	[ "$(stat -c %a "$path")" = 600 ]
	[ "$("$ctl" export -s run/control net/log1)" = "$path" ]
	echoes python3 "$ICBMSG_SOURCE_DIR/tests/daemon/client.py" "$path"
	"$ctl" export -s run/control net/log2 --json | grep -q '"ok":true,"socket":'
	run -1 "$ctl" export -s run/control net/b
	[[ $output == *"net/b: no section of the configuration allows this endpoint"* ]]
	run -1 "$ctl" export -s run/control other/b
	[[ $output == *"there is no instance other"* ]]
	run -2 "$ctl" export -s run/control nothing
}

@test "a name that somebody asks for pretends to be no other line" {
	"$ctl" export -s run/control net/$'log\nicbmsgd: \e[31mlies'
	grep -Fx 'icbmsgd: net/log\x0aicbmsgd: \x1b[31mlies: exported on demand of user '"$(id -u)" log
	"$ctl" list -s run/control | grep -F '  log\x0aicbmsgd: \x1b[31mlies '
	"$ctl" stats -s run/control | grep -Fx 'net/log\x0aicbmsgd: \x1b[31mlies'
}

@test "JSON is UTF-8 whatever an endpoint is called" {
	"$ctl" export -s run/control net/$'log\xff\xc3\xa4'
	for command in list stats; do
		"$ctl" "$command" --json -s run/control >answer
		python3 -c 'import json; print(json.load(open("answer", encoding="utf-8")))' |
			grep -F "'name': 'log\\\\xff$(printf '\xc3\xa4')'"
	done
	"$bin/icbmsg-sim" echo --endpoint $'\xff' -- "$bin/icbmsg-cat" -d @CONFIG@ --json -m x -n 1 $'\xff' |
		grep -F '"endpoint":"\\xff"'
}

@test "--watch goes on until the daemon goes" {
	mkfifo seen
	"$ctl" list --watch=10ms -s run/control >seen 2>errors 3>&- &
	local watcher=$! status=0
	exec 7<seen
	for _ in 1 2 3; do
		while read -r line <&7; [[ $line != net:* ]]; do :; done
	done
	stop_daemon
	cat <&7 >/dev/null
	wait "$watcher" || status=$?
	[ "$status" -eq 1 ]
	grep -q 'the daemon has gone' errors
}

@test "a reader that has seen enough ends it quietly" {
	set -o pipefail
	"$ctl" list --watch=10ms -s run/control 2>errors | head -n 1 | grep -q '^net:'
	"$ctl" stats --json --watch=10ms -s run/control 2>>errors | head -c 20 | grep -q '^{"version"'
	[ ! -s errors ]
}

@test "without standard output nothing is printed to the daemon" {
	run -1 sh -c 'exec timeout 20 "$@" >&-' sh "$ctl" list --watch=10ms -s run/control
	[[ $output = "icbmsgctl: cannot write to standard output: "* ]]
}

@test "what is wrong is said: no daemon, no such command, no JSON, another version, too much" {
	run -1 "$ctl" list -s run/nothing
	[[ $output == *"run/nothing: no daemon is there; start icbmsgd"* ]]
	run -2 "$ctl" reload --watch -s run/control
	[[ $output == *"there is no --watch"*"Try 'icbmsgctl reload --help'." ]]
	run -2 "$ctl" list --watch 1ms -s run/control
	[[ $output == *"1ms is too short; at least 10ms"* ]]
	run -2 "$ctl" list --watch=5 -s run/control
	[[ $output == *"write for example --watch=500ms"* ]]
	python3 <<-'END'
		from sockets import *
		def raw(line):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		    s.settimeout(PATIENCE)
		    s.connect("run/control")
		    s.sendall(line)
		    s.shutdown(socket.SHUT_WR)
		    return [json.loads(l) for l in s.makefile().read().splitlines()]
		assert raw(b'nonsense\n')[0]["error"] == "the request is no JSON object on one line"
		assert raw(b'{"version":1,"command":"x"}\n')[0]["error"] == 'there is no command "x"'
		assert raw(b'{"version":1}\n')[0]["ok"] is False
		assert "speaks version 1" in raw(b'{"version":2,"command":"list"}\n')[0]["error"]
		assert "speaks version 1" in raw(b'{}\n')[0]["error"]
		assert raw(b'[1]\n')[0]["ok"] is False
		assert raw(b'{"version":1,"command":"export","instance":7}\n')[0]["ok"] is False
		assert "more than 4096 bytes" in raw(b"x" * 10000)[0]["error"]
		# Requests in a row get their answers in a row.
		answers = raw(b'{"version":1,"command":"list"}\n{"version":1,"command":"clients"}\n')
		assert [list(a)[2] for a in answers] == ["instances", "clients"]
		# Connections that ask nothing do not keep out those that do for ever.
		idle = []
		for n in range(50):
		    idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
		    idle[-1].connect("run/control")
		assert "more than 48 control connections" in ask("list")["error"]
		for s in idle:
		    s.close()
		until(lambda: ask("list")["ok"], "a free connection")
	END
}

@test "connections that stay after they were refused do not use up the descriptors" {
	python3 - "$daemon" <<-'END'
		from sockets import *
		import json, os, sys
		def descriptors():
		    return len(os.listdir(f"/proc/{sys.argv[1]}/fd"))
		before = descriptors()
		staying = []
		for n in range(200):
		    staying.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
		    staying[-1].connect("run/control")
		# The last one is turned away, so all before it were looked at.
		staying[-1].settimeout(10)
		try:
		    assert staying[-1].recv(1) == b""
		except ConnectionResetError:
		    pass
		assert descriptors() - before <= 56, descriptors() - before
		for s in staying:
		    s.close()
		def heard():
		    try:
		        return ask("list")["ok"]
		    except (ConnectionResetError, BrokenPipeError, json.JSONDecodeError):
		        return False # it has not seen yet that they are closed
		until(heard, "a free connection")
	END
}

@test "root is heard whatever connections others hold open" {
	[ "$(id -u)" -eq 0 ] || skip "needs several users"
	chmod 755 . run
	chmod 666 run/control
	python3 <<-'END'
		from sockets import *
		os.seteuid(1001)
		staying = []
		for n in range(100):
		    staying.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
		    staying[-1].connect("run/control")
		assert b"more than 32 control connections" in staying[32].recv(1000)
		os.seteuid(0)
		assert ask("list")["ok"]
	END
}

@test "reading and writing at random does no harm" {
	python3 <<-'END'
		from sockets import *
		import random
		r = random.Random(7)
		pieces = [b'{"version":1,"command":"stats"}', b"\n", b'{"version":', b"\0", b'"' * 99, b"[" * 300,
		          b"\xff\xfe", b'{"version":1,"command":"list"}\n', b"}" * 50, b"1e999"]
		for n in range(300):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		    s.settimeout(PATIENCE)
		    s.connect("run/control")
		    sent = [r.choice(pieces) for k in range(r.randrange(8))]
		    try:
		        s.sendall(b"".join(sent))
		        if b"\n" in b"".join(sent) and r.random() < 0.3:
		            s.recv(10)
		    except BrokenPipeError:
		        pass
		    s.close()
		    if n % 50 == 0:
		        until(lambda: ask("list")["ok"], "an answer")
	END
}
