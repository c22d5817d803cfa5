#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-sim restart-loop: firmware that is killed and started again comes back in every geometry, and
# nothing is lost without being told. What is counted comes from the program; that it is killed for
# real, and that nothing is left over, is seen from here.

# Each test runs in a subshell of bats, which is as it should be.
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0

setup() {
	sim=$ICBMSG_BIN_DIR/icbmsg-sim
	cd "$BATS_TEST_TMPDIR" || exit 1
}

# value KEY: a number of the result object, the first of that name (core A's).
value() {
	sed -n 's/^ *"'"$1"'": *\([0-9.]*\),\{0,1\}$/\1/p' result | head -n 1
}

# loop OPTION...: few restarts, all of which come back, with all sums right.
loop() {
	echo "restart-loop $*"
	"$sim" restart-loop --count 8 --up-time 1ms..10ms --cut 20 --json "$@" >result
	grep -q '"ok": *true' result
	[ "$(value back)" -eq 8 ]
	[ "$(value killed)" -eq $((8 + $(value cut_short))) ]
	[ "$(value restarts_noticed)" -ge 8 ]
	[ "$(value sent)" -eq $(($(value confirmed) + $(value unknown))) ]
	[ "$(value echoes)" -ge 40 ]
	[ "$(grep -c '"wrong": *0\|"repeated": *0\|"out_of_order": *0' result)" -eq 6 ]
	[ "$(value firmware_errors_max)" -le 2 ]
}

@test "firmware comes back in both roles, with both word sizes and several alignments" {
	for initiator in A B; do
		for word in 4 8; do
			for alignment in 4 64; do
				loop --initiator $initiator --word-size $word \
					--dcache-alignment $alignment
			done
		done
	done
}

@test "firmware comes back with several endpoints and ring lengths" {
	for initiator in A B; do
		loop --endpoints 3 --initiator $initiator
		loop --endpoints 3 --initiator $initiator --region-size 1k --tx-blocks 3 \
			--rx-blocks 7
		loop --initiator $initiator --region-size 8k,2k --tx-blocks 16 --rx-blocks 1
	done
}

@test "of two libicbmsg either comes back" {
	for initiator in A B; do
		for alignment in 4 64; do
			"$sim" restart-loop --both-lib --count 12 --up-time 1ms..10ms --cut 20 --json \
				--initiator $initiator --dcache-alignment $alignment --endpoints 2 >result
			[ "$(value back)" -eq 12 ]
			[ "$(grep -c '"wrong": *0\|"repeated": *0\|"out_of_order": *0' result)" -eq 6 ]
		done
	done
}

@test "either kind of core comes back when both stop for a while now and then" {
	for initiator in A B; do
		loop --initiator $initiator --stall 20ms:5 --drop-doorbells 20
		[ $(($(value stalls_a) + $(value stalls_b))) -gt 0 ]
	done
	"$sim" restart-loop --both-lib --count 8 --up-time 1ms..10ms --dcache-alignment 64 --json \
		--stall 20ms:5 --drop-doorbells 20 >result
	[ "$(value back)" -eq 8 ]
	[ "$(grep -c '"wrong": *0\|"repeated": *0\|"out_of_order": *0' result)" -eq 6 ]
}

@test "firmware comes back when doorbells get lost or are forgotten" {
	for initiator in A B; do
		loop --endpoints 3 --initiator $initiator --drop-doorbells 20
		[ "$(value doorbells_dropped)" -gt 0 ]
		loop --initiator $initiator --pending-doorbell no --rescue-interval 2ms
	done
}

@test "firmware comes back although doorbells are late and merge, and cores stop" {
	for initiator in A B; do
		loop --initiator $initiator --delay-doorbells 2ms --merge-doorbells
		[ "$(value doorbells_delayed)" -gt 0 ]
		[ "$(value doorbells_merged)" -gt 0 ]
		loop --endpoints 3 --initiator $initiator --stall 3ms:5
		[ "$(value stalls_a)" -gt 0 ]
		[ "$(value stalls_b)" -gt 0 ]
	done
	# Longer than the rescue interval.
	loop --stall 60ms:1
}

@test "starts that are cut short come in addition" {
	loop --cut 80 --seed 3
	[ "$(value cut_short)" -gt 8 ]
}

@test "the summary accounts for every message" {
	run -0 "$sim" restart-loop --count 3 --seed 7
	[[ $output == *'3 restarts, 3 back;'* ]]
	[[ $output == *'A->B '*' messages sent = '*' confirmed + '*' unknown ('*' lost), '*' refused'* ]]
	[[ $output == *'0 wrong, 0 repeated, 0 out of order'* ]]
	[[ $output == *'seed 7'* ]]
	run -0 "$sim" restart-loop --count 3 --drop-doorbells 30 --stall 1ms:5
	[[ $output =~ "doorbells: "[0-9]+" rung, "[1-9][0-9]*" lost, 0 delayed" ]]
	[[ $output =~ "stalls: core A "[0-9]+" times, core B "[0-9]+" times, 1.0 ms each" ]]
	[[ $output =~ "core A: "[0-9]+" doorbells, "[0-9]+" of them rescues" ]]
	[[ $output =~ "seed "[0-9]+$ ]]
	run -0 "$sim" restart-loop --count 1 --quiet
	[ -z "$output" ]
}

# corrupted OPTION...: what is told of a corrupted run in which the link came back.
corrupted() {
	run -0 "$sim" restart-loop --corrupt --count 10 "$@"
	[[ $output == *'is no failure'* ]]
	[[ $output == *'after the corruption the link came back with restarted firmware'* ]]
}

@test "corrupted memory harms nobody, and the link comes back" {
	for what in all indices rings headers payload rings,headers; do
		corrupted --corrupt-what $what
	done
	corrupted --endpoints 3 --word-size 8 --drop-doorbells 20
}

@test "what was corrupted is counted by kind" {
	"$sim" restart-loop --corrupt=20000 --corrupt-what headers --count 5 --json >result
	[ "$(value headers)" -gt 0 ]
	[ "$(value indices)" -eq 0 ]
	[ "$(value bad_blocks)" -gt 0 ]
	grep -q '"recovered": *true' result
	"$sim" restart-loop --corrupt=5000 --duration 1s --endpoints 3 --drop-doorbells 10 \
		--delay-doorbells 1ms --merge-doorbells --stall 1ms:2 --json >result
	grep -q '"recovered": *true' result
	"$sim" restart-loop --corrupt --duration 300ms --json >result
	grep -q '"recovered": *true' result
}

# children PID: its child processes, one per line.
children() {
	tr ' ' '\n' <"/proc/$1/task/$1/children" | grep . || true
}

@test "a killed parent leaves no core behind" {
	"$sim" restart-loop --count 100000 --up-time 1s..1s --quiet 3>&- &
	local pid=$! cores='' core
	until [ "$(echo "$cores" | grep -c .)" -eq 2 ]; do
		cores=$(children "$pid")
	done
	kill -KILL "$pid"
	wait "$pid" || true
	for core in $cores; do
		# Gone, or waiting for its new parent to be told.
		while [ -e "/proc/$core" ] && ! grep -q '^State:.*Z' "/proc/$core/status"; do
			:
		done
	done
}

@test "a core that ends by itself is a failure that names the restart and the seed" {
	"$sim" restart-loop --count 100000 --up-time 1s..1s --seed 42 2>errors 3>&- &
	local pid=$! status=0 core=
	until [ -n "$core" ]; do
		core=$(children "$pid" | head -n 1)
	done
	# A signal that no sanitizer catches.
	kill -USR2 "$core"
	wait "$pid" || status=$?
	[ "$status" -eq 1 ]
	grep -q 'restart 1 (seed 42): core A (libicbmsg) was killed by signal 12' errors
}

@test "a link that does not come back is a failure that says how long was waited" {
	# A doorbell interval and a rescue interval longer than the patience.
	run -1 "$sim" restart-loop --count 50 --drop-doorbells 99 --rescue-interval 1m --timeout 100ms \
		--seed 5
	[[ $output == *'(seed 5): within 0.1 s not all endpoints had 5 echoes'* ]]
}

@test "signals end everything" {
	local pid status=0
	"$sim" restart-loop --count 100000 --quiet 3>&- &
	pid=$!
	until [ -n "$(children "$pid")" ]; do :; done
	kill "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
}

@test "options that cannot be are named" {
	run -2 "$sim" restart-loop --both-lib --corrupt
	[[ $output == *'--both-lib and --corrupt exclude each other'* ]]
	run -2 "$sim" restart-loop --up-time 5ms
	[[ $output == *'"5ms" is not a range; write for example 2ms..50ms'* ]]
	run -2 "$sim" restart-loop --up-time 5ms..1ms
	[[ $output == *'5ms is more than 1ms'* ]]
	run -2 "$sim" restart-loop --pending-doorbell maybe
	[[ $output == *'"maybe" is neither yes nor no'* ]]
	run -2 "$sim" restart-loop --corrupt-what everything --corrupt
	[[ $output == *'"everything" is none of indices, rings, headers, payload and all'* ]]
	run -2 "$sim" restart-loop --duration 1s
	[[ $output == *'belong to --corrupt'* ]]
	run -2 "$sim" restart-loop --corrupt=0
	[[ $output == *'--corrupt: 0 is out of range; it goes from 1 to 1000000'* ]]
	run -2 "$sim" restart-loop --region-size 64 --tx-blocks 1 --rx-blocks 1
	[[ $output == *'at least 24 bytes, and the regions can carry 20 and 20; make them larger'* ]]
	run -2 "$sim" restart-loop --cut 100
	[[ $output == *'--cut: "100" is not a percentage from 0 to below 100'* ]]
	run -2 "$sim" restart-loop more
	[[ $output == *'"more" is one argument too many'* ]]
	run -0 "$sim" restart-loop --help
	[[ $output == *'--pending-doorbell yes|no'* ]]
}
