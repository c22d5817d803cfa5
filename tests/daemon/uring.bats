#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Whether icbmsgd uses io_uring, and what it says about it. That both ways do the same show the other
# tests, which run with each.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
	uring=$ICBMSG_BUILD_DIR/tests/uring
}

teardown() {
	common_teardown
}

# chat CLIENTS ROUNDS: each sends a message per round, and all get all echoes. Then the numbers of
# icbmsgctl: used, operations, submissions, plain.
chat() {
	python3 - "$@" <<-'END'
		from sockets import *
		import sys
		clients, rounds = int(sys.argv[1]), int(sys.argv[2])
		all = [connect("run/net/chat") for n in range(clients)]
		until(lambda: limit("max-clients")["used"] == clients, "to be accepted")
		for r in range(rounds):
		    for n, s in enumerate(all):
		        s.send(numbered(n, 100 + n))
		    for s in all:
		        assert sorted(s.recv(1000) for n in range(clients)) == [
		            numbered(n, 100 + n) for n in range(clients)]
		u = ask("stats")["io_uring"]
		print(int(u["used"]), u["operations"], u["submissions"], u["plain"])
	END
}

echo_and_daemon() {
	start_core --endpoint chat
	config "[endpoint net/chat]" "policy = block"
	start_daemon "$@"
}

@test "with many clients payloads go through io_uring, many in one system call" {
	"$uring" probe || skip "this kernel has none"
	echo_and_daemon
	grep -q 'icbmsgd: io_uring moves the payloads of sockets' log
	read -r used operations submissions plain < <(chat 20 50)
	echo "$operations operations in $submissions submissions, $plain by plain calls"
	[ "$used" -eq 1 ]
	# 50 rounds of 20 messages to 20 clients; what a client had to wait for is sent by itself.
	[ "$operations" -ge 15000 ]
	[ "$submissions" -le $((operations / 4)) ]
	"$bin/icbmsgctl" stats --socket run/control | grep -q "^io_uring  used, [0-9]* operations in [0-9]* submissions"
}

@test "one client is served by plain calls, unless io-uring = yes" {
	"$uring" probe || skip "this kernel has none"
	echo_and_daemon
	read -r used operations submissions plain < <(chat 1 20)
	[ "$used" -eq 1 ]
	[ "$operations" -eq 0 ]
	[ "$plain" -ge 60 ]
	stop_daemon
	start_daemon -o io-uring=yes
	restart_core
	read -r used operations submissions plain < <(chat 1 20)
	[ "$operations" -ge 60 ]
}

@test "without io_uring plain calls do the same" {
	echo_and_daemon -o io-uring=no
	grep -q 'icbmsgd: plain calls move the payloads of sockets' log
	read -r used operations submissions plain < <(chat 20 5)
	[ "$used" -eq 0 ]
	[ "$operations" -eq 0 ]
	[ "$plain" -ge 2000 ]
	"$bin/icbmsgctl" stats --socket run/control | grep -q '^io_uring  not used, 0 operations in 0'
}

@test "where io_uring is forbidden: auto goes on, yes does not start, both say why" {
	start_core --endpoint chat
	config "[endpoint net/chat]"
	run -1 "$uring" forbid "$bin/icbmsgd" -c icbmsgd.conf -o io-uring=yes
	[[ $output = *'there is no io_uring: not permitted (sysctl kernel.io_uring_disabled, or a system call '* ]]
	[[ $output = *'allow it, or set io-uring = auto'* ]]
	real=$bin
	mkdir bin
	printf '#!/bin/sh\nexec "%s" forbid "%s/icbmsgd" "$@"\n' "$uring" "$real" >bin/icbmsgd
	chmod +x bin/icbmsgd
	bin=$PWD/bin start_daemon
	grep -q 'plain calls move the payloads of sockets: no io_uring: not permitted' log
	read -r used operations submissions plain < <(chat 20 5)
	[ "$used" -eq 0 ]
}
