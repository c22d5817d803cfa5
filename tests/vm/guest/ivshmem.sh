# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The host is the far side: a firmware core that echoes, a peer of the ivshmem server as this
# machine is one by its PCI device. Doorbells to here are MSI-X interrupts through VFIO, which needs
# an IOMMU; those from here are stores to a register. link.conf comes from the host.

# shellcheck source=common.sh disable=SC1091 # in the guest it is there
. /vm/common.sh

device=0000:00:05.0
for module in irqbypass vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci; do
	insmod "/modules/$module.ko"
done
echo vfio-pci >"/sys/bus/pci/devices/$device/driver_override"
echo "$device" >/sys/bus/pci/drivers_probe

cp /extra/link.conf .
start_daemon
echoed
say "interrupts in the kernel: $(interrupts vfio-msix);" \
	"taken by the daemon: $(counter doorbells_received), looks by timer: $(counter rx_rescues)"
say "doorbells to the host: $(counter doorbells_sent), of them rescues: $(counter rescues)"
[ "$(interrupts vfio-msix)" -gt 50 ]
[ "$(counter doorbells_received)" -gt 50 ]
stop_daemon
