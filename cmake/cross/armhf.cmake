# SPDX-License-Identifier: Apache-2.0
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(ICBMSG_ARCH armhf)
set(ICBMSG_TRIPLET arm-linux-gnueabihf)
set(ICBMSG_QEMU qemu-arm)
include("${CMAKE_CURRENT_LIST_DIR}/debian.cmake")
