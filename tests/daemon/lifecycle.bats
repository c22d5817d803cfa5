#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgd's command line, starting, reloading and stopping.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
}

teardown() {
	common_teardown
}

@test "--help, --version and mistakes" {
	run -0 "$bin/icbmsgd" --help
	[[ $output == "Usage: icbmsgd "* ]]
	run -0 "$bin/icbmsgd" --version
	[[ $output == "icbmsgd "* ]]
	run -2 "$bin/icbmsgd" more
	[[ $output == *"'more' is one argument too many"* ]]
	run -2 "$bin/icbmsgd" --frobnicate
	run -2 "$bin/icbmsgd" -c nothing.conf
	[[ $output == *"nothing.conf: does not exist; check the path" ]]
}

@test "without --config it reads /etc/icbmsg/icbmsgd.conf, or says what to write there" {
	[ ! -e /etc/icbmsg/icbmsgd.conf ] || skip "there is one"
	run -2 "$bin/icbmsgd" --check-config
	[[ $output == *"/etc/icbmsg/icbmsgd.conf: does not exist; "*"icbmsgd.conf(5)"*"--config"* ]]
}

@test "--check-config and --print-config tell where each value comes from" {
	start_core
	config "[endpoint net/ep0]" "backlog = 1k"
	mkdir conf.d
	printf '%s\n' "[endpoint net/ep0]" "backlog = 2k" >conf.d/50-more.conf
	printf '%s\n' "nonsense" >conf.d/ignored
	run -0 "$bin/icbmsgd" -c icbmsgd.conf --check-config
	[ -z "$output" ]
	run -0 "$bin/icbmsgd" -c icbmsgd.conf --print-config -o max-clients=7
	[[ $output =~ backlog\ =\ 2k\ +\;\ conf.d/50-more.conf:2 ]]
	[[ $output =~ max-clients\ =\ 7\ +\;\ command\ line ]]
	[[ $output =~ max-held\ =\ 1024\ +\;\ default ]]
	[[ $output =~ memory\ =\ shm:$shm\ +\;\ icbmsgd.conf:[0-9]+ ]]
	echo "$output" >printed.conf
	rm -r conf.d
	run -0 "$bin/icbmsgd" -c printed.conf --check-config
	echo "backlog = 9x" >>icbmsgd.conf
	run -2 "$bin/icbmsgd" -c icbmsgd.conf --check-config
	[[ $output =~ icbmsgd.conf:[0-9]+:\ backlog: ]]
	# Nothing was started.
	[ ! -e run ]
}

@test "a link that cannot be opened is an error of the start" {
	start_core
	config "[endpoint net/ep0]"
	sed -i 's/^memory = .*/&-absent\nmemory-create = no/' icbmsgd.conf
	run -1 "$bin/icbmsgd" -c icbmsgd.conf
	[[ $output == *"net: "*"absent does not exist"* ]]
	[ ! -e run/net/ep0 ]
}

@test "too long a path names the remedy" {
	start_core
	config "[endpoint net/$(printf 'x%.0s' $(seq 100))]"
	run -2 "$bin/icbmsgd" -c icbmsgd.conf --check-config
	[[ $output == *"the path of its socket would be longer than 107 bytes; set socket = NAME"* ]]
}

@test "a rundir that cannot be one is said so, with the remedy" {
	start_core
	config "[endpoint net/ep0]"
	touch file
	run -1 "$bin/icbmsgd" -c icbmsgd.conf -o "rundir=$work/file"
	[[ $output == *"/file/.lock: Not a directory; choose another rundir, or make it a folder"* ]]
}

@test "no endpoint takes another one's socket" {
	start_core --endpoint a --endpoint b
	config "[endpoint net/a]" "socket = b" "[endpoint net/b]"
	run -2 "$bin/icbmsgd" -c icbmsgd.conf --check-config
	[[ $output == *": [endpoint net/b]: its socket would be that of [endpoint net/a]; set another"* ]]
	# Nor one that is exported on demand.
	config "[endpoint net/a]" "socket = b" "[endpoint net/?]"
	start_daemon
	run -1 "$bin/icbmsgctl" export -s run net/b
	[[ $output == *"net/b: its socket would be that of a; set another socket = NAME in either section" ]]
	[ "$("$bin/icbmsg-cat" -s run -m hello -n 1 -F '%e %p' net:a)" = "a hello" ]
}

@test "SIGHUP: what can change does, live; what cannot is named; mistakes change nothing" {
	start_core --endpoint a --endpoint b --endpoint c
	config "[endpoint net/a]" "backlog = 1k" "[endpoint net/b]"
	start_daemon
	python3 - "$daemon" "$bin/icbmsgctl" <<-'END'
		from sockets import *
		import signal, subprocess, sys
		daemon, ctl = int(sys.argv[1]), sys.argv[2]
		a, b = connect("run/net/a"), connect("run/net/b")
		def check(*sockets):
		    for s in sockets:
		        s.send(b"x")
		        assert s.recv(10) == b"x"
		check(a, b)
		before = open("icbmsgd.conf").read()
		after = before.replace("backlog = 1k", "mode = 0600\npolicy = block\nexclusive = yes")
		after = after.replace("[endpoint net/b]", "[endpoint net/c]")
		after = after.replace("tx-blocks = 32", "tx-blocks = 31")
		after = after.replace("[daemon]", "[daemon]\nmax-clients = 2\ncontrol-mode = 0600")
		open("icbmsgd.conf", "w").write(after)
		os.kill(daemon, signal.SIGHUP)
		assert ended(b) == []
		until(lambda: os.path.exists("run/net/c"), "the new endpoint")
		check(a, connect("run/net/c"))
		assert not os.path.exists("run/net/b")
		assert os.stat("run/net/a").st_mode & 0o777 == 0o600
		assert os.stat("run/control").st_mode & 0o777 == 0o600
		assert ended(connect("run/net/a")) == []
		assert limit("max-clients")["max"] == 2
		def reload():
		    return subprocess.run([ctl, "reload", "-s", "run/control"], check=True,
		                          capture_output=True, text=True).stdout
		# What has been said of the link is still so.
		assert reload() == "needs a restart of icbmsgd: [instance net]: tx-blocks: 32 -> 31\n"
		# The same through icbmsgctl, back again.
		open("icbmsgd.conf", "w").write(before)
		text = reload()
		assert "changed: net/a: policy: block -> drop-oldest" in text, text
		assert "changed: net/b: exported" in text and "changed: net/c: not exported any more" in text
		assert "needs a restart" not in text, text
		check(a, connect("run/net/b"))
		open("icbmsgd.conf", "w").write(before.replace("= %s/run" % os.getcwd(), "= /elsewhere")
		                                + "socket = d\n")
		for _ in 1, 2:
		    text = reload()
		    assert "needs a restart of icbmsgd: net/b: socket: (not set) -> d" in text, text
		    assert "[daemon]: rundir: %s/run -> /elsewhere" % os.getcwd() in text, text
		open("icbmsgd.conf", "w").write(before)
		assert reload() == "nothing has changed\n"
		open("icbmsgd.conf", "w").write(before + "policy = nonsense\n")
		p = subprocess.run([ctl, "reload", "-s", "run/control"], capture_output=True, text=True)
		assert p.returncode == 1 and "nothing changes: icbmsgd.conf:" in p.stderr, p
		check(a)
	END
	grep -q 'reload: needs a restart: \[instance net\]: tx-blocks: 32 -> 31' log
	grep -q 'reload: changed: \[daemon\]: max-clients: 4096 -> 2' log
}

@test "SIGHUP opens and closes links" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon
	python3 - "$daemon" <<-'END'
		from sockets import *
		import signal, sys
		before = open("icbmsgd.conf").read()
		extra = before[before.index("[instance"):before.index("[daemon]")]
		extra = extra.replace("[instance net]", "[instance two]").replace("memory = shm:", "memory = shm:two-")
		open("icbmsgd.conf", "w").write(before + "\n" + extra + "[endpoint two/ep0]\n")
		os.kill(int(sys.argv[1]), signal.SIGHUP)
		until(lambda: os.path.exists("run/two/ep0"), "the second link")
		s = connect("run/two/ep0")
		assert [i["name"] for i in ask("list")["instances"]] == ["net", "two"]
		open("icbmsgd.conf", "w").write(before)
		os.kill(int(sys.argv[1]), signal.SIGHUP)
		assert ended(s) == []
		assert [i["name"] for i in ask("list")["instances"]] == ["net"]
	END
	rm -f "/dev/shm/two-$shm"
}

@test "SIGTERM delivers what is on its way, both ways" {
	start_core --endpoint in --endpoint out --tx-blocks 4 --rx-blocks 4
	config "[endpoint net/in]" "policy = block" "[endpoint net/out]" "policy = block" \
		"backlog = 1M" "socket-buffer = 4k"
	start_daemon
	python3 - "$daemon" <<-'END'
		from sockets import *
		import signal, sys
		reader, writer, feeder = connect("run/net/out"), connect("run/net/in"), connect("run/net/out")
		for n in range(200):
		    feeder.send(numbered(n))
		    assert number_of(feeder.recv(2000)) == n
		assert endpoint("out")["backlog"]["queued"] > 50
		# Written in one go, much more than the blocks: some of it still lies in the socket.
		for n in range(150):
		    writer.send(numbered(n))
		os.kill(int(sys.argv[1]), signal.SIGTERM)
		feeder.close()
		# While one client has not taken everything yet, the daemon tells how far it is.
		until(lambda: endpoint("in")["to_core"]["messages"] == 150, "the last message")
		assert endpoint("in")["to_core"]["discarded"] == 0
		assert [number_of(m) for m in ended(reader)] == list(range(200))
		try:
		    writer.send(b"too late")
		    raise AssertionError("a stopping daemon takes messages")
		except BrokenPipeError:
		    pass
		got = [number_of(m) for m in ended(writer)]
		assert got == list(range(len(got)))
	END
	local status=0
	wait "$daemon" || status=$?
	daemon=''
	[ "$status" -eq 0 ]
	run -1 grep 'have not taken their last messages' log
}

@test "a client that never reads holds SIGTERM up for drain-timeout at most" {
	start_core
	config "drain-timeout = 200ms" "[endpoint net/ep0]" "socket-buffer = 4k"
	start_daemon
	python3 - "$daemon" <<-'END'
		from sockets import *
		import signal, sys
		stuck, sender = connect("run/net/ep0"), connect("run/net/ep0")
		for n in range(100):
		    sender.send(numbered(n))
		    sender.recv(2000)
		assert endpoint("ep0")["backlog"]["queued"] > 0
		os.kill(int(sys.argv[1]), signal.SIGTERM)
		until(lambda: not os.path.exists("run/control"), "the daemon's end")
	END
	local status=0
	wait "$daemon" || status=$?
	daemon=''
	[ "$status" -eq 0 ]
	grep -q '1 clients have not taken their last messages within drain-timeout' log
}

@test "systemd hears of readiness, reloading, stopping and the watchdog" {
	start_core
	config "[endpoint net/ep0]"
	python3 - "$bin/icbmsgd" <<-'END'
		from sockets import *
		import signal, subprocess, sys
		for name in ("notify", "@icbmsgd-test-%d" % os.getpid()):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		    s.settimeout(PATIENCE)
		    s.bind(name.replace("@", "\0"))
		    path = name if name[0] == "@" else os.path.abspath(name)
		    environment = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="40000")
		    d = subprocess.Popen([sys.argv[1], "-c", "icbmsgd.conf"], env=environment)
		    hear = lambda: s.recv(1000).decode()
		    assert hear() == "READY=1"
		    assert os.path.exists("run/net/ep0")
		    for n in range(3):
		        assert hear() == "WATCHDOG=1"
		    d.send_signal(signal.SIGHUP)
		    said = [m for m in iter(hear, "READY=1") if m != "WATCHDOG=1"]
		    assert len(said) == 1 and said[0].startswith("RELOADING=1\nMONOTONIC_USEC="), said
		    d.send_signal(signal.SIGTERM)
		    while hear() != "STOPPING=1":
		        pass
		    assert d.wait(PATIENCE) == 0
	END
}

@test "sockets of systemd are taken over, and stay" {
	start_core --endpoint a --endpoint b
	config "[endpoint net/a]" "[endpoint net/b]"
	python3 - "$bin/icbmsgd" <<-'END'
		from sockets import *
		import signal, subprocess, sys
		os.makedirs("run/net")
		def listening(path, kind):
		    s = socket.socket(socket.AF_UNIX, kind)
		    s.bind(os.path.abspath(path))
		    s.listen()
		    return s
		given = [listening("run/net/a", socket.SOCK_SEQPACKET), listening("run/control", socket.SOCK_STREAM),
		         listening("run/unknown", socket.SOCK_SEQPACKET)]
		early = connect("run/net/a")
		early.send(b"before the daemon")
		def pass_on():
		    copies = [os.dup(s.fileno()) for s in given]
		    for n, fd in enumerate(copies):
		        os.dup2(fd, 40 + n)
		    for n in range(len(given)):
		        os.dup2(40 + n, 3 + n)
		    os.environ["LISTEN_PID"] = str(os.getpid())
		    os.environ["LISTEN_FDS"] = str(len(given))
		    os.execv(sys.argv[1], [sys.argv[1], "-c", "icbmsgd.conf"])
		log = open("log", "w")
		pid = os.fork()
		if pid == 0:
		    os.dup2(log.fileno(), 2)
		    pass_on()
		assert early.recv(100) == b"before the daemon"
		inode = os.stat("run/net/a").st_ino
		b = connect("run/net/b")
		b.send(b"own socket")
		assert b.recv(100) == b"own socket"
		assert ask("list")["ok"]
		os.kill(pid, signal.SIGTERM)
		assert os.waitpid(pid, 0)[1] == 0
		assert os.stat("run/net/a").st_ino == inode and not os.path.exists("run/net/b")
	END
	grep -q 'run/unknown) that no endpoint of the configuration has' log
}

@test "a socket of systemd that is of the wrong kind is refused, and stays" {
	start_core
	config "[endpoint net/ep0]"
	python3 - "$bin/icbmsgd" <<-'END'
		from sockets import *
		import sys
		os.makedirs("run/net")
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.bind(os.path.abspath("run/net/ep0"))
		s.listen()
		pid = os.fork()
		if pid == 0:
		    os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT), 2)
		    os.dup2(s.fileno(), 43)
		    os.dup2(43, 3)
		    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
		    os.execv(sys.argv[1], [sys.argv[1], "-c", "icbmsgd.conf"])
		assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
		early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		early.connect("run/net/ep0")
	END
	grep -q "run/net/ep0: systemd's socket is of the wrong kind; write ListenSequentialPacket= in the socket unit" log
}

@test "file descriptors are budgeted: fewer clients, said at the start, and no end of answers" {
	start_core
	config "[endpoint net/ep0]"
	(ulimit -n 120 && start_daemon && echo "$daemon" >pid)
	daemon=$(cat pid)
	grep -q 'max-clients and max-library-clients need [0-9]* file descriptors, but this process may have 120' log
	python3 <<-'END'
		from sockets import *
		most = limit("max-clients")["max"]
		assert 10 < most < 120
		clients = [connect("run/net/ep0") for n in range(most)]
		until(lambda: limit("max-clients")["used"] == most, "everybody")
		assert ended(connect("run/net/ep0")) == []
		clients[0].send(b"x")
		assert all(c.recv(10) == b"x" for c in clients)
		assert ask("list")["ok"]
	END
	kill "$daemon"
	tail --pid="$daemon" -f /dev/null
	daemon=''
}

@test "where hardly a file descriptor is left for clients, there is one client and not thousands" {
	start_core
	config "[endpoint net/ep0]"
	(ulimit -n 104 && start_daemon && echo "$daemon" >pid)
	daemon=$(cat pid)
	grep -q 'may have 104: up to 1 clients are served, and up to 1 of these with libicbmsg' log
	kill "$daemon"
	tail --pid="$daemon" -f /dev/null
	daemon=''
}

@test "the example configuration is right once its examples are switched on" {
	sed -e 's/^#\([a-z[]\)/\1/' -e 's/^\(.*group = \)icbmsg/\1root/' \
		"$ICBMSG_SOURCE_DIR/conf/icbmsgd.conf" >example.conf
	grep -q '^\[instance net\]' example.conf
	run -0 "$bin/icbmsgd" -c example.conf --check-config
	[ -z "$output" ]
	run -0 "$bin/icbmsgd" -c example.conf --print-config
	[[ $output == *"[endpoint net/log-*]"* ]]
}

@test "icbmsgd.conf(5) explains every key, and no other" {
	sed -n 's/.*\.name = "\([a-z-]*\)".*/\1/p' "$ICBMSG_SOURCE_DIR/daemon/settings_keys.c" |
		sort >keys
	[ "$(wc -l <keys)" -gt 20 ]
	grep '^\*[a-z-]*\* = ' "$ICBMSG_SOURCE_DIR/conf/icbmsgd.conf.5.scd" |
		grep -o '\*[a-z-]*\* = ' | tr -d '*= ' | grep -v '^|' | sort >explained
	diff keys explained
}
