# SPDX-License-Identifier: Apache-2.0
#
# One set of warnings for both compilers; a build by a user never fails because of them, the
# presets used by CI do (ICBMSG_WERROR).

target_compile_options(icbmsg-flags INTERFACE
	-Wall
	-Wextra
	-Wshadow
	-Wstrict-prototypes
	-Wmissing-prototypes
	-Wpointer-arith
	-Wvla
	-Wwrite-strings
	-Wundef
	-Wformat=2
	-Wimplicit-fallthrough
	$<$<C_COMPILER_ID:GNU>:-Wcast-align=strict>
	$<$<BOOL:${ICBMSG_WERROR}>:-Werror>)

# These two rest on gcc's value ranges, which it has in optimised code without instrumentation only
# (its manual says so of sanitizers); elsewhere they are wrong more often than right.
if(ICBMSG_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
	target_compile_options(icbmsg-flags INTERFACE
		$<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
		$<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
