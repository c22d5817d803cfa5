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
}

@test "shared memory between two processes in a guest" {
	boot shm ""
}
