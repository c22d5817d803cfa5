#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-sim from outside: transfers in every geometry, cores that die, and what it says when
# something is wrong.

# Each test runs in a subshell of bats, which is as it should be.
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0

setup_file() {
	# Not multiples of anything, and different.
	head -c 1000003 /dev/urandom >"$BATS_FILE_TMPDIR/a"
	head -c 1100009 /dev/urandom >"$BATS_FILE_TMPDIR/b"
}

setup() {
	sim=$ICBMSG_BIN_DIR/icbmsg-sim
	out=$BATS_TEST_TMPDIR/out
	A=$BATS_FILE_TMPDIR/a
	B=$BATS_FILE_TMPDIR/b
	cd "$BATS_TEST_TMPDIR" || exit 1
}

# own_files SIZE SIZE: other files for this test.
own_files() {
	A=$BATS_TEST_TMPDIR/a
	B=$BATS_TEST_TMPDIR/b
	head -c "$1" /dev/urandom >"$A"
	head -c "$2" /dev/urandom >"$B"
}

# transfer OPTION...: both files, compared here and not by the program alone.
transfer() {
	echo "transfer $*"
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --quiet "$@"
	cmp "$A" "$out/a-to-b-a"
	cmp "$B" "$out/b-to-a-b"
	[ "$(ls "$out")" = "a-to-b-a
b-to-a-b" ]
	rm -r "$out"
}

# count KEY FILE: the sum of a number in a result object.
count() {
	sed -n 's/^ *"'"$1"'": *\([0-9]*\),\{0,1\}$/\1/p' "$2" | awk '{ n += $1 } END { print n + 0 }'
}

@test "files cross with both word sizes, all alignments, in both roles" {
	for word in 4 8; do
		for alignment in 4 32 64 128; do
			for initiator in A B; do
				transfer --word-size $word --dcache-alignment $alignment \
					--initiator $initiator
			done
		done
	done
}

@test "files cross although a fifth of all doorbells gets lost" {
	for word in 4 8; do
		for alignment in 4 128; do
			for initiator in A B; do
				transfer --word-size $word --dcache-alignment $alignment \
					--initiator $initiator --drop-doorbells 20 --json >result
				[ "$(count doorbells_dropped result)" -gt 0 ]
			done
		done
	done
}

@test "files cross while nearly all doorbells get lost" {
	own_files 50000 60000
	transfer --drop-doorbells 99 --json >result
	[ "$(count rescues result)" -gt 0 ]
	transfer --drop-doorbells 99 --initiator B --seed 2
	transfer --drop-doorbells 99 --both-lib --seed 3
}

@test "files cross although doorbells are late and merge, and cores stop" {
	for initiator in A B; do
		transfer --initiator $initiator --delay-doorbells 3ms --json >result
		[ "$(count doorbells_delayed result)" -gt 0 ]
		transfer --initiator $initiator --merge-doorbells=2ms --json >result
		[ "$(count doorbells_merged result)" -gt 0 ]
		transfer --initiator $initiator --stall 3ms:20 --json >result
		[ "$(count stalls_a result)" -gt 0 ]
		[ "$(count stalls_b result)" -gt 0 ]
	done
	for both in '' --both-lib; do
		# shellcheck disable=SC2086 # an option or none
		transfer $both --drop-doorbells 20 --delay-doorbells 2ms --merge-doorbells \
			--stall 2ms:5 --word-size 8 --dcache-alignment 64 --json >result
		for what in dropped delayed merged delivered; do
			[ "$(count doorbells_$what result)" -gt 0 ]
		done
		[ $(($(count doorbells_dropped result) + $(count doorbells_merged result) +
			$(count doorbells_delivered result))) -le "$(count doorbells_relayed result)" ]
	done
}

@test "the rescues of each side are told" {
	own_files 50000 60000
	run -0 "$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --drop-doorbells 95
	[[ $output =~ "core A: "[0-9]+" doorbells, "[1-9][0-9]*" of them rescues, " ]]
	[[ $output =~ "doorbells: "[0-9]+" rung, "[1-9][0-9]*" lost, 0 delayed" ]]
	[[ $output != *"core B: "* ]]
	# Two that look at the memory themselves need few: stop them, and they ring in vain.
	for seed in $(seq 30); do
		run -0 "$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --both-lib \
			--drop-doorbells 50 --stall 3ms:30 --seed "$seed"
		[[ ! $output =~ "core B: "[0-9]+" doorbells, "[1-9][0-9]*" of them rescues, " ]] ||
			return 0
	done
	false
}

@test "the seed is told, given or not, and with failures" {
	local t=(transfer --a-to-b "$A" --b-to-a "$B" --out "$out") first
	run -0 "$sim" "${t[@]}" --seed 4711
	[[ $output == *'seed 4711' ]]
	run -0 "$sim" "${t[@]}" --json --seed 4711
	[[ $output == *'"seed": 4711,'* || $output == *'"seed":4711,'* ]]
	run -0 "$sim" "${t[@]}"
	[[ $output =~ "seed "[0-9]+$ ]]
	first=${BASH_REMATCH[0]}
	run -0 "$sim" "${t[@]}"
	[[ $output =~ "seed "[0-9]+$ ]]
	[ "${BASH_REMATCH[0]}" != "$first" ]
	rm -r "$out"
	start_endless --seed 4712
	kill -9 "$core_a"
	ended 1
	grep -q -- '--seed 4712 repeats' errors
}

# as_told KEY FILE NAME: what the result says of one file is so.
as_told() {
	if sed -n "/\"$1\"/,/identical/p" result | grep -q '"identical": *true'; then
		cmp "$2" "$out/$3"
	else
		[ ! -e "$out/$3" ]
		! cmp -s "$2" "$out/$3.part"
	fi
}

# corrupted OPTION...: a transfer over corrupted memory, in which nobody crashes, hangs or lies.
corrupted() {
	echo "corrupted $*"
	rm -rf "$out"
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --json "$@" >result
	grep -q '"ok": *true' result
	as_told a_to_b "$A" a-to-b-a
	as_told b_to_a "$B" b-to-a-b
}

@test "corrupted payload damages chunks, and they are counted" {
	own_files 10000001 10000001
	until [ "${damaged-0}" -gt 0 ]; do
		corrupted --corrupt=200000 --corrupt-what payload
		damaged=$(count chunks_damaged result)
	done
	[ "$(count payload result)" -gt 0 ]
	[ "$(count chunks result)" -eq 306 ]
	[ "$damaged" -lt 306 ]
	run -0 "$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --corrupt --duration 1ms
	[[ $output == *'corrupted: '*' payload words'* ]]
}

@test "whatever is corrupted, a transfer comes to its end" {
	own_files 3000001 3000001
	for what in headers rings indices all; do
		for initiator in A B; do
			corrupted --corrupt=20000 --corrupt-what $what --duration 1s \
				--initiator $initiator
		done
	done
	corrupted --corrupt=5000 --duration 1s --word-size 8 --dcache-alignment 64 --endpoints 3 \
		--drop-doorbells 10 --delay-doorbells 1ms --stall 1ms:2
}

@test "a core that dies while memory is corrupted is a failure" {
	start_endless --corrupt --corrupt-what payload
	kill -9 "$core_a"
	ended 1
	grep -q 'core A (libicbmsg) was killed by signal 9' errors
	rm fifo
	start_endless --corrupt --corrupt-what payload
	kill -USR2 "$core_b"
	ended 1
	grep -q 'core B (firmware) was killed by signal 12' errors
}

@test "libicbmsg talks to itself" {
	for initiator in A B; do
		transfer --both-lib --initiator $initiator
		transfer --both-lib --initiator $initiator --word-size 8 --dcache-alignment 64 \
			--drop-doorbells 20
		transfer --both-lib --initiator $initiator --tx-blocks 1 --rx-blocks 1 \
			--endpoints 20
	done
}

@test "few blocks, many blocks, regions that differ" {
	for initiator in A B; do
		transfer --initiator $initiator --tx-blocks 1 --rx-blocks 1
		transfer --initiator $initiator --tx-blocks 2 --rx-blocks 2 --region-size 16k
		transfer --initiator $initiator --tx-blocks 256 --rx-blocks 256
		transfer --initiator $initiator --tx-blocks 256 --rx-blocks 1 \
			--region-size 1M,20001
		transfer --initiator $initiator --tx-blocks 3 --rx-blocks 70 \
			--region-size 9999,1M --dcache-alignment 128 --word-size 8
	done
}

@test "one endpoint, and as many as there can be" {
	for initiator in A B; do
		transfer --initiator $initiator --endpoints 1
		transfer --initiator $initiator --endpoints 254
		transfer --initiator $initiator --endpoints 254 --tx-blocks 4 --rx-blocks 4
	done
}

@test "messages have all sizes and go all ways" {
	# Small ones, so that there are enough for what is rare.
	transfer --json --endpoints 3 --region-size 16k >result
	for key in copied zero_copy dropped_buffers held no_room; do
		[ "$(count $key result)" -gt 0 ]
	done
	# The largest takes all blocks at once, and whether they are free together is up to the scheduler.
	for seed in $(seq 30); do
		"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --seed "$seed" >summary
		! grep -q 'the largest 65[0-9]* bytes' summary || return 0
	done
	false
}

@test "larger files cross" {
	own_files 20000001 15000000
	transfer
	transfer --drop-doorbells 20 --word-size 8 --dcache-alignment 64
}

@test "empty files and single bytes cross" {
	own_files 0 0
	transfer
	own_files 0 1
	transfer
	transfer --both-lib --endpoints 1
	own_files 1 1
	transfer --drop-doorbells 50
}

@test "the result tells both digests, as sha256sum does" {
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" >summary
	for file in "$A" "$B"; do
		[ "$(grep -c "$(sha256sum <"$file" | cut -d' ' -f1)" summary)" -eq 2 ]
	done
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --json >result
	grep -q '"ok": *true' result
	[ "$(grep -c '"identical": *true' result)" -eq 2 ]
	[ "$(grep -c "$(sha256sum <"$A" | cut -d' ' -f1)" result)" -eq 2 ]
}

@test "progress only where it is wanted" {
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" 2>errors >summary
	[ ! -s errors ]
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --progress 2>errors >summary
	grep -q 'A->B .* MB/s .*B->A .* MB/s' errors
	"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --quiet --progress >all 2>&1
	[ ! -s all ]
}

# start_endless OPTION...: a transfer that does not end by itself; `parent`, `core_a` and `core_b` are set.
start_endless() {
	local line
	truncate -s 100G huge
	mkfifo fifo
	"$sim" transfer --a-to-b huge --b-to-a huge --out "$out" --banner "$@" 2>fifo 3>&- &
	parent=$!
	exec 4<fifo
	IFS= read -r line <&4
	[[ $line =~ "core A is process "([0-9]+)", core B is process "([0-9]+) ]]
	core_a=${BASH_REMATCH[1]}
	core_b=${BASH_REMATCH[2]}
}

# ended STATUS: how the transfer ended; errors are in the file `errors`. Nothing is left over.
ended() {
	local status=0
	wait "$parent" || status=$?
	cat <&4 >errors
	exec 4<&-
	cat errors
	[ "$status" -eq "$1" ]
	[ -z "$(ls "$out")" ]
	! kill -0 "$core_a" 2>/dev/null
	! kill -0 "$core_b" 2>/dev/null
}

@test "a core that is killed ends the transfer" {
	start_endless
	kill -9 "$core_a"
	ended 1
	grep -q 'core A (libicbmsg) was killed by signal 9' errors
	rm fifo
	start_endless
	kill -9 "$core_b"
	ended 1
	grep -q 'core B (firmware) was killed by signal 9' errors
}

@test "signals end the cores, too" {
	start_endless
	kill -TERM "$parent"
	ended 143
	[ ! -s errors ]
	rm fifo
	start_endless
	kill -HUP "$parent"
	ended 129
}

@test "a stalled core is stopped, and ends all the same" {
	start_endless --stall 1m:99
	until grep -q '^State:.*stopped' "/proc/$core_a/status" "/proc/$core_b/status"; do :; done
	kill -TERM "$parent"
	ended 143
	rm fifo
	start_endless --stall 1m:99
	until grep -q '^State:.*stopped' "/proc/$core_a/status" "/proc/$core_b/status"; do :; done
	kill -9 "$core_a"
	ended 1
}

@test "cores do not outlive their parent" {
	start_endless
	kill -9 "$parent"
	# The pipe ends when its last writer does.
	cat <&4 >errors
	exec 4<&-
	wait "$parent" || [ $? -eq 137 ]
}

@test "a disk that is full is told" {
	# Stands in for it: no file may grow beyond so many blocks.
	# shellcheck disable=SC2016 # for the inner shell
	run -1 bash -c 'ulimit -f 500; exec "$@"' sh \
		"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out"
	[[ $output =~ "writing the received file at offset "[0-9]+": File too large" ]]
	[ -z "$(ls "$out")" ]
}

@test "a file that shrinks meanwhile is told" {
	start_endless
	truncate -s 0 huge
	ended 1
	grep -q 'core [AB] .*it has become shorter meanwhile' errors
}

@test "content that differs fails, and is kept" {
	mkdir "$out"
	# What is written there is lost.
	ln -s /dev/null "$out/b-to-a-b.part"
	run -1 --separate-stderr "$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --json
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == *"B->A: received something else than $B; it is kept as $out/b-to-a-b.part"* ]]
	[ "$(grep -c '"ok": *false' <<<"$output")" -eq 1 ]
	[ "$(grep -c '"identical": *false' <<<"$output")" -eq 1 ]
	cmp "$A" "$out/a-to-b-a"
	[ -L "$out/b-to-a-b.part" ]
	run -1 "$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out"
	[[ $output == *DIFFERENT* ]]
}

# fails STATUS TEXT OPTION...
fails() {
	local expected=$1 text=$2
	shift 2
	run "$sim" "$@"
	echo "$output"
	[ "$status" -eq "$expected" ]
	[[ $output == *"$text"* ]]
}

@test "files that cannot be read or written are named" {
	fails 1 'cannot read nowhere: No such file' \
		transfer --a-to-b nowhere --b-to-a "$B" --out "$out"
	fails 1 '. is not a regular file' transfer --a-to-b "$A" --b-to-a . --out "$out"
	: >file
	fails 1 'cannot write file/a-to-b-a.part' transfer --a-to-b "$A" --b-to-a "$B" --out file
	fails 1 'cannot make the folder no/where' \
		transfer --a-to-b "$A" --b-to-a "$B" --out no/where
}

@test "wrong options are named" {
	local t=(transfer --a-to-b "$A" --b-to-a "$B" --out "$out")
	fails 2 'a command is missing'
	fails 2 'no command "send"' send
	fails 2 "unrecognized option '--what'" "${t[@]}" --what
	fails 2 "Try 'icbmsg-sim transfer --help'." "${t[@]}" --what
	fails 2 '--a-to-b, --b-to-a and --out are required' transfer --out "$out"
	fails 2 'one argument too many' "${t[@]}" more
	fails 2 '--word-size: 5 is neither 4 nor 8' "${t[@]}" --word-size 5
	fails 2 '--tx-blocks: 257 is out of range; it goes from 1 to 256' "${t[@]}" --tx-blocks 257
	fails 2 '--endpoints: 0 is out of range; it goes from 1 to 254' "${t[@]}" --endpoints 0
	fails 2 '48 is not a power of two' "${t[@]}" --dcache-alignment 48
	fails 2 "--region-size: '64x' is not a size; write for example --region-size=4k" "${t[@]}" --region-size 64x
	fails 2 '--drop-doorbells: "100" is not a percentage' "${t[@]}" --drop-doorbells 100
	fails 2 "--rescue-interval: '1' is not a duration; write for example" "${t[@]}" --rescue-interval 1
	fails 2 '--stall: "5ms" is not a duration and a percentage' "${t[@]}" --stall 5ms
	fails 2 '--stall: "100" is not a percentage' "${t[@]}" --stall 5ms:100
	fails 2 '--delay-doorbells: 2m is out of range; it goes from 100us to 1m' \
		"${t[@]}" --delay-doorbells 2m
	fails 2 "--merge-doorbells: '5' is not a duration" "${t[@]}" --merge-doorbells=5
	fails 2 '--duration: 1441m is out of range' "${t[@]}" --corrupt --duration 1441m
	fails 2 'transfer: --corrupt-what and --duration belong to --corrupt' "${t[@]}" --duration 1s
	fails 2 '--both-lib and --corrupt exclude each other' "${t[@]}" --both-lib --corrupt
	fails 2 'too small' "${t[@]}" --region-size 256 --tx-blocks 100
	[ ! -e "$out" ]
}

@test "help and version" {
	run -0 "$sim" --help
	[[ $output == *transfer*echo* ]]
	run -0 "$sim" transfer --help
	[[ $output == *--drop-doorbells*--stall*--corrupt* ]]
	run -0 "$sim" echo --help
	[[ $output == *--print-config* ]]
	run -0 "$sim" --version
	[[ $output == "icbmsg-sim "[0-9]* ]]
}

@test "output that cannot be written is an error, a reader that leaves is none" {
	for args in --help --version 'echo --help' 'restart-loop --count 1'; do
		# shellcheck disable=SC2086 # a list of words
		run -1 sh -c '"$@" >/dev/full' sh "$ICBMSG_BIN_DIR/icbmsg-sim" $args
		[[ $output == *'cannot write to standard output'* ]]
		# shellcheck disable=SC2086 # a list of words
		run -0 bash -c 'set -o pipefail; "$@" | :' bash "$ICBMSG_BIN_DIR/icbmsg-sim" $args
	done
}
