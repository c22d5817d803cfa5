#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The transports in virtual machines, which have real UIO, real /dev/mem and real interrupts. Only
# with `ctest -C vm`, which is what ./dev vm-test says.

setup_file() {
	load vm.bash
	prepare
}

setup() {
	load vm.bash
	# RAM that Linux leaves alone, as a board's devicetree reserves it.
	reserved="memmap=1M\$0x8000000"
}

teardown() {
	stop_started
}

@test "shared memory between two processes in a guest" {
	boot shm ""
}

@test "/dev/mem between two processes in a guest" {
	boot devmem "$reserved" \
		-object memory-backend-ram,size=1M,id=memory -device ivshmem-plain,memdev=memory,addr=06.0
}

@test "a map of a UIO device as the memory of two processes in a guest" {
	boot uio_map "" \
		-object memory-backend-ram,size=1M,id=memory -device ivshmem-plain,memdev=memory,addr=06.0
}

@test "real interrupts through UIO, between two processes in a guest" {
	boot uio "$reserved" -device edu,addr=03.0 -device edu,addr=04.0
}

@test "a process of the host and a guest's daemon, over ivshmem with doorbells both ways" {
	cd "$BATS_TEST_TMPDIR"
	start "$ICBMSG_BIN_DIR/icbmsg-sim" serve bus --size 1M --vectors 2
	start "$ICBMSG_BIN_DIR/icbmsg-sim" echo --ivshmem bus --instance link --endpoint file \
		--print-config host.conf
	# The guest cannot see who else is there: the core came first, so it is peer 0.
	sed -e 's/^memory = .*/memory = ivshmem-pci/' -e 's/^doorbell = .*/doorbell = ivshmem:0/' \
		host.conf >link.conf
	give link.conf
	boot ivshmem "intel_iommu=on" -device intel-iommu,intremap=on \
		-chardev socket,id=bus,path=bus -device ivshmem-doorbell,vectors=2,chardev=bus,addr=05.0
}
