# SPDX-License-Identifier: Apache-2.0
#
# icbmsg_program(NAME SOURCES a.c b.c [LIBS ...] [MAN name.1.scd]): an installed program. It links
# nothing of ours by default: tools say LIBS ${ICBMSG_LIBRARY}, the simulator says LIBS icbmsg-core.

function(icbmsg_program name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;MAN")
	add_executable(${name} ${arg_SOURCES})
	target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
	target_link_libraries(${name} PRIVATE icbmsg-flags ${arg_LIBS})
	target_link_options(${name} PRIVATE ${ICBMSG_PROGRAM_OPTIONS})
	install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
	foreach(page IN LISTS arg_MAN)
		icbmsg_man_page(${page})
	endforeach()
endfunction()
