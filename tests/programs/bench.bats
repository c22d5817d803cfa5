#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-bench: that it measures all it should, not how fast anything is.

setup() {
	bench=$ICBMSG_BIN_DIR/icbmsg-bench
	few="--rounds 2 --duration 2ms --region-size 16k"
}

# results JSON-TEXT: one line per measurement.
results() {
	echo "$1" | sed 's/.*"results":\[//' | sed 's/},{/\n/g'
}

@test "icbmsg-bench measures every kind in every mode, with floors" {
	# shellcheck disable=SC2086 # a list of words
	run "$bench" $few --size 1 --size 1000 --size largest --json
	[ "$status" -eq 0 ]
	measured=$(results "$output")
	modes=doorbell
	if [[ "$output" == *'"one_cpu":false'* ]]; then
		modes="doorbell poll:busy"
		[[ "$measured" == *'"kind":"floor cache line"'* ]]
	fi
	[[ "$measured" == *'"kind":"floor eventfd"'* ]]
	[ "$(echo "$measured" | grep -c '"kind":"floor memcpy"')" -eq 3 ]
	for mode in $modes; do
		for kind in "round trip" "stream copied" "stream in place"; do
			found=$(echo "$measured" | grep "\"kind\":\"$kind\",\"mode\":\"$mode\"")
			[ "$(echo "$found" | wc -l)" -eq 3 ]
			[[ "$found" == *'"size":1,'* ]]
			[[ "$found" == *'"size":1000,'* ]]
			[[ "$found" == *'"floor_ratio":'* ]]
		done
	done
	bad=$(echo "$measured" | grep -cE '(median_ns|per_second|floor_ratio)":(0\.0*[,}]|-|nan|inf)' || true)
	[ "$bad" -eq 0 ]
}

@test "icbmsg-bench prints tables" {
	# shellcheck disable=SC2086 # a list of words
	run "$bench" $few --size 64 --no-pin --word-size 8 --dcache-alignment 128 --blocks 3
	[ "$status" -eq 0 ]
	[[ "$output" == *"eventfd ping-pong"* ]]
	[[ "$output" == *"round trips, doorbell"* ]]
	[[ "$output" == *"streams, doorbell"* ]]
	[[ "$output" == *"3 blocks, word size 8, dcache-alignment 128"* ]]
	[[ "$output" == *"not pinned"* || "$output" == *"only one CPU"* ]]
}

@test "icbmsg-bench on one CPU says so and leaves out what spins" {
	cpu=$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	# shellcheck disable=SC2086 # a list of words
	run taskset -c "$cpu" "$bench" $few --size 64
	[ "$status" -eq 0 ]
	[[ "$output" == *"there is only one CPU"* ]]
	[[ "$output" != *busy* ]]
	[[ "$output" != *"cache line ping-pong"* ]]
}

@test "icbmsg-bench refuses what cannot be measured" {
	run "$bench" --size 0
	[ "$status" -eq 2 ]
	run "$bench" --region-size 16k --size 16k
	[ "$status" -eq 2 ]
	[[ "$output" == *"largest message of these regions is "* ]]
	run "$bench" --region-size 512 --blocks 256
	[ "$status" -eq 2 ]
	[[ "$output" == *"256 + 256 blocks"* ]]
	run "$bench" --duration 0
	[ "$status" -eq 2 ]
	run "$bench" more
	[ "$status" -eq 2 ]
	[[ "$output" == *"'more'"* ]]
	run "$bench" --help
	[ "$status" -eq 0 ]
	[[ "$output" == "Usage: icbmsg-bench"* ]]
}
