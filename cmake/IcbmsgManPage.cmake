# SPDX-License-Identifier: Apache-2.0
#
# Man pages are written in scdoc, beside what they describe: icbmsg_man_page(icbmsg-cat.1.scd).
# scdoc is optional for users; without it the pages are left out and the build says so once.

find_program(ICBMSG_SCDOC scdoc)
if(NOT ICBMSG_SCDOC)
	message(STATUS "scdoc not found: no man pages (Debian: apt-get install scdoc)")
endif()

function(icbmsg_man_page file)
	if(NOT ICBMSG_SCDOC)
		return()
	endif()
	cmake_path(GET file STEM LAST_ONLY page)
	string(REGEX MATCH "[1-9]$" section "${page}")
	set(source "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
	set(output "${PROJECT_BINARY_DIR}/man/man${section}/${page}")
	add_custom_command(OUTPUT "${output}"
		COMMAND sh "${PROJECT_SOURCE_DIR}/cmake/scdoc.sh" "${ICBMSG_SCDOC}" "${source}" "${output}"
		DEPENDS "${source}" "${PROJECT_SOURCE_DIR}/cmake/scdoc.sh"
		COMMENT "Man page ${page}"
		VERBATIM)
	add_custom_target("man-${page}" ALL DEPENDS "${output}")
	install(FILES "${output}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endfunction()
