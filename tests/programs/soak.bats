#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What takes too long for every run (./dev soak): files of 100 MB and more, each way, over 8
# endpoints, for all word sizes and alignments that hardware has, also with lost doorbells.

setup_file() {
	export A=$BATS_FILE_TMPDIR/a B=$BATS_FILE_TMPDIR/b
	head -c 104857601 /dev/urandom >"$A"
	head -c 110000003 /dev/urandom >"$B"
}

# matrix OPTION...
matrix() {
	local out=$BATS_TEST_TMPDIR/out
	for word in 4 8; do
		for alignment in 4 32 64 128; do
			echo "--word-size $word --dcache-alignment $alignment $*"
			"$ICBMSG_BIN_DIR/icbmsg-sim" transfer --a-to-b "$A" --b-to-a "$B" \
				--out "$out" --endpoints 8 --word-size $word \
				--dcache-alignment $alignment "$@"
			cmp "$A" "$out/a-to-b-a"
			cmp "$B" "$out/b-to-a-b"
		done
	done
}

@test "100 MB each way" {
	matrix
}

@test "100 MB each way, the firmware initiates" {
	matrix --initiator B
}

@test "100 MB each way, a fifth of all doorbells lost" {
	matrix --drop-doorbells 20
}

@test "100 MB each way, a fifth of all doorbells lost, the firmware initiates" {
	matrix --drop-doorbells 20 --initiator B
}

@test "100 MB each way, libicbmsg on both sides" {
	matrix --both-lib
	matrix --both-lib --drop-doorbells 20 --initiator B
}
