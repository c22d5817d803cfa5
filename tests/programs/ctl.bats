#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgctl from outside: options, tables, messages.

setup() {
	ctl=$ICBMSG_BIN_DIR/icbmsgctl
	doc="--tx 0x20070000:0x800 --rx 0x20078000:2k --tx-blocks 16 --rx-blocks 32"
}

config() {
	printf '%s\n' "[instance one]" "memory = shm:$1" "doorbell = poll" "tx-region = 0 2k" \
		"rx-region = 2k 2k" "tx-address = 0x20070000" "rx-address = 0x20070800" \
		"tx-blocks = 16" "rx-blocks = 32" >"$BATS_TEST_TMPDIR/one.conf"
}

@test "icbmsgctl --help lists every command, and each has help" {
	run "$ctl" --help
	[ "$status" -eq 0 ]
	commands=$(echo "$output" | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
	[ "$(echo "$commands" | wc -w)" -ge 2 ]
	for command in $commands; do
		run "$ctl" "$command" --help
		[ "$status" -eq 0 ]
		[[ "$output" == "Usage: icbmsgctl $command "* ]]
	done
}

@test "icbmsgctl refuses what it does not know" {
	run "$ctl"
	[ "$status" -eq 2 ]
	run "$ctl" frobnicate
	[ "$status" -eq 2 ]
	[[ "$output" == *"there is no command 'frobnicate'"* ]]
	run "$ctl" layout --frobnicate
	[ "$status" -eq 2 ]
	[[ "$output" == *"--frobnicate'"*"Try 'icbmsgctl layout --help'." ]]
	# shellcheck disable=SC2086 # a list of words
	run "$ctl" layout $doc more
	[ "$status" -eq 2 ]
	[[ "$output" == *"'more'"* ]]
}

@test "layout prints a table with addresses" {
	# shellcheck disable=SC2086 # a list of words
	run "$ctl" layout $doc
	[ "$status" -eq 0 ]
	[[ "$output" == *"Role: follower."* ]]
	[[ "$output" =~ blocks\ +0x1c0\ +0x200701c0\ +0x200\ +0x20078200 ]]
	[[ "$output" =~ largest\ message\ +1596\ +1532 ]]
	[[ "$output" != *Note:* ]]
}

@test "layout takes addresses of 64 bits" {
	run "$ctl" layout --json --tx 0xffffffff80000000:64k --rx 0xfffffffe00000000:64k \
		--tx-blocks 8 --rx-blocks 8 --word-size 8 --dcache-alignment 128
	[ "$status" -eq 0 ]
	[[ "$output" == *'"tx":{"region_off":18446744071562067968,"region_size":65536,'* ]]
	[[ "$output" == *'"is_initiator":1}' ]]
}

@test "layout notes blocks that hold no more than a header" {
	run "$ctl" layout --tx 0:628 --rx 4k:4k --tx-blocks 17 --rx-blocks 16 --word-size 8
	[ "$status" -eq 0 ]
	[[ "$output" == *"Note: a tx block of 8 bytes holds no more than its header of 8 bytes"* ]]
}

@test "layout names what is missing, wrong or impossible" {
	run "$ctl" layout --tx 0:1k --tx-blocks 1 --rx-blocks 1
	[ "$status" -eq 2 ]
	[[ "$output" == *"--rx BASE:SIZE is missing"* ]]
	run "$ctl" layout --tx 0:1k --rx 1024 --tx-blocks 1 --rx-blocks 1
	[ "$status" -eq 2 ]
	[[ "$output" == *"'1024' is not of the form BASE:SIZE"* ]]
	run "$ctl" layout --tx 0:1k --rx 1k:1k --tx-blocks 257 --rx-blocks 1
	[ "$status" -eq 2 ]
	[[ "$output" == *'--tx-blocks: "257" is not a number from 1 to 256'* ]]
	run "$ctl" layout --tx 0:1k --rx 1k:1k --tx-blocks 255 --rx-blocks 256
	[ "$status" -eq 1 ]
	[[ "$output" == *"region of 1024 usable bytes is too small"* ]]
	[[ "$output" == *"255 + 256 blocks"* ]]
	run "$ctl" layout --tx 0:1k --rx 512:1k --tx-blocks 1 --rx-blocks 1
	[ "$status" -eq 1 ]
	[[ "$output" == *overlaps* ]]
}

@test "layout of a configuration file is the layout of its numbers" {
	config unused
	run "$ctl" layout --json --direct "$BATS_TEST_TMPDIR/one.conf:one"
	[ "$status" -eq 0 ]
	expected=$("$ctl" layout --json --tx 0x20070000:2048 --rx 0x20070800:2048 \
		--tx-blocks 16 --rx-blocks 32)
	[ "$output" = "$expected" ]
	run "$ctl" layout --direct "$BATS_TEST_TMPDIR/one.conf" --tx 0:1k
	[ "$status" -eq 2 ]
	run "$ctl" layout --direct "$BATS_TEST_TMPDIR/absent.conf"
	[ "$status" -eq 1 ]
	[[ "$output" == *absent.conf* ]]
}

@test "inspect reads an object it may not write, and leaves it as it is" {
	name=icbmsg-ctl-test-$$
	config "$name"
	head -c 4096 /dev/zero >"/dev/shm/$name"
	chmod 0400 "/dev/shm/$name"
	run "$ctl" inspect "$BATS_TEST_TMPDIR/one.conf"
	sum=$(cksum <"/dev/shm/$name")
	rm -f "/dev/shm/$name"
	[ "$status" -eq 0 ]
	[[ "$output" == *"no side has announced itself"* ]]
	[[ "$output" == *"role of this side: follower"* ]]
	[ "$sum" = "$(head -c 4096 /dev/zero | cksum)" ]
}

@test "inspect of memory that does not exist says what to do, and creates nothing" {
	name=icbmsg-ctl-none-$$
	config "$name"
	run "$ctl" inspect "$BATS_TEST_TMPDIR/one.conf:one"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$name does not exist; start a program"* ]]
	[ ! -e "/dev/shm/$name" ]
	run "$ctl" inspect
	[ "$status" -eq 2 ]
	[[ "$output" == *"FILE[:INSTANCE] is missing"* ]]
}

@test "inspect shows what two programs said to each other, while one is still there" {
	name=icbmsg-ctl-live-$$
	config "$name"
	sed -e 's/instance one/instance two/' -e 's/tx-/xx-/; s/rx-/tx-/; s/xx-/rx-/' \
		"$BATS_TEST_TMPDIR/one.conf" >"$BATS_TEST_TMPDIR/two.conf"
	"$ICBMSG_BIN_DIR/icbmsg-cat" --direct "$BATS_TEST_TMPDIR/one.conf" -u chat \
		>/dev/null 2>&1 3>&- &
	pid=$!
	run "$ICBMSG_BIN_DIR/icbmsg-cat" --direct "$BATS_TEST_TMPDIR/two.conf" -U -m hello chat
	sent=$status
	run "$ICBMSG_BIN_DIR/icbmsg-cat" --direct "$BATS_TEST_TMPDIR/one.conf" -u other
	[ "$status" -eq 1 ]
	[[ "$output" == *"another program has this side of the link open"* ]]
	run "$ctl" inspect --dump "$BATS_TEST_TMPDIR/one.conf"
	kill "$pid"
	rm -f "/dev/shm/$name"
	[ "$sent" -eq 0 ]
	[ "$status" -eq 0 ]
	[[ "$output" == *"both sides have been there and have read each other"* ]]
	[[ "$output" == *"DATA endpoint 0 block "*": 5 bytes"* ]]
	[[ "$output" == *" 68 65 6c 6c 6f "*" hello"* ]]
	[[ "$output" =~ endpoints\ seen$'\n'\ +0\ +.*bound ]]
}

@test "inspect shows the flight recorder of a side that was killed" {
	name=icbmsg-ctl-flight-$$
	config "$name"
	echo "state-file = $BATS_TEST_TMPDIR/one.state" >>"$BATS_TEST_TMPDIR/one.conf"
	sed -e 's/instance one/instance two/; /state-file/d' \
		-e 's/tx-/xx-/; s/rx-/tx-/; s/xx-/rx-/' \
		"$BATS_TEST_TMPDIR/one.conf" >"$BATS_TEST_TMPDIR/two.conf"
	run "$ctl" inspect "$BATS_TEST_TMPDIR/one.conf"
	[[ "$output" == *"shm:/$name does not exist"* ]]
	"$ICBMSG_BIN_DIR/icbmsg-cat" --direct "$BATS_TEST_TMPDIR/one.conf" -u chat \
		>/dev/null 2>&1 3>&- &
	pid=$!
	run "$ICBMSG_BIN_DIR/icbmsg-cat" --direct "$BATS_TEST_TMPDIR/two.conf" -U -m hello chat
	sent=$status
	# One process at a time.
	run "$ICBMSG_BIN_DIR/icbmsg-cat" --direct "$BATS_TEST_TMPDIR/one.conf" -u other
	second=$status
	[[ "$output" == *"one.state"*"another process has this instance open"* ]]
	open=$("$ctl" counters "$BATS_TEST_TMPDIR/one.conf")
	kill -9 "$pid"
	wait "$pid" || true
	run "$ctl" inspect "$BATS_TEST_TMPDIR/one.conf"
	json=$("$ctl" inspect --json "$BATS_TEST_TMPDIR/one.conf")
	rm -f "/dev/shm/$name"
	[ "$sent" -eq 0 ]
	[ "$second" -eq 1 ]
	[[ "$open" == "this side: open, up, follower, session 1"* ]]
	[[ "$output" == *"this side: not open; when it was last, up, follower, session 1"* ]]
	[[ "$output" =~ \ \ 0\ \ bound\ +0\ +0\ +0\ +1\ +5\ \ chat ]]
	[[ "$output" == *"counters that are not 0"*"rx_messages "*" 1  messages delivered"* ]]
	[[ "$json" == *'"status":{"link":{"state":"up","open":false,'* ]]
	[[ "$json" == *'"name":"chat","endpoint":0,"state":"bound",'*'"rx_messages":1,"rx_bytes":5}'* ]]
	[[ "$json" == *'"counters":{"opens":1,'*'"rx_messages":1,'* ]]
	# The shared memory is gone; what the side knew is not.
	[[ "$("$ctl" counters "$BATS_TEST_TMPDIR/one.conf")" == *" chat"*"rx_bytes "*" 5 "* ]]
	[[ "$("$ctl" records "$BATS_TEST_TMPDIR/one.conf:one")" == "flight recorder: "*"link up"* ]]
	[[ "$("$ctl" records --json "$BATS_TEST_TMPDIR/one.conf")" == '[{"number":1,'*'"event":"link up"'* ]]
	[ "$status" -eq 0 ]
	[[ "$output" == *"flight recorder: "*"announced ourselves"*"link up"*" BOUND endpoint 0 "* ]]
	[[ "$output" == *"DATA endpoint 0 block "*"RELEASE_DATA endpoint 0 block "* ]]
	[[ "$json" == *'"records":[{"number":1,'*'"event":"link up"'* ]]
}

@test "counters and records say what they lack" {
	config unused
	for command in counters records; do
		run "$ctl" "$command" "$BATS_TEST_TMPDIR/one.conf"
		[ "$status" -eq 1 ]
		[[ "$output" == *"state-file: missing; flight recorder, counters and endpoints are kept"* ]]
		run "$ctl" "$command"
		[ "$status" -eq 2 ]
		[[ "$output" == *"$command: FILE[:INSTANCE] is missing"* ]]
	done
	echo "state-file = $BATS_TEST_TMPDIR/absent" >>"$BATS_TEST_TMPDIR/one.conf"
	run "$ctl" counters "$BATS_TEST_TMPDIR/one.conf"
	[ "$status" -eq 1 ]
	[[ "$output" == *"state-file $BATS_TEST_TMPDIR/absent: No such file"* ]]
	[ ! -e "$BATS_TEST_TMPDIR/absent" ]
	run "$ctl" records --list "$BATS_TEST_TMPDIR/one.conf"
	[ "$status" -eq 2 ]
	run "$ctl" counters --list "$BATS_TEST_TMPDIR/one.conf"
	[ "$status" -eq 2 ]
}

@test "counters --list names what is counted" {
	run "$ctl" counters --list
	[ "$status" -eq 0 ]
	[[ "$output" == *"tx_blocks_peak "*" peak "*" blocks "* ]]
	count=${#lines[@]}
	[ "$count" -gt 40 ]
	run "$ctl" counters --list --json
	[ "$status" -eq 0 ]
	[ "$(grep -o '"name":' <<<"$output" | wc -l)" -eq "$count" ]
}
