# SPDX-License-Identifier: Apache-2.0
#
# Sanitizers apply to the whole tree or to nothing: half-instrumented programs report nonsense.

if(ICBMSG_SANITIZE)
	target_compile_options(icbmsg-flags INTERFACE
		-fsanitize=${ICBMSG_SANITIZE}
		-fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	target_link_options(icbmsg-flags INTERFACE -fsanitize=${ICBMSG_SANITIZE})
endif()

if(ICBMSG_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
		message(FATAL_ERROR "ICBMSG_FUZZ needs clang; use `cmake --preset fuzz`")
	endif()
	# Coverage feedback everywhere, libFuzzer's main only in the fuzz targets.
	target_compile_options(icbmsg-flags INTERFACE -fsanitize=fuzzer-no-link)
	target_link_options(icbmsg-flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
