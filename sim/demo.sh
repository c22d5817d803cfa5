#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh BIN: what `./dev demo` shows, with the programs in folder BIN. Two cores chat, they send each
# other files, the same with doorbells that get lost, and then the daemon, with three programs on one
# link. Everything it makes lies in a folder of its own, which goes when it ends, as does all it starts.

set -eu

bin=$1
for program in icbmsg-sim icbmsg-cat icbmsgd icbmsgctl; do
	[ -x "$bin/$program" ] || {
		echo "demo: $bin/$program is missing; run ./dev build" >&2
		exit 1
	}
done

work=$(mktemp -d "${TMPDIR:-/tmp}/icbmsg-demo.XXXXXX")
# The path of a socket has to be short, and TMPDIR may be anywhere.
run=$(mktemp -d /tmp/icbmsg-demo.XXXXXX)
started=""

clean_up() {
	for pid in $started; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in $started; do
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work" "$run"
}

trap clean_up EXIT
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

# start NAME COMMAND...: in the background, up to the line of its --banner.
start() {
	name=$1
	shift
	mkfifo "$work/$name.banner"
	"$@" --banner >"$work/$name.banner" 2>"$work/$name.log" &
	started="$! $started"
	read -r line <"$work/$name.banner" || {
		cat "$work/$name.log" >&2
		fail "$name did not start"
	}
}

start_daemon() {
	start core "$bin/icbmsg-sim" echo --endpoint chat --endpoint numbers \
		--shm "icbmsg-demo-$$" --print-config "$work/link.conf"
	core=${started%% *}
	cat "$work/link.conf" - >"$work/icbmsgd.conf" <<-END
		[daemon]
		rundir = $run
		[endpoint echo/chat]
		on-unbound = keep
		[endpoint echo/numbers]
		on-unbound = keep
	END
	start icbmsgd "$bin/icbmsgd" -c "$work/icbmsgd.conf"
}

ask() {
	"$bin/icbmsgctl" "$@" --socket "$run/control"
}

# The three programs; each takes messages from standard input and prints what comes.
program_one() {
	exec "$bin/icbmsg-cat" --socket "$run" --keep --raw echo:chat
}

program_two() {
	exec socat -b 65536 - "UNIX-CONNECT:$run/echo/chat,type=5"
}

# Numbers go out and are checked when they come back, until its standard input ends.
program_three() {
	exec python3 -c '
import select, socket, sys
numbers = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
numbers.connect(sys.argv[1])
n = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    numbers.send(b"%d" % n)
    assert numbers.recv(100) == b"%d" % n
    n += 1
print("%d numbers back, in order" % n)
' "$run/echo/numbers"
}

# connect WHO LABEL PROGRAM: its standard input is what goes to the pipe WHO, its output is shown.
connect() {
	mkfifo "$work/$1" "$work/$1.out"
	: >"$work/$1.got"
	"$3" <"$work/$1" >"$work/$1.out" 2>"$work/$1.log" &
	started="$! $started"
	# Shown, and kept for who waits for it.
	while read -r line; do
		printf '  %-10s gets   %s\n' "$2" "$line"
		echo "$line" >>"$work/$1.got"
	done <"$work/$1.out" &
	printer=$!
	started="$printer $started"
}

# wait_until COMMAND...: programs come to something within moments, or something is wrong.
wait_until() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "waited in vain for: $*"
		sleep 0.05
	done
}

clients_are() {
	[ "$(ask clients --json | grep -o '"pid"' | wc -l)" -eq "$1" ]
}

bound_again() {
	ask list --json | tr -d ' ' >"$work/list"
	grep -q '"restarts":1' "$work/list" && ! grep -q '"bound":false' "$work/list"
}

has() {
	grep -qxF "$2" "$work/$1.got"
}

# tell DESCRIPTOR LABEL LINE: both programs on the endpoint get what comes back.
tell() {
	printf '  %-10s sends  %s\n' "$2" "$3"
	echo "$3" >&"$1"
	wait_until has one "$3"
	wait_until has two "$3"
	sleep $pace
}

share() {
	start_daemon
	connect one "$1" program_one
	connect two socat program_two
	connect three Python program_three
	numbers=$printer
	exec 7<>"$work/one" 8<>"$work/two" 9<>"$work/three" # >: would wait, and not for signals
	wait_until clients_are 3
	ask list
	echo
	tell 7 "$1" "Who else is here?"
	tell 8 socat "Me. And somebody counts, on an endpoint of its own."
	exec 9>&-
	wait "$numbers"
	[ -s "$work/three.got" ] || {
		cat "$work/three.log" >&2
		fail "the numbers did not come back"
	}
	printf '\n  The core reboots; everybody stays connected.\n\n'
	kill -USR1 "$core"
	wait_until bound_again
	tell 7 "$1" "Did you notice?"
	tell 8 socat "Notice what?"
	exec 7>&- 8>&-
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

title "5. Three programs share one link through the daemon, icbmsgd"
share icbmsg-cat

title "All done: two chats answered, four files received byte for byte, one link shared."
