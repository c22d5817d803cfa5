# SPDX-License-Identifier: Apache-2.0
#
# What the toolchain files of this folder have in common: Debian's cross compiler for ICBMSG_TRIPLET,
# libraries unpacked by packages.sh, and user-mode QEMU to run the tests. Include it with
# ICBMSG_TRIPLET, ICBMSG_ARCH (Debian's name) and ICBMSG_QEMU set.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER "${ICBMSG_TRIPLET}-gcc")
set(CMAKE_LINKER "${ICBMSG_TRIPLET}-ld")
set(CMAKE_OBJCOPY "${ICBMSG_TRIPLET}-objcopy")

get_filename_component(ICBMSG_ROOT "${CMAKE_CURRENT_LIST_DIR}/../../build/cross/${ICBMSG_ARCH}"
	ABSOLUTE)
set(libraries "${ICBMSG_ROOT}/usr/lib/${ICBMSG_TRIPLET}")

set(CMAKE_FIND_ROOT_PATH "${ICBMSG_ROOT}" "/usr/${ICBMSG_TRIPLET}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE "${ICBMSG_TRIPLET}")

# pkg-config drops -I and -L of the system's own folders, also of a system elsewhere.
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR} "${libraries}/pkgconfig:${ICBMSG_ROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${ICBMSG_ROOT}")
string(APPEND CMAKE_C_FLAGS_INIT
	" -isystem ${ICBMSG_ROOT}/usr/include -isystem ${ICBMSG_ROOT}/usr/include/${ICBMSG_TRIPLET}")
foreach(kind EXE SHARED MODULE)
	string(APPEND CMAKE_${kind}_LINKER_FLAGS_INIT
		" -L${libraries} -Wl,-rpath-link,${libraries}")
endforeach()

# The cross compiler's own C library, and the unpacked ones.
set(CMAKE_CROSSCOMPILING_EMULATOR
	"${ICBMSG_QEMU};-L;/usr/${ICBMSG_TRIPLET};-E;LD_LIBRARY_PATH=${libraries}")
