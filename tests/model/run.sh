#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [quick]: verifies the models with spin, as TAP. Models as they should be must pass; each
# with a seeded mistake must fail, or the model would prove nothing. `quick` is for the test suite.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
quick=${1-}
optimise=-O2
[ "$quick" != quick ] || optimise=-O0 # most of the time is the compiler's
command -v spin >/dev/null || {
	echo "1..0 # skip spin is not installed (Debian: apt-get install spin)"
	exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

count=0 failed=0

# verify EXPECT KIND MODEL TITLE [DEFINE...]: EXPECT is pass or fail; KIND is state (assertions and
# deadlocks) or cycle (livelocks).
verify() {
	expect=$1 kind=$2 model=$3 title=$4
	shift 4
	count=$((count + 1))
	rm -f pan* ./*.trail
	spin -a "$@" "$here/$model.pml" >/dev/null
	case $kind in
	cycle) compile=-DNP run=-l ;;
	*) compile=-DSAFETY run= ;;
	esac
	# The session model finds its deadlocks itself, by `timeout`.
	[ "$model" = elision ] || run="$run -E"
	# shellcheck disable=SC2086 # a list of options
	"${CC:-gcc}" $optimise -w "$compile" -DVECTORSZ=512 -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c
	# shellcheck disable=SC2086 # a list of options
	./pan -m2000000 $run >out 2>&1 || true
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' out)
	verdict=incomplete
	if grep -q 'errors: 0$' out && ! grep -q 'Search not completed\|max search depth' out; then
		verdict=pass
	elif grep -q '^pan:1: \(assertion\|invalid end\|non-progress\)' out; then
		verdict=fail
	fi
	if [ "$verdict" = "$expect" ]; then
		echo "ok $count - $title ($states states)"
	else
		failed=1
		echo "not ok $count - $title: verdict $verdict, should be $expect ($states states)"
		sed 's/^/# /' out
	fi
}

verify pass state elision 'elided doorbells: with fences and the second look none is missed'
verify pass state elision 'elided doorbells: the timed look makes up for lost ones' -DLOSSY -DRESCUE
verify fail state elision 'mistake found: no timed look, and doorbells are lost' -DLOSSY
verify fail state elision 'mistake found: no fence in the producer' -DNO_PRODUCER_FENCE
verify fail state elision 'mistake found: no fence in the consumer' -DNO_CONSUMER_FENCE
verify fail state elision 'mistake found: no second look before sleeping' -DNO_RECHECK

lib=-DPEER=0 zephyr=-DPEER=1 either=-DPEER=2
verify pass state session 'two libicbmsg ends, either restarts once' $lib -DKILLS_A=1 -DKILLS_B=1
verify pass state session 'Zephyr restarts twice' $zephyr -DKILLS_A=0 -DKILLS_B=2
verify pass state session 'the peer is of either kind, both restart once' $either
verify pass cycle session 'no livelock: two libicbmsg ends, one restarts' $lib -DKILLS_A=1 -DKILLS_B=0
verify fail state session 'mistake found: connected without the ping (5)' $zephyr -DKILLS_A=0 \
	-DKILLS_B=2 -DMISTAKE_PING
verify fail state session 'mistake found: laid out over a live session (2)' $zephyr -DKILLS_A=1 \
	-DKILLS_B=0 -DMISTAKE_HOLD
verify fail state session 'mistake found: old bytes left in the ring (3)' $zephyr -DKILLS_A=0 \
	-DKILLS_B=2 -DMISTAKE_ZERO
verify fail state session 'mistake found: rd not looked at before a packet is believed (6)' $zephyr \
	-DKILLS_A=0 -DKILLS_B=2 -DMISTAKE_LOOK
verify fail cycle session 'mistake found: a second magic taken for a restart (6)' $lib -DKILLS_A=1 \
	-DKILLS_B=0 -DMISTAKE_MAGIC
verify fail cycle session 'mistake found: an id believed without an acknowledgement (4)' $lib \
	-DKILLS_A=1 -DKILLS_B=0 -DMISTAKE_ACK
if [ "$quick" != quick ]; then
	verify pass state session 'two libicbmsg ends, three restarts' $lib -DKILLS_A=2 -DKILLS_B=1
	verify pass state session 'Zephyr and this side restart twice each' $zephyr -DKILLS_A=2 \
		-DKILLS_B=2
	verify pass cycle session 'no livelock: either kind, both restart once' $either
	verify fail state session 'mistake found: no new layout for a stuck reader (7)' $zephyr \
		-DKILLS_A=1 -DKILLS_B=2 -DMISTAKE_RELAY
	verify pass state session 'the kind changes twice between two of our steps' $either \
		-DKILLS_A=0 -DKILLS_B=2
	verify fail state session 'known limit: Zephyr stops between its stores of wr and rd' $zephyr \
		-DKILLS_A=0 -DKILLS_B=2 -DZ_SPLIT
	verify fail state session 'known limit: three ids wrap while one end stands still' $lib \
		-DKILLS_A=1 -DKILLS_B=2 -DIDS=3
fi
echo "1..$count"
exit $failed
