# SPDX-License-Identifier: Apache-2.0
#
# icbmsg_program(NAME SOURCES a.c b.c [LIBS ...] [MAN name.1.scd]): an installed program. It links
# nothing of ours by default: tools say LIBS ${ICBMSG_LIBRARY}, the simulator says LIBS icbmsg-core.
# Installed, it finds libicbmsg beside itself, so that `cmake --install --prefix` and moved trees work;
# packages of a system say CMAKE_SKIP_INSTALL_RPATH.

function(icbmsg_program name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;MAN")
	add_executable(${name} ${arg_SOURCES})
	target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
	target_link_libraries(${name} PRIVATE icbmsg-flags ${arg_LIBS})
	target_link_options(${name} PRIVATE ${ICBMSG_PROGRAM_OPTIONS})
	if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_BINDIR}")
		file(RELATIVE_PATH libdir "/p/${CMAKE_INSTALL_BINDIR}" "/p/${CMAKE_INSTALL_LIBDIR}")
		set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN/${libdir}")
	endif()
	install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
	foreach(page IN LISTS arg_MAN)
		icbmsg_man_page(${page})
	endforeach()
endfunction()
