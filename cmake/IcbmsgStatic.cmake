# SPDX-License-Identifier: Apache-2.0
#
# ICBMSG_STATIC: programs that need nothing beside them, for an initramfs or a rescue system. Other
# libraries are found as archives, ours is icbmsg-static. The shared library and the tests stay as
# they are elsewhere; preset `static` builds programs only.

if(ICBMSG_STATIC)
	set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
	set(ICBMSG_LIBRARY icbmsg-static)
	set(ICBMSG_PROGRAM_OPTIONS -static)
else()
	set(ICBMSG_LIBRARY icbmsg)
	set(ICBMSG_PROGRAM_OPTIONS)
endif()
