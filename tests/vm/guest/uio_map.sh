# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Memory that a driver exports: uio_cif, which knows nothing of an ivshmem-plain (at 0000:00:06.0)
# but has a map for its second BAR. Only the driver's users get at it: /dev/mem refuses.

# shellcheck source=common.sh disable=SC1091 # in the guest it is there
. /vm/common.sh

insmod /modules/uio.ko
insmod /modules/uio_cif.ko
echo "1af4 1110" >/sys/bus/pci/drivers/hilscher/new_id
device=$(basename /sys/bus/pci/devices/0000:00:06.0/uio/uio*)
map=/sys/class/uio/$device/maps/map1
say "$device \"$(cat "/sys/class/uio/$device/name")\"," \
	"map1 at $(cat "$map/addr"), size $(cat "$map/size")"

polled="doorbell = poll:50us..2ms"
link "geometry-peer = yes" "$polled" "memory = uio:$device/map1"
far_link "word-size = 4" "$polled" "memory = uio:$device/map1"
start_daemon
both_ways
stop_daemon

far_link "word-size = 4" "$polled" "memory = mem:$(cat "$map/addr")+1M"
! far --wait 0 -U </dev/null 2>refused.log
say "$(cat refused.log)"
grep -q "has claimed it" refused.log

far_link "word-size = 4" "$polled" "memory = uio:$device/map7"
! far --wait 0 -U </dev/null 2>refused.log
say "$(cat refused.log)"
grep -q "map1" refused.log
