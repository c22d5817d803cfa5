# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Interrupts: two of QEMU's edu devices, each an end's doorbell. A store of the far side to +0x60
# raises the interrupt, one to +0x64 ends it (QEMU's docs/specs/edu). uio_pci_generic hands
# interrupts to user space, and disables each in the PCI command register until it is enabled again.

# shellcheck source=common.sh disable=SC1091 # in the guest it is there
. /vm/common.sh

insmod /modules/uio.ko
insmod /modules/uio_pci_generic.ko
echo "1234 11e8" >/sys/bus/pci/drivers/uio_pci_generic/new_id

near_edu=/sys/bus/pci/devices/0000:00:03.0 far_edu=/sys/bus/pci/devices/0000:00:04.0

# bell OWN OTHER: the lines of a doorbell.
bell() {
	echo "doorbell-in = uio:$(basename "$1"/uio/uio*)"
	echo "doorbell-ack = file:$1/resource0+0x64 write32 0xffffffff"
	echo "doorbell-out = register:file:$2/resource0+0x60 write32 1"
}

link "geometry-peer = yes" "$(bell $near_edu $far_edu)"
far_link "word-size = 4" "$(bell $far_edu $near_edu)" "state-file = /run/far.state"
start_daemon
before=$(interrupts uio_pci_generic)
both_ways
after=$(interrupts uio_pci_generic)
say "interrupts in the kernel: $((after - before));" \
	"taken by the daemon: $(counter doorbells_received), merged $(counter interrupts_merged);" \
	"by the far side: $(far_counter doorbells_received)"
for name in doorbells_sent doorbells_received doorbells_spurious doorbells_lost rescues rx_rescues \
	interrupt_storms; do
	say "$name: $(counter $name) near, $(far_counter $name) far"
done
[ $((after - before)) -gt 100 ]
[ "$(counter doorbells_received)" -gt 50 ]
[ "$(counter doorbells_received)" -gt "$(counter rx_rescues)" ]
stop_daemon
