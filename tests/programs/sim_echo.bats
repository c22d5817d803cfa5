#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-sim echo, with icbmsg-cat on the other side.

bats_require_minimum_version 1.5.0

setup() {
	sim=$ICBMSG_BIN_DIR/icbmsg-sim
	cat=$ICBMSG_BIN_DIR/icbmsg-cat
	shm=icbmsg-test-$$-$BATS_TEST_NUMBER
	cd "$BATS_TEST_TMPDIR" || exit 1
}

teardown() {
	rm -f "/dev/shm/$shm"
}

# echoes ENDPOINT OPTION...: lines come back as they were sent.
echoes() {
	local name=$1
	shift
	seq 1 200 >sent
	"$sim" echo "$@" -- "$cat" --direct @CONFIG@ --input line --count 200 "$name" <sent >got
	cmp sent got
}

@test "a command talks to it through inherited doorbells" {
	echoes ep0
	echoes ep0 --initiator B
	echoes two --endpoint one --endpoint two
	echoes two --endpoint one --endpoint two --initiator B --word-size 8 --dcache-alignment 64
	echoes ep0 --tx-blocks 1 --rx-blocks 1
	echoes ep0 --poll 1ms
}

@test "the command finds its configuration in the environment, too" {
	# shellcheck disable=SC2016 # for the inner shell
	"$sim" echo --instance other -- sh -c \
		'"$1" -d "$ICBMSG_CONFIG:other" -m hello -n 1 ep0' sh "$cat" >got
	[ "$(cat got)" = hello ]
}

@test "empty messages and the largest come back" {
	head -c 4000 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >sent
	{
		echo
		cat sent
		echo
		echo
		echo 00
	} >messages
	"$sim" echo --region-size 8k --tx-blocks 4 --rx-blocks 8 -- "$cat" -d @CONFIG@ -i hex \
		-f hex -n 4 ep0 <messages >got
	cmp messages got
}

@test "what does not fit on the way back is told and dropped" {
	head -c 6000 /dev/zero >big
	"$sim" echo --region-size 8k,2k -- "$cat" -d @CONFIG@ --file big --size 6000 -U ep0 \
		2>errors
	grep -q '6000 bytes do not fit' errors
}

@test "the command's exit status is passed on" {
	run -7 "$sim" echo -- sh -c 'exit 7'
	run -143 "$sim" echo -- sh -c 'kill $$'
	run -127 "$sim" echo -- ./no-such-program
	[[ $output == *'./no-such-program: No such file'* ]]
}

@test "a sink takes, a source sends" {
	seq 1 500 >sent
	"$sim" echo --mode sink -- "$cat" -d @CONFIG@ -i line -U ep0 <sent
	"$sim" echo --mode source --size 32 -- "$cat" -d @CONFIG@ -u -f hex -n 100 ep0 >got
	[ "$(wc -l <got)" -eq 100 ]
	# Numbered from 0, little-endian.
	[ "$(cut -c 1-8 got | sed -n '1p;100p' | tr '\n' ' ')" = "00000000 63000000 " ]
}

@test "unrelated programs meet in shared memory and poll" {
	mkfifo banner
	"$sim" echo --shm "$shm" --poll 500us --print-config link.conf --banner >banner 3>&- &
	local pid=$! line
	read -r line <banner
	[[ $line == *"ready: ep0 at shm:$shm, polling every 500us" ]]
	[ "$("$cat" -d link.conf -m hello -n 1 ep0)" = hello ]
	kill "$pid"
	local status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ ! -e "/dev/shm/$shm" ]
}

# await TEXT: read icbmsg-cat's states from descriptor 8 up to this one.
await() {
	local line
	while IFS= read -r line <&8; do
		[[ $line != *"$1" ]] || return 0
	done
	return 1
}

@test "a reboot of the core is survived by who waits, and helps who comes anew" {
	mkfifo banner input answers states
	"$sim" echo --shm "$shm" --print-config link.conf --banner >banner 3>&- &
	local pid=$! line cat_pid status=0
	exec 5<banner
	read -r line <&5
	"$cat" -d link.conf --keep --banner -i line -n 2 ep0 <input >answers 2>states 3>&- 5<&- &
	cat_pid=$!
	exec 6>input 7<answers 8<states
	await 'bound ep0'
	echo one >&6
	read -r line <&7
	[ "$line" = one ]
	kill -USR1 "$pid"
	read -r line <&5
	[[ $line == *ready:* ]]
	await 'bound ep0'
	echo two >&6
	read -r line <&7
	[ "$line" = two ]
	wait "$cat_pid"

	kill -USR1 "$pid"
	read -r line <&5
	[ "$("$cat" -d link.conf -m three -n 1 ep0 5<&-)" = three ]
	kill "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
}

@test "who comes anew over a live session leaves it alone, and says what to do" {
	"$sim" echo --shm "$shm" --print-config link.conf --banner >banner 3>&- &
	local pid=$! status=0
	until [ -s banner ]; do :; done
	[ "$("$cat" -d link.conf -m one -n 1 ep0)" = one ]
	cp "/dev/shm/$shm" before
	run -3 "$cat" -d link.conf --wait 200ms -m two -n 1 ep0
	[[ $output == *'in a session with an earlier program of this side'*'restart it'* ]]
	cmp before "/dev/shm/$shm"
	kill "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
}

@test "lines come back although doorbells get lost, late and merged, and the core stops" {
	local initiator
	for initiator in A B; do
		echoes ep0 --initiator $initiator --drop-doorbells 20
		echoes ep0 --initiator $initiator --delay-doorbells 2ms
		echoes ep0 --initiator $initiator --merge-doorbells
		echoes ep0 --initiator $initiator --stall 2ms:20
	done
	echoes ep0 --poll 1ms --stall 2ms:20
	"$sim" echo --mode source --drop-doorbells 30 --stall 1ms:5 -- \
		"$cat" -d @CONFIG@ -u -f hex -n 1000 ep0 >got
	[ "$(wc -l <got)" -eq 1000 ]
}

@test "faults and their seed are told, for people and for programs" {
	local faults=(--drop-doorbells 50 --delay-doorbells 1ms --merge-doorbells --stall 1ms:50)
	echoes ep0 "${faults[@]}" --seed 99 2>errors
	grep -q -- '--seed 99 repeats these faults' errors
	grep -q 'doorbells: [0-9]* rung, [1-9][0-9]* lost, [1-9][0-9]* delayed' errors
	grep -q 'stalls: core A 0 times, core B [1-9][0-9]* times, 1.0 ms each' errors
	echoes ep0 "${faults[@]}" --json 2>errors
	sed 1d errors >result
	grep -q '"received": *200,' result
	grep -q '"doorbells_dropped": *[1-9]' result
	grep -q '"stalls_b": *[1-9]' result
	echoes ep0 2>errors
	[ ! -s errors ]
}

@test "the configuration says how soon a lost doorbell is to be noticed" {
	"$sim" echo --drop-doorbells 1 --print-config - -- true 2>errors >link.conf
	grep -q '^rescue-interval = 1000us$' link.conf
	"$sim" echo --print-config - -- true >link.conf
	run ! grep -q rescue-interval link.conf
}

@test "corrupted memory harms neither core nor tool" {
	local what status
	for what in indices rings headers payload all; do
		seq 1 100000 >sent
		status=0
		"$sim" echo --corrupt=20000 --corrupt-what $what --json -- timeout --foreground 1 "$cat" \
			-d @CONFIG@ --input line --count 100000 ep0 <sent >got 2>errors || status=$?
		echo "$what: $status"
		# Done, an error that is told, the other side lost, or out of time: nobody crashed.
		[[ $status = [0-5] || $status = 124 ]]
		grep -A 5 '"corrupted"' errors | grep -q ': *[1-9]'
	done
}

@test "after corruption a reboot of the core brings the link back" {
	mkfifo banner
	"$sim" echo --shm "$shm" --print-config link.conf --banner --corrupt=10000 --duration 200ms \
		--corrupt-what rings,indices >banner 2>errors 3>&- &
	local pid=$! line status=0
	exec 5<banner
	read -r line <&5
	seq 1 100000 | timeout --foreground 1 "$cat" -d link.conf -i line ep0 >got 5<&- || true
	kill -USR1 "$pid"
	read -r line <&5
	[ "$("$cat" -d link.conf -m back -n 1 ep0 5<&-)" = back ]
	kill "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	grep -q 'corrupted: [1-9][0-9]* indices, [1-9][0-9]* ring words, 0 headers' errors
}

@test "memory that is too small is refused" {
	head -c 100 /dev/zero >"/dev/shm/$shm"
	run -1 "$sim" echo --shm "$shm"
	[[ $output == *'has 100 bytes but the regions need 131072'* ]]
	[ -e "/dev/shm/$shm" ]
}

@test "options that do not go together are named" {
	run -2 "$sim" echo
	[[ $output == *'say --shm NAME, --memory-fd N, --ivshmem SOCKET or -- COMMAND'* ]]
	run -2 "$sim" echo --shm "$shm" --db-rx-fd 5
	[[ $output == *'--db-rx-fd and --db-tx-fd belong together'* ]]
	run -2 "$sim" echo --shm "$shm" --endpoint ''
	[[ $output == *'does not have 1 to 63 bytes'* ]]
	run -2 "$sim" echo --shm "$shm" --endpoint a --endpoint b --initiator B --rx-blocks 1
	[[ $output == *'announcing 2 endpoints'* ]]
	run -2 "$sim" echo --shm "$shm" --drop-doorbells 5
	[[ $output == *'with --poll there are no doorbells to drop, delay or merge'* ]]
	run -2 "$sim" echo --shm "$shm" --corrupt-what rings
	[[ $output == *'echo: --corrupt-what and --duration belong to --corrupt'* ]]
	run -2 "$sim" echo --shm "$shm" --mode copy
	[[ $output == *'none of echo, sink and source'* ]]
}

@test "--record writes down what comes, also before and after a restart" {
	local core line
	mkfifo banner
	"$sim" echo --shm "$shm" --poll 1ms --print-config link.conf --banner --record got \
		--mode sink >banner 3>&- &
	core=$!
	exec 5<banner
	read -r line <&5
	"$cat" --direct link.conf -U -m one -m "$(printf '%0100d' 0)" ep0
	kill -USR1 "$core"
	read -r line <&5
	"$cat" --direct link.conf -U -m two ep0
	kill "$core"
	wait "$core" || true
	diff got - <<-END
		0 3 6f6e65 ep0
		0 100 $(printf '30%.0s' $(seq 32)) ep0
		1 3 74776f ep0
	END
}

@test "--record into a file that cannot be written is an error" {
	run -1 "$sim" echo --record /nowhere/record -- true
	[[ $output == *"--record /nowhere/record: No such file or directory"* ]]
	run -1 "$sim" echo --record /dev/full -- "$cat" --direct @CONFIG@ -m hello -n 1 ep0
	[[ $output == *"--record /dev/full: No space left on device"* ]]
}
