#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Files with icbmsg-cat --send and --recv. The near end has a link of its own, or with
# TRANSFER_NEAR=daemon goes through icbmsgd; the far end is another icbmsg-cat, or the firmware of
# icbmsg-sim. With TRANSFER_IO=plain all ends read and write by plain calls.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup_file() {
	export file=$BATS_FILE_TMPDIR/file
	# No whole number of messages or blocks.
	head -c 20000001 /dev/urandom >"$file"
}

setup() {
	load ../daemon/daemon.bash
	common_setup
	uring=$ICBMSG_BUILD_DIR/tests/uring
	plain=()
	[ "${TRANSFER_IO-}" != plain ] || plain=(--no-io-uring)
	declare -gA started=()
}

teardown() {
	for process in "${started[@]}"; do
		kill -KILL "$process" 2>/dev/null || true
	done
	common_teardown
}

# link TX RX LINE...: one side's description of the link; both sides use libicbmsg.
link() {
	printf '%s\n' "[instance net]" "memory = shm:$shm" "doorbell = poll:200us" \
		"tx-region = $1 256k" "rx-region = $2 256k" "tx-blocks = 24" "rx-blocks = 24" \
		"peer = libicbmsg" "${@:3}"
}

# ends LINE...: descriptions of both, and the daemon if there is to be one.
ends() {
	link 0 256k "$@" >link.conf
	link 256k 0 "$@" >far.conf
	serve
}

serve() {
	[ "${TRANSFER_NEAR-}" = daemon ] || return 0
	config "[endpoint net/file]" "policy = block" "on-unbound = ${unbound-keep}"
	start_daemon
}

# cat_command END OPTION...: sets $command.
cat_command() {
	local link=(--direct far.conf)
	[ "$1" = far ] || link=(--direct link.conf)
	[[ $1 = far || ${TRANSFER_NEAR-} != daemon ]] || link=(--socket run)
	command=("$bin/icbmsg-cat" "${link[@]}" "${plain[@]}" "${@:2}" file)
}

near() {
	cat_command near "$@"
	"${command[@]}"
}

far() {
	cat_command far "$@"
	"${command[@]}"
}

# accepted: by the daemon; who is not gets nothing.
accepted() {
	[ "${TRANSFER_NEAR-}" != daemon ] || python3 -c 'from sockets import *
until(lambda: limit("max-clients")["used"] == 1, "to be accepted")'
}

# start END OPTION...: in the background, as started[END]; what it says goes to END.said.
start() {
	local end=$1
	shift
	: >"$end.said"
	cat_command "$end" --banner "$@"
	"${command[@]}" 2>"$end.said" 3>&- 5<&- &
	started[$end]=$!
	said "$end" 'ready file'
	[ "$end" = far ] || accepted
}

# said END TEXT: wait until it has, or has ended.
said() {
	local more=true
	until grep -q "$2" "$1.said"; do
		"$more"
		kill -0 "${started[$1]}" 2>/dev/null || more=false
	done
}

# ended END STATUS: it does, with it.
ended() {
	local status=0
	wait "${started[$1]}" || status=$?
	unset "started[$1]"
	cat ./*.said
	[ "$status" -eq "$2" ]
}

# interrupted END: it would go on receiving, or has seen that the other end is closed.
interrupted() {
	local status=0
	kill -TERM "${started[$1]}" || true
	wait "${started[$1]}" || status=$?
	unset "started[$1]"
	[[ $status = 143 || $status = 4 ]]
}

# grown FILE BYTES: wait until it has as many.
grown() {
	until [ -e "$1" ] && [ "$(stat -c %s "$1")" -ge "$2" ]; do
		kill -0 "${started[@]}"
	done
}

# beginning FILE: what there is of it is the beginning of what was sent.
beginning() {
	local size
	size=$(stat -c %s "$1")
	echo "$1 has $size bytes"
	cmp -n "$size" "$1" "$file"
}

@test "a file there and back, through io_uring wherever there is one" {
	ends
	start far --recv there --bytes 20000001
	run -0 near --send "$file" -v
	echo "$output"
	if [ "${TRANSFER_IO-}" = plain ]; then
		[[ $output = *'files: plain calls, '*' operations'* ]]
	elif "$uring" probe; then
		[[ $output = *'files: io_uring, '*' operations in '* ]]
	else
		[[ $output = *'files: plain calls, '*'no io_uring: '* ]]
	fi
	ended far 0
	cmp there "$file"
	start near --recv back --bytes 20000001 --keep
	far --send "$file"
	ended near 0
	cmp back "$file"
}

@test "sizes of messages: one block, and the largest" {
	ends
	for size in 1k 200k; do
		start far --recv there --bytes 3000000
		near --send "$file" --bytes 3000000 --size "$size"
		ended far 0
		cmp -n 3000000 there "$file"
		[ "$(stat -c %s there)" -eq 3000000 ]
	done
	run -1 near --send "$file" --size 1M
	[[ $output = *'--size: the largest message of this link is '* ]]
}

@test "memory that needs aligned accesses" {
	ends "memory-type = device"
	start far --recv there --bytes 3000000
	near --send "$file" --bytes 3000000
	ended far 0
	cmp -n 3000000 there "$file"
	start near --recv back --bytes 3000000 --keep
	far --send "$file" --bytes 3000000
	ended near 0
	cmp -n 3000000 back "$file"
}

@test "pipes, and standard output behind what is there" {
	ends
	echo before >there
	start far --recv - --bytes 5000000 >>there
	# Many short reads.
	head -c 5000000 "$file" | dd bs=700 status=none | near --send -
	ended far 0
	cmp there <(echo before; head -c 5000000 "$file")
	start near --recv - --bytes 5000000 --keep 3>&- > >(dd bs=700 status=none >back)
	far --send "$file" --bytes 5000000
	ended near 0
	grown_to=$(stat -c %s back)
	until [ "$grown_to" -eq 5000000 ]; do
		grown_to=$(stat -c %s back)
	done
	cmp -n 5000000 back "$file"
}

@test "a pipe that ends early, a FIFO that is written late" {
	ends
	mkfifo fifo
	start far --recv there --bytes 100000
	head -c 60000 "$file" >fifo 3>&- &
	run -1 near --send fifo --bytes 100000
	[[ $output = *'fifo has ended early, at byte 60000 of 100000'* ]]
	grown there 60000
	interrupted far
	grep -q 'there has 60000 bytes that are good; --offset 60000 would go on' far.said
	cmp -n 60000 there "$file"
}

@test "a file that becomes shorter, and one that grows, while it is sent" {
	ends
	head -c 300000 "$file" >short
	start near --send short
	truncate -s 200000 short
	start far --recv there --bytes 300000
	said near 'short has ended early, at byte 200000 of 300000'
	until [ "$(stat -c %s there)" -eq 200000 ]; do :; done
	interrupted far
	ended near 1
	[ "$(stat -c %s there)" -eq 200000 ]
	cmp -n 200000 there "$file"
	head -c 300000 "$file" >long
	start near --send long
	tail -c +300001 "$file" | head -c 200000 >>long
	start far --recv there
	ended near 0
	grown there 300000
	interrupted far
	[ "$(stat -c %s there)" -eq 300000 ]
}

@test "no space: what is there is good, and said to be" {
	ends
	start near --recv /dev/full
	run far --send "$file" --bytes 5000
	ended near 1
	grep -q '/dev/full: cannot write at byte 0: No space left on device' near.said
	# A short write, and then none. Standard error is a pipe: it is not to be limited.
	mkfifo near.pipe
	cat near.pipe >near.said 3>&- 5<&- &
	listener=$!
	cat_command near --recv part --keep
	(
		trap '' XFSZ
		ulimit -f 1000
		exec "${command[@]}"
	) 2>near.pipe 3>&- 5<&- &
	started[near]=$!
	accepted
	run far --send "$file"
	wait "$listener"
	ended near 1
	[ "$(stat -c %s part)" -eq 1024000 ]
	beginning part
	grep -q 'part: cannot write at byte 1024000: File too large' near.said
	grep -q 'part has 1024000 bytes that are good' near.said
}

@test "an input that cannot be read" {
	ends
	start far --recv there
	run -1 near --send /proc/self/mem
	[[ $output = *'/proc/self/mem: cannot read at byte 0: Input/output error'* ]]
	run -1 near --send .
	[[ $output = *'. is a directory, not a file to send'* ]]
	run -1 near --send missing
	[[ $output = *'missing: No such file or directory'* ]]
	run -1 near --send "$file" --bytes 1G
	[[ $output = *"--bytes: $file has 20000001 bytes to send only"* ]]
	run -1 near --send "$file" --offset 1G
	[[ $output = *"--offset: $file has 20000001 bytes only"* ]]
	run -1 near --send - --offset 1 < <(echo)
	[[ $output = *'--offset: standard input is no file that could be begun elsewhere'* ]]
	run -1 near --recv new --offset 1
	[[ $output = *'--offset: new has 0 bytes only'* ]]
	cp "$file" same
	run -1 near --send same --recv same
	[[ $output = *'same cannot be both sent and received into'* ]]
	cmp same "$file"
}

@test "the receiver is killed in the middle, and both go on from there" {
	unbound=close
	ends
	start near --send "$file" --size 4k --rate 2000
	start far --recv there
	grown there 3000000
	kill -KILL "${started[far]}"
	ended far 137
	beginning there
	at=$(stat -c %s there)
	[ "$at" -lt 20000001 ]
	start far --recv there --offset "$at" --bytes $((20000001 - at)) --keep
	ended near 4
	grep -q 'was sent up to byte [0-9]*; how much has arrived is known to the receiver' near.said
	near --send "$file" --offset "$at"
	ended far 0
	cmp there "$file"
}

@test "the sender is killed in the middle: the receiver has the beginning, and status 4" {
	unbound=close
	ends
	start near --recv there --bytes 20000001
	start far --send "$file" --size 4k --rate 2000
	grown there 3000000
	kill -KILL "${started[far]}"
	ended far 137
	# It is noticed when the next one announces itself.
	start far --send "$file"
	ended near 4
	beginning there
	grep -q 'there has [0-9]* bytes that are good; --offset' near.said
	[ "$(stat -c %s there)" -lt 20000001 ]
}

@test "the firmware restarts in the middle" {
	unbound=close
	start_core --endpoint file --mode echo
	serve
	for n in 1 2 3 4; do
		start near --send "$file" --recv there --bytes 20000001 --size $((200 + n * 100)) \
			--rate 20000
		grown there $((n * 300000))
		restart_core
		ended near 4
		beginning there
		[ "$(stat -c %s there)" -lt 20000001 ]
		# Firmware does not notice that another program has the link now.
		restart_core
	done
	near --send "$file" --recv there --bytes 20000001
	cmp there "$file"
}

@test "a signal in the middle: status 128 + n, and what is there is good" {
	ends
	start near --send "$file" --size 4k --rate 2000
	start far --recv there --bytes 20000001
	grown there 1000000
	kill -TERM "${started[far]}"
	ended far 143
	beginning there
}

@test "idle before --bytes: status 5" {
	ends
	mkfifo fifo
	exec 6<>fifo
	start near --recv there --bytes 5001 -T 500ms
	start far --send fifo --size 1000
	head -c 5000 "$file" >&6
	ended near 5
	exec 6>&-
	grep -q 'no message for --idle-timeout, and --bytes was not reached' near.said
	cmp -n 5000 there "$file"
	[ "$(stat -c %s there)" -eq 5000 ]
}

@test "a message beyond --bytes is an error, and its beginning is written" {
	ends
	start near --recv there --bytes 1500
	run far --send "$file" --bytes 2000 --size 1000
	ended near 1
	grep -q 'a message goes beyond --bytes; its last 500 bytes are not written' near.said
	[ "$(stat -c %s there)" -eq 1500 ]
	beginning there
}

@test "an answer to a message, into a file" {
	start_core --endpoint file --mode echo
	serve
	near -m 'the answer' --recv there --count 1
	[ "$(<there)" = 'the answer' ]
}

@test "where io_uring is forbidden plain calls do the same, and it is said" {
	[ "${TRANSFER_IO-}" != plain ] || skip "they do anyway"
	ends
	start far --recv there --bytes 3000000
	cat_command near -v --send "$file" --bytes 3000000
	run -0 "$uring" forbid "${command[@]}"
	[[ $output = *'files: plain calls, '*'no io_uring: not permitted (sysctl'* ]]
	ended far 0
	cmp -n 3000000 there "$file"
}

@test "progress has the time that is left, in both directions" {
	command -v script >/dev/null || skip "no script(1) to make a terminal"
	ends
	cat_command near -p --recv there --bytes 4000000
	script -qec "$(printf '%q ' "${command[@]}")" terminal >/dev/null 3>&- 5<&- &
	started[near]=$!
	accepted
	start far --send "$file" --size 4k --rate 400 --bytes 4000000
	ended near 0
	ended far 0
	grep -qE 'received [0-9]+ messages, [0-9.]+ [KM]iB, [^,]*/s, [0-9]+ %, [0-9]+:[0-9]+ left' terminal
	run ! grep -q sent terminal
}

# usage TEXT OPTION...: exit status 2, and TEXT.
usage() {
	run -2 "$bin/icbmsg-cat" -d far.conf "${@:2}" file
	echo "$output"
	[[ $output = "icbmsg-cat: "*"$1"* ]]
}

@test "contradictions are usage errors" {
	usage '--send does not go with' --send x -m y
	usage '--send does not go with' --send x --file y
	usage '--send does not go with' --send x -i raw
	usage '--send does not go with' --send x -u
	usage '--no-block would leave holes' --send x --no-block
	usage '--recv does not go with -U' --recv x -U
	usage '--recv writes the bytes and nothing else' --recv x -f hex
	usage '--recv writes the bytes and nothing else' --recv x -t a
	usage 'are about the files of --send and --recv' --bytes 5
	usage 'are about the files of --send and --recv' --offset 0
	usage 'are about the files of --send and --recv' --no-io-uring
	usage "--bytes: 'x' is not a size" --recv x --bytes x
}
