# SPDX-License-Identifier: Apache-2.0
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(ICBMSG_ARCH arm64)
set(ICBMSG_TRIPLET aarch64-linux-gnu)
set(ICBMSG_QEMU qemu-aarch64)
include("${CMAKE_CURRENT_LIST_DIR}/debian.cmake")
