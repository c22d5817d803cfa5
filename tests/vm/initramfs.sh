#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# initramfs.sh KERNEL PROGRAMS OUT: what the virtual machines boot: busybox, our programs (static),
# the kernel's modules for UIO and VFIO, and the scripts of guest/.

set -eu

kernel=$1 programs=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
modules="drivers/uio/uio drivers/uio/uio_pci_generic drivers/uio/uio_cif
	virt/lib/irqbypass drivers/vfio/vfio drivers/vfio/vfio_virqfd drivers/vfio/vfio_iommu_type1
	drivers/vfio/pci/vfio-pci-core drivers/vfio/pci/vfio-pci"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/modules" "$root/vm"
cp /bin/busybox "$root/bin"
ln -s busybox "$root/bin/sh"
for program in icbmsgd icbmsg-cat icbmsgctl icbmsg-sim; do
	strip -o "$root/bin/$program" "$programs/$program"
done
for module in $modules; do
	cp "$kernel"/lib/modules/*/kernel/"$module".ko "$root/modules"
done
cp "$here"/guest/*.sh "$root/vm"
dtc -q -O dtb -o "$root/vm/link.dtb" "$here/guest/link.dts"
cp "$here/guest/init" "$root/init"
chmod 755 "$root/init"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$out.new"
mv "$out.new" "$out"
