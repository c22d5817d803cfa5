# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# For the scripts of the guests. There is one daemon, whose link is the section [instance link] of
# link.conf, and one far side: a firmware core or icbmsg-cat with far.conf. Files are 10 MiB, sent
# in messages that are mostly no whole number of blocks, and compared by SHA-256.

megabytes=10
size=30011
count=$(((megabytes * 1048576 + size - 1) / size))

say() {
	echo "vm: $*"
}

# banner: wait on standard input for the line that says ready.
banner() {
	read -r line
	case $line in
	*ready*) ;;
	*)
		say "instead of a banner: $line"
		return 1
		;;
	esac
}

# random FILE
random() {
	head -c "$((megabytes * 1048576))" /dev/urandom >"$1"
}

digest() {
	sha256sum <"$1"
}

# link LINE..., far_link LINE...: both ends of the link that link.dts describes, with more keys.
link() {
	printf '%s\n' "[instance link]" "geometry = dt:/vm/link.dtb" "$@" >link.conf
}

far_link() {
	printf '%s\n' "[instance link]" "geometry = dt:/vm/link.dtb" "$@" >far.conf
}

# start_daemon LINE...: for icbmsgd.conf behind link.conf; endpoint link/file.
start_daemon() {
	{
		cat link.conf
		printf '%s\n' "[daemon]" "rundir = /run/icbmsg" "[endpoint link/file]" "policy = block" \
			"on-unbound = keep" "$@"
	} >icbmsgd.conf
	mkfifo daemon.banner
	icbmsgd -c icbmsgd.conf --banner >daemon.banner 2>daemon.log &
	daemon=$!
	banner <daemon.banner
}

stop_daemon() {
	kill "$daemon"
	wait "$daemon"
	rm daemon.banner
}

# near OPTION..., far OPTION...: icbmsg-cat through the daemon, and as the far side.
near() {
	icbmsg-cat --socket /run/icbmsg --raw --quiet "$@" link:file
}

far() {
	icbmsg-cat --direct far.conf --raw --quiet "$@" file
}

# both_ways: a file from here to the far side, and another back.
both_ways() {
	random sent
	far --receive-only --count "$count" >there 2>far.log &
	receiver=$!
	near --send-only --file sent --input raw --size "$size"
	wait "$receiver"
	[ "$(digest there)" = "$(digest sent)" ]
	say "$megabytes MiB to the far side, digest $(digest there | cut -c 1-16)"
	rm -f there
	random sent
	near --receive-only --keep --count "$count" >here 2>near.log &
	receiver=$!
	until icbmsgctl clients --socket /run/icbmsg/control | grep -q file; do
		usleep 20000
	done
	far --send-only --file sent --input raw --size "$size" 2>far.log
	wait "$receiver"
	[ "$(digest here)" = "$(digest sent)" ]
	say "$megabytes MiB back, digest $(digest here | cut -c 1-16)"
	rm -f here sent
}

# echoed: a file to a far side that sends everything back.
echoed() {
	random sent
	near --file sent --input raw --size "$size" --count "$count" >here
	[ "$(digest here)" = "$(digest sent)" ]
	say "$megabytes MiB there and back, digest $(digest here | cut -c 1-16)"
	rm -f here sent
}

# interrupts NAME: how many the kernel has counted for the driver or device NAME, on all CPUs.
interrupts() {
	awk -v name="$1" 'NR == 1 { cpus = NF } $0 ~ name { for (i = 2; i <= cpus + 1; i++) n += $i }
		END { print n + 0 }' /proc/interrupts
}

# counter NAME: of the daemon's link.
counter() {
	icbmsgctl stats --json --socket /run/icbmsg/control | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

# far_counter NAME: of the far side's state-file.
far_counter() {
	icbmsgctl counters --json far.conf | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
