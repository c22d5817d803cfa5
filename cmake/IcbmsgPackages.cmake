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
