# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Two processes over /dev/mem: in RAM that Linux does not use, and in the memory of a PCI device (an
# ivshmem-plain at 0000:00:06.0) that no driver has claimed. Nobody rings: both look.

# shellcheck source=common.sh disable=SC1091 # in the guest it is there
. /vm/common.sh

polled="doorbell = poll:50us..2ms"

say "reserved RAM, geometry from a devicetree"
link "geometry-peer = yes" "$polled"
far_link "word-size = 4" "$polled"
start_daemon
icbmsgd -c icbmsgd.conf --print-config | grep '^memory = mem:0x8000000+0x80000 '
both_ways
say "doorbells received: $(counter doorbells_received), looks: $(counter pumps)"
stop_daemon

say "RAM that Linux uses is refused"
printf '%s\n' "[instance link]" "memory = mem:0x4000000" "doorbell = poll" "tx-region = 0 4k" \
	"rx-region = 4k 4k" "tx-blocks = 4" "rx-blocks = 4" >far.conf
! far --wait 0 -U </dev/null 2>refused.log
say "$(cat refused.log)"
grep -q "this is Linux's own RAM" refused.log

say "a PCI device's memory"
device=/sys/bus/pci/devices/0000:00:06.0
echo 1 >"$device/enable"
bar=$(sed -n '3s/ .*//p' "$device/resource")
link "geometry-peer = yes" "$polled" "memory = mem:$bar+1M"
far_link "word-size = 4" "$polled" "memory = mem:$bar+1M"
start_daemon
both_ways
stop_daemon
