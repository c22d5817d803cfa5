# SPDX-License-Identifier: Apache-2.0
#
# What every target of this project has in common: language level, output folders, and the target
# icbmsg-flags that carries warnings and sanitizers to everything that is compiled here.

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

add_library(icbmsg-flags INTERFACE)
# The empty value is deliberate: a file that says `#define _GNU_SOURCE` itself does not clash.
target_compile_definitions(icbmsg-flags INTERFACE _GNU_SOURCE=)
# Offsets of 64 bits on 32-bit machines, too: physical addresses lie above 2 GB, and readdir(3) fails
# on large file systems otherwise.
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
	target_compile_definitions(icbmsg-flags INTERFACE _FILE_OFFSET_BITS=64)
endif()
