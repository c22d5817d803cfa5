# SPDX-License-Identifier: Apache-2.0
#
# Other libraries come through pkg-config and are looked for by the part that uses them only:
# a program calls icbmsg_need(json-c) and then links icbmsg-pkg::json-c.

find_package(PkgConfig REQUIRED)

# icbmsg_need(MODULE...): make sure icbmsg-pkg::MODULE exists, or stop and name the remedy.
function(icbmsg_need)
	set(debian_inih libinih-dev)
	set(debian_json-c libjson-c-dev)
	set(debian_libcrypto libssl-dev)
	set(debian_cmocka libcmocka-dev)
	set(debian_libevent_core libevent-dev)
	set(debian_liburing liburing-dev)
	set(debian_libseccomp libseccomp-dev)
	set(debian_libcap-ng libcap-ng-dev)
	foreach(module IN LISTS ARGN)
		if(TARGET icbmsg-pkg::${module})
			continue()
		endif()
		pkg_check_modules(ICBMSG_PKG_${module} QUIET IMPORTED_TARGET GLOBAL ${module})
		if(NOT ICBMSG_PKG_${module}_FOUND)
			message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR} needs ${module}, which "
				"pkg-config does not find. On Debian: apt-get install ${debian_${module}}")
		endif()
		add_library(icbmsg-pkg::${module} ALIAS PkgConfig::ICBMSG_PKG_${module})
	endforeach()
endfunction()

# icbmsg_need_plain(LIBRARY HEADER PACKAGE): the same of a library without a pkg-config file; it is
# linked by its name.
function(icbmsg_need_plain library header package)
	find_library(ICBMSG_LIBRARY_${library} ${library})
	find_path(ICBMSG_HEADER_${library} ${header})
	mark_as_advanced(ICBMSG_LIBRARY_${library} ICBMSG_HEADER_${library})
	if(NOT ICBMSG_LIBRARY_${library} OR NOT ICBMSG_HEADER_${library})
		message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR} needs the library ${library} and "
			"${header}, which are not found. On Debian: apt-get install ${package}")
	endif()
endfunction()
