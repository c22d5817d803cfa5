#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Ten minutes of corrupted memory per role, two hundred short transfers over such, and large files while
# everything goes wrong that may. Meant for a build with sanitizers:
#
#	cmake --build --preset asan && ctest --preset asan -C soak -R soak-faults -V

setup_file() {
	export A=$BATS_FILE_TMPDIR/a B=$BATS_FILE_TMPDIR/b
	head -c 20000003 /dev/urandom >"$A"
	head -c 30000001 /dev/urandom >"$B"
}

setup() {
	sim=$ICBMSG_BIN_DIR/icbmsg-sim
	out=$BATS_TEST_TMPDIR/out
}

# corrupted OPTION...: what is told goes to the log.
corrupted() {
	"$sim" restart-loop --corrupt --duration "${DURATION:-10m}" "$@" >"$BATS_TEST_TMPDIR/log"
	sed 's/^/# /' "$BATS_TEST_TMPDIR/log" >&3
	grep -q 'after the corruption the link came back' "$BATS_TEST_TMPDIR/log"
}

@test "ten minutes of corruption, libicbmsg announces" {
	corrupted --corrupt=1000 --endpoints 3
}

@test "ten minutes of corruption, the firmware announces, doorbells lost and cores stopped" {
	corrupted --corrupt=20000 --endpoints 3 --initiator B --word-size 8 --dcache-alignment 64 \
		--drop-doorbells 10 --delay-doorbells 1ms --stall 1ms:1
}

@test "two hundred transfers over corrupted memory" {
	head -c 200000 "$A" >"$BATS_TEST_TMPDIR/a"
	for seed in $(seq "${TRANSFERS:-200}"); do
		initiator=A
		[ $((seed % 2)) -eq 0 ] || initiator=B
		"$sim" transfer --a-to-b "$BATS_TEST_TMPDIR/a" --b-to-a "$BATS_TEST_TMPDIR/a" \
			--out "$out" --quiet --corrupt=20000 --duration 100ms --seed "$seed" \
			--initiator $initiator
	done
}

@test "large files while doorbells are lost, late and merge, and cores stop" {
	for initiator in A B; do
		for both in '' --both-lib; do
			# shellcheck disable=SC2086 # an option or none
			"$sim" transfer --a-to-b "$A" --b-to-a "$B" --out "$out" --quiet $both \
				--initiator $initiator --drop-doorbells 20 --delay-doorbells 5ms \
				--merge-doorbells --stall 20ms:2
			cmp "$A" "$out/a-to-b-a"
			cmp "$B" "$out/b-to-a-b"
		done
	done
}
