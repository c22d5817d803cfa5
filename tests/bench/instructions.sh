#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# instructions.sh PROGRAM COMPILER RECORD [record]: how many instructions a send, a receive and a
# release of 16 bytes take, against what RECORD says for COMPILER. More than a tenth above fails; with
# "record" RECORD is written instead. Exit status 77 where this cannot be counted.

set -eu

program=$1
compiler=$2
record=$3
mode=${4-compare}
count=1000
allowed=10 # per cent
again="RECORD=1 ctest --preset PRESET -R bench-instructions (PRESET: release or clang)"

skip() {
	echo "skipped: $*"
	exit 77
}

[ -z "${ICBMSG_SANITIZE-}" ] || skip "instructions of sanitizers are not ours"
command -v valgrind >/dev/null || skip "no valgrind (Debian: apt-get install valgrind)"
[ -z "${RECORD-}" ] || mode=record

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Valgrind 3.19 gives up on clang's DWARF 5; names are enough.
objcopy --strip-debug "$program" "$folder/program"
valgrind --tool=callgrind --callgrind-out-file="$folder/out" "$folder/program" "$count" \
	>"$folder/log" 2>&1 || {
	cat "$folder/log" >&2
	exit 1
}
callgrind_annotate --inclusive=yes --threshold=100 --show-percs=no "$folder/out" >"$folder/text"

# per NAME: instructions of bench_NAME with all it calls, for each message.
per() {
	total=$(sed -n "s/^ *\([0-9,]*\) .*:bench_$1 .*/\1/p" "$folder/text" | head -n 1 | tr -d ,)
	[ -n "$total" ] || {
		echo "instructions.sh: callgrind has not seen bench_$1" >&2
		exit 1
	}
	echo $((total / count))
}

send=$(per send)
receive=$(per receive)
release=$(per release)
echo "$compiler: $send instructions per send, $receive per receive, $release per release"

if [ "$mode" = record ]; then
	{
		grep -v "^$compiler " "$record" || true
		echo "$compiler $send $receive $release"
	} >"$folder/new"
	cat "$folder/new" >"$record"
	echo "recorded in $record"
	exit 0
fi

line=$(grep "^$compiler " "$record") || skip "$record has no numbers of $compiler; to record: $again"
status=0
compare() {
	if [ $(($2 * 100)) -gt $(($3 * (100 + allowed))) ]; then
		echo "$1: $2 instructions, recorded were $3: more than $allowed % growth." \
			"Find out why; if it is worth it, record anew: $again" >&2
		status=1
	elif [ $(($2 * (100 + allowed))) -lt $(($3 * 100)) ]; then
		echo "$1: $2 instructions, recorded were $3: fewer. Keep that: $again"
	fi
}
# shellcheck disable=SC2086 # words of a line
set -- $line
compare send "$send" "$2"
compare receive "$receive" "$3"
compare release "$release" "$4"
exit "$status"
