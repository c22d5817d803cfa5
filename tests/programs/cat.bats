#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-cat from outside: real processes over one memfd and two eventfds. The other side is the twin in
# Python (a stand-in for Zephyr firmware that shares no code with ours), or with CAT_PEER=sim the
# firmware of icbmsg-sim. With CAT_BACKEND=daemon icbmsgd has the link, and icbmsg-cat goes through it.
# shellcheck disable=SC2030,SC2031 # bats runs each test in a shell of its own

bats_require_minimum_version 1.5.0

setup() {
	cat=$ICBMSG_BIN_DIR/icbmsg-cat
	[ "${CAT_BACKEND-}" != daemon ] || cat=$ICBMSG_SOURCE_DIR/tests/programs/cat_through.py
	pair=$BATS_TEST_TMPDIR/pair
	# A limit for what hangs, so that it is this test that fails. In the foreground: otherwise timeout
	# sends SIGCONT to all, which takes away the SIGSTOP that the leak sanitizer waits for.
	printf '#!/bin/sh\nexec timeout --foreground 60 "%s" "$@"\n' "$ICBMSG_BUILD_DIR/tests/pair" >"$pair"
	chmod +x "$pair"
	twin=$ICBMSG_SOURCE_DIR/../shared/twin/twin.py
	# Here, not where it is used: skip has no effect from a subshell.
	[ "${CAT_PEER-}" = sim ] || need_twin
	cd "$BATS_TEST_TMPDIR" || return 1
	write_config
}

# Descriptors as in tests/support/pair.c. Instance a is the follower, b the initiator.
write_config() {
	local name tx rx
	for name in a4 a8 b4 b8; do
		tx=0 rx=32k
		[[ $name = a* ]] || { tx=32k rx=0; }
		cat >>link.conf <<-END
			[instance $name]
			memory = fd:20
			doorbell = eventfd:21,22
			tx-region = $tx 32k
			rx-region = $rx 32k
			tx-blocks = 16
			rx-blocks = 16
			word-size = ${name#?}
		END
	done
}

# Where the daemon's sockets differ from a link of one's own; tests/daemon/cat.bats has what they do.
direct_only() {
	[ "${CAT_BACKEND-}" != daemon ] || skip "direct only: $1"
}

need_twin() {
	command -v python3 >/dev/null || skip "no python3"
	[ -r "$twin" ] || skip "no ../shared/twin"
}

# peer INSTANCE [OPTIONS]: sets $peer to a command that echoes at the other end of INSTANCE. OPTIONS
# are the twin's, of which icbmsg-sim has some.
peer() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	peer=(sh -c 'echo $$ >peer.pid; exec "$@"' sh)
	if [ "${CAT_PEER-}" = sim ]; then
		[[ $* != *--linger* ]] || skip "needs the twin"
		sim_peer "$@"
	else
		twin_peer "$@"
	fi
}

sim_peer() {
	local initiator=B
	[[ $1 = a* ]] || initiator=A
	peer+=("$ICBMSG_BIN_DIR/icbmsg-sim" echo --memory-fd 20 --db-rx-fd 22 --db-tx-fd 21
		--region-size 32k --tx-blocks 16 --rx-blocks 16 --word-size "${1#?}"
		--initiator "$initiator" "${@:2}")
}

twin_peer() {
	local tx=0x8000 rx=0
	[[ $1 = a* ]] || { tx=0 rx=0x8000; }
	[ $# -gt 1 ] || set -- "$1" --mode echo
	peer+=(python3 "$twin" --mem-fd 20 --map-size 0x10000 --db-rx-fd 22 --db-tx-fd 21
		--tx-off "$tx" --tx-size 0x8000 --rx-off "$rx" --rx-size 0x8000
		--tx-blocks 16 --rx-blocks 16 --word "${1#?}" --ept ep0 "${@:2}")
}

# echoed OPTIONS: run icbmsg-cat on instance a4 against an echo. Quiet here and below: a slow machine
# makes the library say that the other side is not there yet.
echoed() {
	peer a4
	"$pair" -- "$cat" --quiet -d link.conf:a4 "$@" ep0 -- "${peer[@]}"
}

# start OPTIONS: the same in the background, with pipes: write to 7, read messages from 8 and what
# it says from 9. Returns once it is bound.
start() {
	mkfifo in out err
	exec 7<>in 8<>out 9<>err
	"$pair" -- "$cat" -d link.conf:a4 --banner "$@" ep0 -- "${peer[@]}" \
		<in >out 2>err 3>&- 7>&- 8>&- 9>&- &
	started=$!
	said 'bound ep0'
}

# said TEXT: read from 9 until a line has TEXT.
said() {
	local line
	while read -r line <&9; do
		echo "said: $line"
		[[ $line != *"$1"* ]] || return 0
	done
	return 1
}

finished() {
	status=0
	wait "$started" || status=$?
	echo "status $status"
	[ "$status" -eq "$1" ]
}

# same FILE: standard input has the same bytes.
same() {
	cmp - "$1"
}

@test "help names every option of the man page and the man page every option of help" {
	"$cat" --help >help
	page=$ICBMSG_SOURCE_DIR/tools/cat/icbmsg-cat.1.scd
	grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+(, --[a-z]+)?' help | grep -oE -- '--[a-z-]+' | sort -u >in-help
	grep -E '^\*-' "$page" | grep -oE -- '--[a-z-]+' | sort -u >in-page
	[ "$(wc -l <in-help)" -ge 30 ]
	diff in-help in-page
}

@test "version" {
	run -0 "$cat" -V
	[[ $output =~ ^icbmsg-cat\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

# usage TEXT ARGUMENTS: exit status 2, nothing on stdout, and TEXT on stderr.
usage() {
	run -2 --separate-stderr "$cat" "${@:2}"
	echo "$stderr"
	[ -z "$output" ]
	[[ $stderr = "icbmsg-cat: "*"$1"* ]]
}

@test "usage errors name the thing and the remedy" {
	usage 'which endpoint?' -d link.conf
	usage "'more' is one too many" -d link.conf ep0 more
	usage 'there is no option -Z' -Z
	usage "'--nonsense' is not an option" --nonsense
	usage '--wait needs a value' ep0 --wait
	usage "--wait: '5' is not a duration; write for example --wait=500ms" -w 5 ep0
	usage "--count: '0x' is not a number" -n 0x ep0
	usage '--count: 0 is out of range; it starts at 1' -n 0 ep0
	usage "--message: '6g' is not hexadecimal" -i hex -m 61 -m 6g ep0
	usage "--size: '4kB' is not a size" --size 4kB ep0
	usage "--format: 'xml' is not one of text, line" -f xml ep0
	usage "--input: 'lines' is not one of line, raw" -i lines ep0
	usage "--timestamp: 'q' is not one of a (absolute)" -t q ep0
	usage "--rate: '5/h' is not a rate; write for example --rate 100/s" -d link.conf:a4 \
		--rate 5/h ep0
	usage 'which endpoint?'
	usage 'choose one of --direct and --socket' -d link.conf -s run ep0
	usage '--socket: the path is empty' -s '' ep0
	usage 'the name of the configuration is empty' -d '' ep0
	usage '--burst: 4294967295 messages at --rate 1/m would take centuries' -d link.conf:a4 \
		--rate 1/m --burst 4294967295 ep0
	usage "after % it knows" -F '%q' ep0
	usage "after \\ it knows" -F 'x\y' ep0
}

@test "a link from a FIFO that nobody writes: SIGTERM ends it" {
	mkfifo fifo
	run -143 timeout --kill-after 20 --preserve-status 0.5 "$cat" -d fifo ep0
}

@test "contradictions are usage errors" {
	usage 'choose one of -u' -d link.conf -uU ep0
	usage 'does not go with --message' -d link.conf -u -m x ep0
	usage 'choose one of --message and --file' -d link.conf -m x --file y ep0
	usage 'choose one output format' -d link.conf -x -r ep0
	usage 'choose one of --no-block and --send-timeout' --no-block --send-timeout 1s ep0
	usage 'choose one of --rate and --interval' --rate 5 --interval 1s ep0
	usage '--burst needs --rate or --interval' --burst 5 ep0
	usage 'format raw has no room for timestamps' -r -t a ep0
	usage 'choose one of --utc and --localtime' --utc --localtime ep0
	usage 'choose one of --verbose and --quiet' -v --quiet ep0
	usage "--quit-after" -u -q 1s ep0
}

@test "an instance named twice has to be the same" {
	usage "--direct says instance 'a4', but the endpoint is given as 'b4:ep0'" \
		-d link.conf:a4 b4:ep0
	usage "'a4:' names no endpoint" -d link.conf a4:
	peer a4
	run -0 "$pair" -- "$cat" --quiet -d link.conf -m one -n 1 a4:ep0 -- "${peer[@]}"
	[ "$output" = one ]
	run -0 "$pair" -- "$cat" --quiet -d link.conf:a4 -m two -n 1 a4:ep0 -- "${peer[@]}"
	[ "$output" = two ]
}

@test "errors of the configuration come through" {
	run -1 "$cat" -d missing.conf ep0
	[[ $output = *missing.conf* ]]
	run -1 "$cat" -d link.conf ep0
	[[ $output = *link.conf* ]]
	run -1 "$cat" -d link.conf:c ep0
	[[ $output = *link.conf*c* ]]
	run -1 "$cat" -d link.conf:a4 ep0
	[[ $output = *20* ]]
}

@test "formats" {
	hex='68 69 09 22 5c c3 bc 00 ff 0a'
	run -0 echoed -i hex -m "$hex" -n 1 -f text
	[ "$output" = $'hi\t"\\ü..' ]
	run -0 echoed -i hex -m "$hex" -n 1 -f quoted
	[ "$output" = '"hi\t\"\\ü\x00\xff\n"' ]
	run -0 echoed -i hex -m "$hex" -n 1 -f hex
	[ "$output" = '686909225cc3bc00ff0a' ]
	run -0 echoed -i hex -m "$hex" -n 1 -x
	[ "${lines[0]}" = 'ep0 10 bytes' ]
	[ "${lines[1]}" = \
		'00000000  68 69 09 22 5c c3 bc 00  ff 0a                    |hi."\.....|' ]
	run -0 echoed -i hex -m "$hex" -n 1 -f none
	[ -z "$output" ]
	echoed -i hex -m "$hex" -m 41 -n 2 -r | same <(printf 'hi\t"\\ü\0\377\nA')
	echoed -i hex -m "$hex" -m 41 -n 2 -f line | same <(printf 'hi\t"\\ü\0\377\n\nA\n')
	echoed -i hex -m "$hex" -m 41 -n 2 | same <(printf 'hi\t"\\ü\0\377\n\nA\n')
}

@test "JSON has text where it is text" {
	echoed -i hex -m '22 c3bc 0a 2f' -m ff00 -n 2 --json >json
	sed -E 's/"time":[0-9]{10}\.[0-9]{6},/"time":T,/' json | same <(cat <<-'END'
		{"number":1,"time":T,"endpoint":"ep0","size":5,"text":"\"ü\n/","hex":"22c3bc0a2f"}
		{"number":2,"time":T,"endpoint":"ep0","size":2,"hex":"ff00"}
	END
	)
}

@test "patterns" {
	run -0 echoed -m abc -n 1 -F 'n%n %e\t%l|%p|%x|%%'
	[ "$output" = $'n1 ep0\t3|abc|616263|%' ]
	run -0 echoed -m abc -n 1 -t z -F '%t %U'
	[[ $output =~ ^0\.000000\ [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z$ ]]
}

@test "timestamps" {
	run -0 echoed -m x -n 1 -t a
	[[ $output =~ ^[0-9]{10}\.[0-9]{6}\ x$ ]]
	run -0 echoed -m x -m y -n 2 -t z
	[ "${lines[0]}" = '0.000000 x' ]
	[[ ${lines[1]} =~ ^[0-9]\.[0-9]{6}\ y$ ]]
	run -0 echoed -m x -n 1 -t d
	[ "$output" = '0.000000 x' ]
	run -0 echoed -m x -n 1 --utc
	[[ $output =~ ^[0-9-]{10}T[0-9:]{8}\.[0-9]{6}Z\ x$ ]]
	TZ=UTC-3 run -0 echoed -m x -n 1 -t A
	[[ $output =~ ^[0-9-]{10}T[0-9:]{8}\.[0-9]{6}\+03:00\ x$ ]]
}

@test "input by lines: empty ones are messages, the last needs no newline" {
	direct_only "empty messages"
	printf 'one\n\ntwo' | echoed -i line -n 3 -f hex | same <(printf '6f6e65\n\n74776f\n')
}

@test "input in hexadecimal and with lengths" {
	printf '00 01\n6162 63\n' | echoed -i hex -n 2 -f hex | same <(printf '0001\n616263\n')
	printf '\2\0\0\0hi\3\0\0\0\0\1\2' | echoed -i len32 -n 2 -f hex |
		same <(printf '6869\n000102\n')
	direct_only "empty messages"
	printf '\0\0\0\0\1\0\0\0a' | echoed -i len32 -n 2 -f hex | same <(printf '\n61\n')
}

@test "raw input in pieces of a size" {
	printf 'abcdefgh' | echoed --size 3 -n 3 | same <(printf 'abc\ndef\ngh\n')
	printf 'abcdefgh' >file
	echoed --size 4 --file file -n 2 | same <(printf 'abcd\nefgh\n')
}

@test "wrong input is an error that says where" {
	run -1 echoed -i hex <<<$'00\n0g'
	[[ $output = *'standard input: line 2 is not hexadecimal'* ]]
	run -1 echoed -i line --size 3 <<<$'abc\nabcd'
	[[ $output = *'line 2 is longer than the largest message, 3 bytes; -i raw would'* ]]
	run -1 echoed -i len32 < <(printf '\5\0\0\0hi')
	[[ $output = *'ends in the middle of message 1'* ]]
	run -1 echoed -i len32 < <(printf '\377\377\377\377')
	[[ $output = *'message 1 is longer than the largest message'* ]]
	run -1 echoed -m "$(printf '%040000d' 0)"
	[[ $output = *'40000 bytes are longer than the largest message'* ]]
	run -1 echoed --size 1M </dev/null
	[[ $output = *'--size: the largest message of this link is'* ]]
	run -1 echoed --file missing
	[[ $output = *'missing: No such file'* ]]
	run -1 echoed --file .
	[[ $output = *'is a directory'* ]]
}

@test "a file comes back unharmed, in both roles and widths" {
	head -c 200000 /dev/urandom >file
	for instance in a4 a8 b4 b8; do
		peer $instance
		"$pair" -- "$cat" -d link.conf:$instance --file file --size 3000 -n 67 -r ep0 -- \
			"${peer[@]}" >back
		cmp file back
	done
}

@test "largest messages, also with lost doorbells" {
	head -c 1000000 /dev/urandom >file
	peer a4 --mode echo --drop-doorbells 20
	max=$("$pair" -- "$cat" -d link.conf:a4 --size 1G ep0 -- true 2>&1 |
		sed -n 's/.*of this link is \([0-9]*\) bytes.*/\1/p')
	[ "$max" -gt 30000 ]
	"$pair" -- "$cat" -d link.conf:a4 -r -n $(((1000000 + max - 1) / max)) ep0 -- "${peer[@]}" \
		<file >back
	cmp file back
}

@test "a source is received whole" {
	direct_only "what comes before there is a client"
	peer a4 --mode source --count 500 --size-max 2000 --linger 60000
	"$pair" -- "$cat" -d link.conf:a4 -u -n 500 -F '%n' ep0 -- "${peer[@]}" | same <(seq 500)
}

@test "send only: exits when all has been taken, and nothing is lost" {
	seq 1000 >file
	peer a4 --mode echo --count 1000 --linger 0
	run -0 "$pair" --wait --out peer.out -- "$cat" --quiet -d link.conf:a4 -U -i line --file file ep0 -- \
		"${peer[@]}"
	[ -z "$output" ]
	grep -q '"rx": 1000,' peer.out
}

@test "send only with nothing to send tells whether it is bound" {
	peer a4
	run -0 "$pair" -- "$cat" --quiet -d link.conf:a4 -U ep0 -- "${peer[@]}" </dev/null
	[ -z "$output" ]
}

@test "send only counts what is sent" {
	peer a4 --mode echo --count 3 --linger 0
	run -0 "$pair" --wait --out peer.out -- "$cat" --quiet -d link.conf:a4 -U -i line -n 3 ep0 -- \
		"${peer[@]}" < <(seq 10)
	grep -q '"rx": 3,' peer.out
}

@test "quit after the end of input" {
	run -0 echoed -m one -m two -f none -q 0
	run -0 echoed -i line -q 10ms <<<one
	[ "$output" = one ] || [ -z "$output" ]
}

@test "idle: status 5 if a count was wanted, 0 otherwise" {
	run -5 echoed -m one -n 2 -T 1s
	[[ $output = one*'no message for --idle-timeout, and --count was not reached' ]]
	run -0 echoed -m one -T 1s
	[ "$output" = one ]
}

@test "not bound in time: status 3 and the likely reason" {
	run -3 "$pair" -- "$cat" -d link.conf:a4 -w 20ms ep0 -- true
	[[ $output = *"'ep0' was not bound within --wait: nothing was heard from the other"* ]]
	run -3 "$pair" -- "$cat" -d link.conf:a4 -w 0 ep0 -- true
	peer a4
	run -3 "$pair" -- "$cat" -d link.conf:a4 -w 5s ep9 -- "${peer[@]}"
	[[ $output = *"the other side is there, but has not registered"* ]]
}

@test "pacing sends everything" {
	run -0 echoed -i line --interval 1ms --burst 2 -n 5 < <(seq 5)
	[ "$output" = "$(seq 5)" ]
	run -0 echoed -i line --rate 1000/s -n 5 < <(seq 5)
	[ "$output" = "$(seq 5)" ]
	run -0 echoed -m a -m b --rate 60000/m -n 2
	[ "$output" = $'a\nb' ]
}

@test "statistics and states with -v, on stderr" {
	peer a4
	run -0 --separate-stderr "$pair" -- "$cat" -d link.conf:a4 -v -m one -n 1 ep0 -- "${peer[@]}"
	[ "$output" = one ]
	[[ $stderr = *'ready ep0'*'bound ep0'*'sent 1 messages, 3 bytes; received 1 messages, 3 bytes'* ]]
	[ "${CAT_BACKEND-}" = daemon ] || [[ $stderr = *'blocks free: 16 of 16'* ]]
}

@test "progress is for terminals" {
	peer a4
	run -0 --separate-stderr "$pair" -- "$cat" --quiet -d link.conf:a4 -p -m one -n 1 ep0 -- "${peer[@]}"
	[ -z "$stderr" ]
	command -v script >/dev/null || skip "no script(1) to make a terminal"
	run -0 script -qec "'$pair' -- '$cat' -d link.conf:a4 -p -m one -n 1 ep0 -- $(
		printf '%q ' "${peer[@]}")" /dev/null
	[[ $output = *'sent 1 messages, 3 B'*'received 1 messages, 3 B'* ]]
}

@test "progress shares no line with messages, and has one line" {
	peer a4
	command -v script >/dev/null || skip "no script(1) to make a terminal"
	run -0 script -qec "stty cols 24; '$pair' -- '$cat' -d link.conf:a4 -p -m one -m two \
		--interval 300ms -n 2 ep0 -- $(printf '%q ' "${peer[@]}")" /dev/null
	[[ $output = *$'\033[K\r\033[Ktwo'* ]]
	# Of 24 columns, the last one is the cursor's.
	[[ $output = *$'\rsent 2 messages, 6 B, '?$'\033[K'* ]]
}

@test "SIGTERM and SIGINT end it with 128 + n" {
	peer a4
	start
	kill -TERM "$started"
	finished 143
	rm in out err
	start
	kill -INT "$started"
	finished 130
}

@test "a closed pipe ends it quietly, even with nothing to write" {
	peer a4
	mkfifo in out
	exec 7<>in
	"$pair" -- "$cat" --quiet -d link.conf:a4 -i line ep0 -- "${peer[@]}" <in >out 2>err 3>&- 7>&- &
	started=$!
	echo one >&7
	head -1 <out >first
	finished 0
	[ ! -s err ]
	[ "$(<first)" = one ]
}

@test "what is printed goes nowhere else when standard output or error are closed" {
	direct_only "it is the link's memory that would be written to"
	peer a4
	# shellcheck disable=SC2016 # expanded by the inner shell
	run -0 "$pair" -- sh -c 'exec timeout 20 "$@" 2>&-' sh "$cat" -d link.conf:a4 -v -m one -n 1 ep0 \
		-- "${peer[@]}"
	[ "$output" = one ]
	# shellcheck disable=SC2016
	run -1 "$pair" -- sh -c 'exec timeout 20 "$@" >&-' sh "$cat" --quiet -d link.conf:a4 -m one -n 1 ep0 \
		-- "${peer[@]}"
	[ "$output" = "icbmsg-cat: standard output: cannot write: Bad file descriptor" ]
}

@test "messages are printed when they come, not when the program ends" {
	peer a4
	start -i line
	for i in 1 2 3; do
		echo "message $i" >&7
		read -r line <&8
		[ "$line" = "message $i" ]
	done
	kill -TERM "$started"
	finished 143
}

@test "a full peer: --send-timeout ends it, --no-block drops" {
	peer a4
	# More than the link, and the socket of a daemon, take.
	head -c 1000000 /dev/zero >file
	start -U --send-timeout 50ms --size 10000
	kill -STOP "$(cat peer.pid)"
	cat file >&7 3>&- &
	said 'a message of 10000 bytes could not be sent within --send-timeout'
	kill $!
	finished 1
	rm in out err peer.pid
	start -U --no-block --size 10000
	kill -STOP "$(cat peer.pid)"
	cat file >&7
	exec 7>&-
	# What did get through has not been taken: it must not end before it has.
	kill -CONT "$(cat peer.pid)"
	said 'messages were dropped because the other side was full'
	finished 0
}

@test "it does not end before the other side has taken what was sent" {
	direct_only "the daemon takes it"
	peer a4
	start -U --send-timeout 50ms
	kill -STOP "$(cat peer.pid)"
	echo one >&7
	exec 7>&-
	said 'the other side has not taken all messages within --send-timeout'
	finished 1
}

@test "the other side killed: nothing hangs that has a limit" {
	peer a4
	start -i line -n 2 -T 1s
	echo one >&7
	read -r line <&8
	[ "$line" = one ]
	kill -KILL "$(cat peer.pid)"
	echo two >&7
	said 'no message for --idle-timeout'
	finished 5
}

# again: the other side starts anew once more when it has ended.
restarting() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	peer=(sh -c 'while "$@" || [ -e again ]; do rm again; done' sh "${peer[@]}")
}

restart() {
	touch again
	kill -KILL "$(cat peer.pid)"
}

@test "a restart of the other side ends it with status 4" {
	peer a4
	restarting
	start -i line
	restart
	said "the link of 'ep0' was lost: the other side restarted; --keep would wait"
	finished 4
}

@test "--keep goes on after restarts of the other side" {
	peer a4
	restarting
	start -i line --keep
	for i in 1 2 3; do
		echo "message $i" >&7
		read -r line <&8
		[ "$line" = "message $i" ]
		restart
		said 'unbound ep0: the other side restarted'
		said 'bound ep0'
	done
	kill -TERM "$started"
	finished 143
}
