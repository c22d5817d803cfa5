#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-cat through the daemon: what only a daemon can do to it. What is the same as with --direct is in
# tests/programs/cat.bats, which runs over both.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
	cat=$bin/icbmsg-cat
	started=''
}

teardown() {
	[ -z "$started" ] || kill -KILL "$started" 2>/dev/null || true
	common_teardown
}

# core_and_daemon ENDPOINT... -- LINE...: one firmware core, and the daemon with what LINEs configure.
core_and_daemon() {
	local endpoints=()
	while [ "$1" != -- ]; do
		endpoints+=(--endpoint "$1")
		shift
	done
	start_core "${endpoints[@]}"
	config "${@:2}"
	start_daemon
}

# start ARGUMENT...: icbmsg-cat in the background: write to 7, read messages from 8 and what it says
# from 9.
start() {
	rm -f in out err
	mkfifo in out err
	exec 7<>in 8<>out 9<>err
	"$cat" --banner -i line "$@" <in >out 2>err 3>&- 5<&- 7>&- 8>&- 9>&- &
	started=$!
}

# taken LINE: write it to 7, until icbmsg-cat has read it.
taken() {
	echo "$1" >&7
	until python3 -c 'import fcntl, sys, termios
sys.exit(any(fcntl.ioctl(7, termios.FIONREAD, bytes(4))))'; do
		:
	done
}

# said TEXT: read from 9 until a line has TEXT.
said() {
	local line
	while read -t 60 -r line <&9; do
		echo "said: $line"
		[[ $line != *"$1"* ]] || return 0
	done
	return 1
}

# printed TEXT: the next line from 8 that is no noise.
printed() {
	local line
	while read -t 60 -r line <&8 && [[ $line = noise* ]]; do
		:
	done
	[ "$line" = "$1" ]
}

finished() {
	local status=0
	wait "$started" || status=$?
	started=''
	echo "status $status"
	[ "$status" -eq "$1" ]
}

@test "an endpoint by its name, with its instance, and by its socket" {
	core_and_daemon chat a/b -- "[endpoint net/chat]" "[endpoint net/a%2Fb]"
	run -0 "$cat" -s run -m one -n 1 chat
	[ "$output" = one ]
	run -0 "$cat" -s run -m two -n 1 net:chat
	[ "$output" = two ]
	run -0 "$cat" -s run/net/chat -m three -n 1 -F '%e %p'
	[ "$output" = 'chat three' ]
	run -0 "$cat" -s run -m four -n 1 -F '%e %p' a/b
	[ "$output" = 'a/b four' ]
	run -0 "$cat" -s run/net/a%2Fb -m five -n 1 -F '%e %p'
	[ "$output" = 'a/b five' ]
	run -1 "$cat" -s run/control
	[[ $output = *"run/control: this is another kind of socket; "*"icbmsg-cat the run folder"* ]]
	run -1 timeout 20 "$cat" -k -s run/net.sock -m x
	[[ $output = *"/run/net.sock: this socket is for programs that use libicbmsg; name the folder"* ]]
	run -2 "$cat" -s run/net/chat chat
	[[ $output = *"leave 'chat' away"* ]]
}

@test "a socket with a name of its own, and an endpoint that is exported on demand" {
	core_and_daemon chat log-1 -- "[endpoint net/chat]" "socket = c" "[endpoint net/log-*]"
	run -0 "$cat" -s run -m one -n 1 chat
	[ "$output" = one ]
	run -0 "$cat" -s run/net/c -m two -n 1 -F '%e %p'
	[ "$output" = 'chat two' ]
	[ ! -e run/net/log-1 ]
	run -0 "$cat" -s run -m three -n 1 log-1
	[ "$output" = three ]
	[ -S run/net/log-1 ]
}

@test "what is not there is named, with what may have been meant" {
	run -1 "$cat" -s run chat
	[[ $output = *"run/control: no daemon is there; start icbmsgd"*"--direct" ]]
	core_and_daemon chat -- "[endpoint net/chat]" "[endpoint net/sensors]"
	run -1 "$cat" -s run chta
	[[ $output = *"exports no endpoint 'chta'"*"did you mean 'chat'?" ]]
	run -1 "$cat" -s run something
	[[ $output = *"exports no endpoint 'something'"*"there are: "*chat* ]]
	[[ $output = *sensors* ]]
	run -1 "$cat" -s run nat:chat
	[[ $output = *"no instance 'nat'; did you mean 'net'?" ]]
	stop_daemon
	run -1 "$cat" -s run chat
	[[ $output = *"no daemon is there"* ]]
}

@test "of several instances one has to be named" {
	start_core --endpoint chat
	mkfifo far-banner
	"$bin/icbmsg-sim" echo --instance far --shm "$shm-far" --poll 200us --endpoint chat --banner \
		--print-config far.conf >far-banner 3>&- 5<&- &
	far=$!
	read -r line <far-banner
	cat far.conf >>link.conf
	config "[endpoint net/chat]" "[endpoint far/chat]"
	start_daemon
	run -1 "$cat" -s run chat
	[[ $output = *"which instance? Write INSTANCE:chat; there are: "*net* ]]
	[[ $output = *far* ]]
	run -0 "$cat" -s run -m one -n 1 net:chat
	[ "$output" = one ]
	run -0 "$cat" -s run -m two -n 1 far:chat
	[ "$output" = two ]
	kill "$far"
	wait "$far" || true
	rm -f "/dev/shm/$shm-far"
}

@test "a daemon that hangs does not hang it" {
	core_and_daemon chat two -- "[endpoint net/chat]" "[endpoint net/none]"
	for endpoint in chat none; do
		start -s run --keep "$endpoint"
		if [ "$endpoint" = chat ]; then
			said 'bound chat'
		else
			said 'ready none'
		fi
		kill -STOP "$daemon"
		echo one >&7
		kill -TERM "$started"
		finished 143
		kill -CONT "$daemon"
	done
	start -s run -w 50ms none
	kill -STOP "$daemon"
	# Bash may lose a signal until the program is there; or that has ended already.
	until [ "/proc/$started/exe" -ef "$cat" ] || [ ! -e "/proc/$started/exe" ]; do :; done
	# Either it has had an answer, or it never will.
	kill -TERM "$started"
	wait "$started" || status=$?
	started=''
	[ "$status" -eq 143 ] || [ "$status" -eq 3 ]
	kill -CONT "$daemon"
}

# stranger COMMAND...: as a user without any rights.
stranger() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		"$@"
	fi
}

@test "who lacks a group reads which, at the socket and at a folder on the way" {
	local group
	core_and_daemon chat -- "[endpoint net/chat]" "mode = 0666"
	chmod 755 . run run/net
	group=$(id -gn)
	# The control socket is not needed...
	[ "$(id -u)" = 0 ] || chmod 0 run/control
	run -0 stranger "$cat" -s run -m one -n 1 net:chat
	[ "$output" = one ]
	run -0 stranger "$cat" -s run -m one -n 1 chat
	# ...but to know whether it is bound.
	run -1 stranger "$cat" -s run -m one -n 1 -w 1s chat
	[[ $output = *"--wait: "*"run/control, which cannot be used" ]]
	chmod 0400 run/net/chat
	run -1 stranger "$cat" -s run -m one -n 1 chat
	# No membership would help.
	[[ $output = *"run/net/chat is for its owner alone, mode 0400; run as user $(id -u), or let a group"* ]]
	chmod 0060 run/net/chat
	run -1 stranger "$cat" -s run -m one -n 1 chat
	[[ $output = *"run/net/chat: permission denied: run/net/chat is for"*"group '$group'"* ]]
	chmod 0050 run/net
	run -1 stranger "$cat" -s run -m one -n 1 net:chat
	[[ $output = *"run/net/chat: permission denied: run/net is for"*"group '$group'"* ]]
	chmod 755 run/net
}

@test "--wait 0 tells at once whether it is bound" {
	core_and_daemon chat -- "[endpoint net/chat]" "[endpoint net/other]"
	# The core binds what it has after the daemon is ready.
	run -0 "$cat" -s run -w 60s -U chat </dev/null
	for _ in 1 2 3 4 5; do
		run -0 "$cat" -s run -w 0 -m one -n 1 chat
	done
	run -3 "$cat" -s run -w 0 other
	[[ $output = *"'other' was not bound within --wait: the other side is there"* ]]
	run -3 "$cat" -s run -w 50ms -u other
}

@test "firmware in a session with an earlier daemon: what helps is said, and does" {
	core_and_daemon chat -- "[endpoint net/chat]"
	run -0 "$cat" -s run -m one -n 1 chat
	kill -KILL "$daemon"
	wait "$daemon" || true
	start_daemon
	run -3 "$cat" -s run -w 0 chat
	[[ $output = *"not bound within --wait: "*"earlier program of this side; restart it"* ]]
	run -0 "$bin/icbmsgctl" list -s run
	[[ $output = *"net: held, "*"earlier program of this side; restart it."* ]]
	start -s run -m two -n 1 chat
	said 'earlier program of this side; restart it'
	restart_core
	said 'bound chat'
	finished 0
}

@test "messages of every size up to the largest, beyond the usual socket buffer" {
	local largest
	start_core --endpoint ep0 --region-size 4M --tx-blocks 8 --rx-blocks 8
	config "[endpoint net/ep0]" "policy = block"
	start_daemon
	largest=$("$bin/icbmsgctl" list -s run/control --json | sed 's/.*"max_send":\([0-9]*\).*/\1/')
	[ "$largest" -gt 3000000 ]
	if [ "$(id -u)" != 0 ] && [ "$(cat /proc/sys/net/core/wmem_max)" -lt "$largest" ]; then
		skip "net.core.wmem_max is small, and only root may go beyond"
	fi
	head -c "$largest" /dev/urandom >file
	"$cat" -s run --file file -r -n 1 ep0 | cmp - file
	head -c 20000000 /dev/urandom >file
	"$cat" -s run --file file -r -n $(((20000000 + largest - 1) / largest)) ep0 | cmp - file
	"$cat" -s run --file file --size 3001 -r -n $(((20000000 + 3000) / 3001)) ep0 | cmp - file
	run -1 "$cat" -s run --size 4M ep0
	[[ $output = *"the largest message of this link is $largest bytes"* ]]
}

@test "an empty message is an error, not lost silently" {
	core_and_daemon chat -- "[endpoint net/chat]"
	run -1 "$cat" -s run -i line -n 2 chat < <(printf 'one\n\n')
	[[ $output = *"an empty message cannot go through the daemon"* ]]
}

@test "a refused connection says so: an exclusive endpoint, a limit" {
	core_and_daemon chat two -- "[endpoint net/chat]" "exclusive = yes" "[endpoint net/two]"
	start -s run chat
	said 'bound chat'
	run -1 "$cat" -s run -m one chat
	[[ $output = *"'chat': the endpoint is exclusive, and another program uses it"* ]]
	run -3 "$cat" -s run -k -w 300ms -m x chat
	[[ $output = *"not bound within --wait: the endpoint is exclusive, and another program uses it" ]]
	echo still there >&7
	printed 'still there'
	stop_daemon
	finished 4
	config "max-clients = 1" "[endpoint net/chat]" "[endpoint net/two]"
	start_daemon
	restart_core
	start -s run chat
	said 'bound chat'
	run -1 "$cat" -s run -m one two
	[[ $output = *"closed the connection at once, as it does beyond its limits"* ]]
}

@test "with --keep it gets in when the other program has left" {
	core_and_daemon chat -- "[endpoint net/chat]" "exclusive = yes"
	mkfifo first
	"$cat" -s run -u --banner chat 2>first >/dev/null 3>&- 5<&- &
	victim=$!
	grep -q bound first
	start -s run --keep chat
	said 'the endpoint is exclusive'
	kill -KILL "$victim"
	said 'bound chat'
	echo mine >&7
	printed mine
}

@test "the daemon killed: status 4" {
	core_and_daemon chat -- "[endpoint net/chat]"
	start -s run chat
	said 'bound chat'
	kill -KILL "$daemon"
	wait "$daemon" || true
	daemon=''
	said "the link of 'chat' was lost: the daemon has stopped"
	finished 4
}

@test "--keep outlives the daemon: killed, and stopped" {
	core_and_daemon chat log-1 -- "[endpoint net/chat]" "[endpoint net/log-*]"
	start -s run --keep log-1
	said 'bound log-1'
	echo one >&7
	printed one
	kill -KILL "$daemon"
	wait "$daemon" || true
	said 'unbound log-1: the daemon has stopped'
	# Firmware of today notices only by starting anew, too; the endpoint is on demand.
	start_daemon
	restart_core
	said 'bound log-1'
	echo two >&7
	printed two
	stop_daemon
	said 'unbound log-1: the daemon has stopped'
	start_daemon
	restart_core
	said 'bound log-1'
	echo three >&7
	printed three
	kill -TERM "$started"
	finished 143
}

@test "icbmsg-cat killed: the others do not notice, and nothing of it stays" {
	core_and_daemon chat -- "[endpoint net/chat]"
	start -s run chat
	said 'bound chat'
	for n in 1 2 3 4 5; do
		mkfifo "in$n"
		"$cat" -s run -i line chat <"in$n" >"out$n" 2>/dev/null 3>&- 5<&- 7>&- 8>&- 9>&- &
		victim=$!
		exec 6>"in$n"
		# What it sends comes back to both: then it is in the middle of everything.
		echo "victim $n" >&6
		printed "victim $n"
		yes "noise $n" >&6 2>/dev/null 3>&- &
		kill -KILL "$victim"
		wait "$victim" || true
		wait $! || true
		exec 6>&-
	done
	echo end >&7
	printed end
	run -0 "$bin/icbmsgctl" clients -s run/control --json
	[ "$(grep -o '"id":' <<<"$output" | wc -l)" -eq 1 ]
}

@test "a reload that takes the endpoint away ends it, one that does not leaves it alone" {
	core_and_daemon chat two -- "[endpoint net/chat]" "[endpoint net/two]"
	start -s run chat
	said 'bound chat'
	config "[endpoint net/chat]" "policy = block"
	"$bin/icbmsgctl" reload -s run/control
	echo one >&7
	printed one
	config "[endpoint net/two]"
	"$bin/icbmsgctl" reload -s run/control
	said "the link of 'chat' was lost: the daemon has stopped, or does not export the endpoint"
	finished 4
}

@test "a restart of the firmware: status 4, with --keep it goes on, with on-unbound = keep it sees nothing" {
	core_and_daemon chat two -- "[endpoint net/chat]" "[endpoint net/two]" "on-unbound = keep"
	start -s run chat
	said 'bound chat'
	restart_core
	said "the link of 'chat' was lost: the other side restarted"
	finished 4
	start -s run --keep chat
	for n in 1 2 3; do
		said 'bound chat'
		echo "$n" >&7
		printed "$n"
		restart_core
		said 'unbound chat: the other side restarted'
	done
	kill -TERM "$started"
	finished 143
	start -s run two
	said 'bound two'
	restart_core
	echo later >&7
	printed later
}

@test "send only ends when the daemon has taken all, not before" {
	core_and_daemon chat -- "[endpoint net/chat]"
	start -s run -U --send-timeout 50ms chat
	said 'bound chat'
	kill -STOP "$daemon"
	echo one >&7
	exec 7>&-
	said 'the other side has not taken all messages within --send-timeout'
	finished 1
	kill -CONT "$daemon"
	start -s run -U chat
	said 'bound chat'
	kill -STOP "$daemon"
	echo two >&7
	exec 7>&-
	# It is waiting for the daemon now, and that is all it does.
	run -124 timeout 0.5 tail --pid="$started" -f /dev/null
	kill -CONT "$daemon"
	finished 0
	start -s run -U chat
	said 'bound chat'
	kill -STOP "$daemon"
	# What it takes after another message it takes when that one has been sent.
	taken three
	taken four
	kill -KILL "$daemon"
	wait "$daemon" || true
	daemon=''
	said 'the messages sent last may not have arrived'
	finished 4
}

@test "no message is lost on the way from one icbmsg-cat to many" {
	core_and_daemon chat -- "[endpoint net/chat]" "policy = block"
	seq 20000 >file
	for n in 1 2 3 4 5; do
		mkfifo "said$n"
		"$cat" -s run -u --banner -n 20000 chat >"out$n" 2>"said$n" 3>&- 5<&- &
		pids+=($!)
		grep -q bound "said$n"
	done
	"$cat" -s run -U -i line --file file chat
	for n in 1 2 3 4 5; do
		wait "${pids[n - 1]}"
		cmp file "out$n"
	done
}
