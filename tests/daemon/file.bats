#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Files through icbmsgd, to a far side and back, intact and without the daemon growing. FILE_SIZE is
# their size in MB, 32 unless said otherwise (`ctest -C soak` says 1024).
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup_file() {
	export file_mb=${FILE_SIZE:-32} file=$BATS_FILE_TMPDIR/file
	head -c "${file_mb}M" /dev/urandom >"$file"
	sha256sum <"$file" >"$file.sum"
}

setup() {
	load daemon.bash
	common_setup
}

teardown() {
	common_teardown
}

# Most messages are not a whole number of blocks, and the last of the file is shorter.
size=30011

# link TX RX: one side's description of the link; both sides use libicbmsg.
link() {
	printf '%s\n' "[instance net]" "memory = shm:$shm" "doorbell = poll:200us" \
		"tx-region = $1 64k" "rx-region = $2 64k" "tx-blocks = 24" "rx-blocks = 24" \
		"peer = libicbmsg"
}

# far OPTION...: icbmsg-cat as the far side.
far() {
	"$bin/icbmsg-cat" --direct far.conf --raw --quiet "$@" file
}

# near OPTION...: icbmsg-cat through the daemon.
near() {
	"$bin/icbmsg-cat" --socket run --raw --quiet "$@" net:file
}

# Connected is not accepted yet, and who is not gets nothing.
accepted() {
	python3 -c 'from sockets import *
until(lambda: limit("max-clients")["used"] == 1, "the receiver")'
}

# did_not_grow: the most memory the daemon ever had, which is the same whatever the file's size; some
# 3 MB. Sanitizers keep what is freed for a while, so nothing can be said of them.
did_not_grow() {
	local peak
	peak=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$daemon/status")
	echo "# icbmsgd: ${file_mb} MB through it, at most $peak kB resident" >&3
	[ -n "$ICBMSG_SANITIZE" ] || [ "$peak" -lt 8000 ]
}

@test "a file from icbmsg-cat to icbmsg-cat at the far side, and back" {
	local count=$(((file_mb * 1048576 + size - 1) / size)) receiver
	link 0 64k >link.conf
	link 64k 0 >far.conf
	config "[endpoint net/file]" "policy = block" "on-unbound = keep"
	start_daemon
	far --receive-only --count "$count" 3>&- | sha256sum >there &
	receiver=$!
	near --send-only --file "$file" --input raw --size "$size"
	wait "$receiver"
	cmp there "$file.sum"
	near --receive-only --keep --count "$count" 3>&- | sha256sum >back &
	receiver=$!
	accepted
	far --send-only --file "$file" --input raw --size "$size"
	wait "$receiver"
	cmp back "$file.sum"
	did_not_grow
}

@test "a file to firmware that echoes, both ways at once" {
	start_core --endpoint file
	config "[endpoint net/file]" "policy = block"
	start_daemon
	python3 "$ICBMSG_SOURCE_DIR/tests/daemon/file.py" run/net/file "$file" "$size"
	did_not_grow
}
