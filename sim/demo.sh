#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh BIN: what `./dev demo` shows, with the programs in folder BIN. Three parts: two cores chat,
# two cores send each other files, and the same with doorbells that get lost. Everything it makes lies
# in a folder of its own, which goes when it ends.

set -eu

bin=$1
for program in icbmsg-sim icbmsg-cat; do
	[ -x "$bin/$program" ] || {
		echo "demo: $bin/$program is missing; run ./dev build" >&2
		exit 1
	}
done

work=$(mktemp -d "${TMPDIR:-/tmp}/icbmsg-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold=""
plain=""
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$(printf '\033[1m')
	plain=$(printf '\033[0m')
fi

# A person wants to follow; a program does not wait that long.
if [ -t 1 ]; then pace=1; else pace=0.1; fi

title() {
	printf '\n%s%s%s\n\n' "$bold" "$*" "$plain"
	sleep $pace
}

fail() {
	echo "demo: $*" >&2
	exit 1
}

say_lines() {
	for line in "Hello, other core!" "Is this shared memory?" "Two rings and some blocks, yes."; do
		sleep $pace
		echo "  we say:      $line" >&3
		echo "$line"
	done
}

# chat NAME OPTION...: a core with libicbmsg sends lines, the firmware core sends them back.
chat() {
	name=$1
	shift
	{
		say_lines | "$bin/icbmsg-sim" echo --endpoint "$name" "$@" -- \
			"$bin/icbmsg-cat" --direct @CONFIG@ --banner --wait 10s --input line \
			-F '  it answers:  %p' --count 3 "$name" || touch "$work/failed"
	} 3>&1 | tee "$work/chat"
	[ ! -e "$work/failed" ] || fail "the chat ended with an error"
	[ "$(grep -c 'it answers: ' "$work/chat")" -eq 3 ] || fail "the chat lost a line"
}

# Files of tens of megabytes: real ones, the programs themselves, and generated ones.
make_files() {
	tar -cf "$work/programs.tar" -C "$bin/.." bin lib
	head -c 60000000 /dev/urandom >"$work/noise.bin"
	while [ "$(wc -c <"$work/programs.tar")" -lt 40000000 ]; do
		tar -cf "$work/more" -C "$work" programs.tar
		cat "$work/programs.tar" >>"$work/more"
		mv "$work/more" "$work/programs.tar"
	done
}

transfer() {
	"$bin/icbmsg-sim" transfer --a-to-b "$work/programs.tar" --b-to-a "$work/noise.bin" \
		--out "$work/received" --progress "$@" || fail "the transfer failed"
	for name in a-to-b-programs.tar b-to-a-noise.bin; do
		cmp "$work/${name#?-to-?-}" "$work/received/$name" || fail "$name differs"
	done
	rm -r "$work/received"
}

cat <<-'END'
	icbmsg brings Zephyr's ICBMSG to Linux. Here one core runs libicbmsg and the other a
	stand-in for Zephyr firmware; they share memory and two doorbells.
END

title "1. They bind an endpoint and chat (firmware for 32 bits; this side announces it)"
chat chat

title "2. The same with firmware for 64 bits, cache lines of 64 bytes, and the other role"
chat chat64 --word-size 8 --dcache-alignment 64 --initiator B

title "3. They send each other files over 8 endpoints at once, with and without copies"
make_files
transfer --region-size 32k

title "4. Again, with 20 % of all doorbells lost on the way"
transfer --region-size 32k --drop-doorbells 20 --seed 2

title "All done: two chats answered, four files received byte for byte."
