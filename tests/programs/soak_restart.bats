#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# 4,400 restarts of the firmware core (./dev soak): 200 in each of 22 configurations, with a table of
# how long they took.

# value KEY FILE: the first number of that name in a result object.
value() {
	sed -n 's/^ *"'"$1"'": *\([0-9.]*\),\{0,1\}$/\1/p;' "$2" | head -n 1
}

# row OPTION...: 200 restarts; a line of the table.
row() {
	local json=$BATS_TEST_TMPDIR/json
	"$ICBMSG_BIN_DIR/icbmsg-sim" restart-loop --count "${RESTARTS:-200}" --seed $((++seed)) \
		--json "$@" >"$json" || {
		echo "failed: $*" >&3
		return 1
	}
	[ "$(value back "$json")" -eq "${RESTARTS:-200}" ]
	printf '# back %s, p50 %s p99 %s max %s ms, %s messages, %s errors: %s\n' \
		"$(value back "$json")" "$(value median_ms "$json")" "$(value p99_ms "$json")" \
		"$(value max_ms "$json")" "$(value sent "$json")" \
		"$(value firmware_errors "$json")" "$*" >&3
}

# Rings of 316 bytes and of other lengths: some hide faults that others show.
small='--region-size 8k --tx-blocks 16 --rx-blocks 16'

@test "16 configurations: roles, word sizes, endpoints, doorbells lost" {
	seed=0
	for drop in 0 20; do
		for word in 4 8; do
			for initiator in A B; do
				for endpoints in 1 3; do
					# shellcheck disable=SC2086 # several options
					row $small --drop-doorbells $drop --rescue-interval 50ms \
						--word-size $word --initiator $initiator \
						--endpoints $endpoints
				done
			done
		done
	done
}

@test "4 configurations: other ring lengths" {
	seed=100
	for initiator in A B; do
		row --dcache-alignment 64 --initiator $initiator
		row --region-size 1k,3k --tx-blocks 3 --rx-blocks 7 --initiator $initiator
	done
}

@test "2 configurations: doorbells rung too early are forgotten" {
	seed=200
	for initiator in A B; do
		row --pending-doorbell no --initiator $initiator --rescue-interval 5ms
	done
}
