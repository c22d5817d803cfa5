#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgctl config: from a devicetree to a file that the other programs take.

bats_require_minimum_version 1.5.0

setup() {
	ctl=$ICBMSG_BIN_DIR/icbmsgctl
	shapes=$ICBMSG_SOURCE_DIR/tests/dt
	cd "$BATS_TEST_TMPDIR" || return 1
}

# config ARGUMENT...: the file a.conf.
config() {
	"$ctl" config "$@" >a.conf
	cat a.conf
}

# value KEY: what a.conf says.
value() {
	sed -nE "s/^$1 = ([^;]*[^; ]).*/\1/p" a.conf
}

# node PROPERTIES: t.dts, a tree with two regions and a link.
node() {
	cat >t.dts <<-END
		/dts-v1/;
		/ {
			#address-cells = <1>;
			#size-cells = <1>;
			tx: memory@1000 { reg = <0x1000 0x800>; };
			rx: memory@2000 { reg = <0x2000 0x800>; };
			link {
				compatible = "zephyr,ipc-icbmsg";
				tx-region = <&tx>;
				rx-region = <&rx>;
				$1
			};
		};
	END
}

@test "the example of Zephyr's documentation, from the other side" {
	config --from-dt "$shapes/documentation.dts" --peer ipc0
	[ "$(value memory)" = mem:0x20070000+0x8800 ]
	[ "$(value tx-region)" = "0x8000 0x800" ]
	[ "$(value rx-region)" = "0x0 0x800" ]
	[ "$(value tx-blocks)" = 32 ]
	[ "$(value rx-blocks)" = 16 ]
	[ "$(value word-size)" = 4 ]
	grep -qx '\[instance ipc0\]' a.conf
	grep -q '^# Mailboxes of the node: tx: /mbox@5002a000 0, rx: /mbox@5002a000 1\.$' a.conf
	# Where everything lies is what the numbers by themselves lead to.
	diff <("$ctl" layout --direct a.conf --json) <("$ctl" layout --json --tx 0x20078000:0x800 \
		--rx 0x20070000:0x800 --tx-blocks 32 --rx-blocks 16 --dcache-alignment 32)
}

@test "every file it prints can be read, from either side" {
	for tree in "$shapes"/*.dts; do
		name=$(basename "$tree" .dts)
		node=
		[ "$name" != nrf5340 ] || node=ipc_log
		config --from-dt "$tree" --peer $node
		"$ctl" layout --direct a.conf --json >peer.json
		config --from-dt "$tree" --word-size 4 $node
		"$ctl" layout --direct a.conf --json >own.json
		# Mirrored: who is initiator there is not here.
		run ! cmp -s own.json peer.json
		[ "$(grep -o '"is_initiator":[01]' own.json)" != \
			"$(grep -o '"is_initiator":[01]' peer.json)" ]
	done
}

@test "a blob, source and a folder say the same" {
	dtc -q -@ -O dtb -o t.dtb "$shapes/imx_mu.dts"
	dtc -q -O dts -o plain.dts t.dtb
	config --from-dt "$shapes/imx_mu.dts" --peer ept_link | grep -v '^#' >source
	config --from-dt t.dtb --peer ept_link | grep -v '^#' >blob
	config --from-dt plain.dts --peer ept_link | grep -v '^#' >decompiled
	diff source blob
	diff source decompiled
}

@test "the same through the key geometry, with the places values come from" {
	printf '%s\n' "[instance a]" "geometry = dt:$shapes/nrf5340.dts:net-link" \
		"geometry-peer = yes" "doorbell = poll" "rx-blocks = 20" >a.conf
	"$ICBMSG_BIN_DIR/icbmsgd" -c a.conf --print-config >printed
	cat printed
	grep -qE "^tx-blocks = 18 +; $shapes/nrf5340.dts:/ipc/ipc0:rx-blocks$" printed
	grep -qE "^memory = mem:0x20070000\+0xf000 +; $shapes/nrf5340.dts:/ipc/ipc0$" printed
	grep -qE "^rx-blocks = 20 +; a.conf:5$" printed
}

@test "conf.d overrides what the devicetree says" {
	mkdir conf.d
	printf '%s\n' "[instance a]" "geometry = dt:$shapes/documentation.dts" "doorbell = poll" \
		"word-size = 4" >a.conf
	printf '%s\n' "[instance a]" "dcache-alignment = 64" "geometry-peer = yes" >conf.d/1.conf
	"$ICBMSG_BIN_DIR/icbmsgd" -c a.conf --print-config >printed
	cat printed
	grep -qE '^dcache-alignment = 64 +; .*conf.d/1.conf:2$' printed
	grep -qE '^tx-blocks = 32 ' printed
}

@test "options set what the tree does not tell" {
	node "tx-blocks = <8>; rx-blocks = <4>;"
	run "$ctl" config --from-dt t.dts --peer
	[ "$status" -eq 1 ]
	[[ $output == "icbmsgctl: t.dts does not tell the word size of the firmware's CPU; give "* ]]
	config --from-dt t.dts --peer --word-size 8 --name x.y --memory shm:x --doorbell poll:2ms
	[ "$(value word-size)" = 8 ]
	[ "$(value memory)" = shm:x ]
	[ "$(value doorbell)" = poll:2ms ]
	grep -qx '\[instance x.y\]' a.conf
	run ! grep -q /dev/mem a.conf
	"$ctl" layout --direct a.conf
}

@test "regions that are far apart are pointed out" {
	config --from-dt "$shapes/stm32h7.dts" --peer
	grep -q '^# NOTE: the regions are 0x7fc0000 apart' a.conf
}

@test "what is wrong with the tree is said, and nothing printed" {
	node "tx-blocks = <8>;"
	run --separate-stderr "$ctl" config --from-dt t.dts --peer
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154 # bats sets it
	[ "$stderr" = "icbmsgctl: t.dts:/link: rx-blocks: missing; write for example rx-blocks = <16>;" ]
	node "tx-blocks = <200>; rx-blocks = <200>;"
	run --separate-stderr "$ctl" config --from-dt t.dts --peer --word-size 4
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[[ $stderr == "icbmsgctl: t.dts:/link:rx-region: tx-region: "* ]]
	run "$ctl" config --from-dt "$shapes/nrf5340.dts" --peer
	[ "$status" -eq 1 ]
	[[ $output == *"several ICBMSG nodes; say which of them: /ipc/ipc0, /ipc/ipc1" ]]
}

@test "usage errors" {
	for arguments in "" "--from-dt" "--from-dt t.dts a b" "--from-dt t.dts --word-size 5" \
		"--from-dt t.dts --frobnicate"; do
		# shellcheck disable=SC2086 # a list of words
		run "$ctl" config $arguments
		echo "$arguments: $output"
		[ "$status" -eq 2 ]
	done
	node "tx-blocks = <8>; rx-blocks = <8>;"
	run "$ctl" config --from-dt t.dts --word-size 4 --name "a b"
	[ "$status" -eq 2 ]
}
