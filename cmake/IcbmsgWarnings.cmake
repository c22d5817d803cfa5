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
