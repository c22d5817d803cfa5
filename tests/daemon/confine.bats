#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What a running icbmsgd has given up. All other tests of icbmsgd run confined, too: they show that
# it keeps what it needs.
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
}

teardown() {
	common_teardown
}

# field NAME: of the daemon's /proc status.
field() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$daemon/status"
}

@test "a running daemon has no capabilities, gains none, and its calls are filtered" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon -o confine=auto
	[ "$(field NoNewPrivs)" = 1 ]
	[ "$(field Seccomp)" = 2 ]
	[ "$(field CapEff)" = 0000000000000000 ]
	[ "$(field CapPrm)" = 0000000000000000 ]
	[ "$(field CapInh)" = 0000000000000000 ]
	"$bin/icbmsg-cat" -s run -m hello -n 1 ep0 >out
	[ "$(cat out)" = hello ]
}

@test "confine = no leaves all as it is" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon -o confine=no
	[ "$(field NoNewPrivs)" = 0 ]
	[ "$(field Seccomp)" = 0 ]
	[ "$(field CapEff)" = "$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)" ]
}

@test "capabilities that the configuration needs are kept, and no others" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	start_core
	config "[endpoint net/ep0]" "owner = nobody" "socket-buffer = 512M"
	start_daemon
	# CAP_CHOWN and CAP_FOWNER (0 and 3), CAP_NET_ADMIN (12), as far as the tests have them.
	had=$((16#$(sed -n 's/^CapPrm:[[:space:]]*//p' /proc/self/status)))
	[ $((16#$(field CapPrm))) -eq $((had & 16#1009)) ]
	[ "$(stat -c %U run/net/ep0)" = nobody ]
}

@test "what a reload cannot do any more is explained" {
	start_core
	config "[endpoint net/ep0]"
	start_daemon
	landlock=yes
	grep -q 'runs without Landlock' log && landlock=no
	[ "$landlock" = yes ] || skip "this kernel has no Landlock"
	mkdir "$work/far"
	{
		cat icbmsgd.conf
		sed -n '/^\[instance net\]/,/^\[/p' link.conf | sed -e 's/^\[instance net\]/[instance far]/' \
			-e 's/^memory = .*/&-far/' -e '/^\[instance far\]/a state-file = '"$work"'/far/state'
	} >new.conf
	mv new.conf icbmsgd.conf
	run -1 "$bin/icbmsgctl" reload -s run/control
	[[ $output == *"the daemon has given up privileges since it started: restart it"* ]]
	rm -f "/dev/shm/$shm-far"
}

@test "a devicetree that needs no dtc can be read again" {
	local tree='/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; t: t { reg = <0x1000 0x800>; };
		r: r { reg = <0x2000 0x800>; }; ipc { compatible = "zephyr,ipc-icbmsg"; tx-region = <&t>;
		rx-region = <&r>; tx-blocks = <8>; rx-blocks = <8>; }; };'
	mkdir trees
	echo "$tree" >trees/t.dts
	dtc -q -O dtb -o trees/t.dtb trees/t.dts
	run_dir=$work/run
	for file in t.dtb t.dts; do
		printf '%s\n' "[instance net]" "geometry = dt:$work/trees/$file:/ipc" "word-size = 4" \
			"memory = shm:$shm" "doorbell = poll" "[daemon]" "rundir = $run_dir" >icbmsgd.conf
		start_daemon
		[ "$(field Seccomp)" = 2 ]
		if [ "$file" = t.dtb ]; then
			"$bin/icbmsgctl" reload -s run/control
		else
			run -1 "$bin/icbmsgctl" reload -s run/control
			[[ $output == *"t.dts: dtc cannot be started: "*"; a .dtb can be read without it"* ]]
		fi
		stop_daemon
	done
}

@test "what devices are named by is within reach when a reload opens the link again" {
	start_core
	truncate -s 4096 "$work/registers"
	printf '%s\n' "[instance net]" "memory = shm:$shm" "doorbell = poll" \
		"$(sed -n '/^\(tx\|rx\|dcache\|word\)/p' link.conf)" "[daemon]" "rundir = $run_dir" >icbmsgd.conf
	cp icbmsgd.conf without.conf
	{
		echo "[instance device]"
		echo "memory = file:$work/memory"
		echo "doorbell-in = poll:1ms..20ms"
		echo "doorbell-setup = file:$work/registers+8 write32 0x41, file:$work/registers+12 set8 0x42"
		echo "doorbell-out = register:file:$work/registers+0 write16 0x4344"
		sed -n '/^\(tx\|rx\|dcache\|word\)/p' link.conf
	} >>icbmsgd.conf
	truncate -s 1M "$work/memory"
	cp icbmsgd.conf with.conf
	start_daemon
	[ "$(od -An -c -j 8 -N 8 registers | tr -d ' ')" = 'A\0\0\0B\0\0\0' ]
	cp without.conf icbmsgd.conf
	"$bin/icbmsgctl" reload -s run/control
	dd if=/dev/zero of=registers bs=16 count=1 conv=notrunc status=none
	cp with.conf icbmsgd.conf
	"$bin/icbmsgctl" reload -s run/control
	[ "$(od -An -c -j 8 -N 8 registers | tr -d ' ')" = 'A\0\0\0B\0\0\0' ]
	# It has announced itself, and so has rung.
	[ "$(od -An -c -N 4 registers | tr -d ' ')" = 'DC\0\0' ]
}
