# SPDX-License-Identifier: Apache-2.0
#
# What an installed libicbmsg consists of: libraries, header, icbmsg.pc and the CMake package.
# Included by lib/CMakeLists.txt; programs and man pages install themselves where they are built.

include(CMakePackageConfigHelpers)
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/icbmsg")

install(TARGETS icbmsg EXPORT icbmsgTargets
	LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS icbmsg-static EXPORT icbmsgStaticTargets
	ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES icbmsg.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

foreach(set IN ITEMS icbmsgTargets icbmsgStaticTargets)
	install(EXPORT ${set} NAMESPACE icbmsg:: DESTINATION "${package}")
endforeach()
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/icbmsgConfig.cmake.in"
	"${CMAKE_CURRENT_BINARY_DIR}/icbmsgConfig.cmake" INSTALL_DESTINATION "${package}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/icbmsgConfigVersion.cmake"
	COMPATIBILITY SameMinorVersion)
install(FILES
	"${CMAKE_CURRENT_BINARY_DIR}/icbmsgConfig.cmake"
	"${CMAKE_CURRENT_BINARY_DIR}/icbmsgConfigVersion.cmake"
	DESTINATION "${package}")

# Relative to where icbmsg.pc lies, so that `cmake --install --prefix` and moved trees work. A
# libdir outside the prefix cannot be relative and stands as it is.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
	set(ICBMSG_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
	set(ICBMSG_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
	set(ICBMSG_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
else()
	cmake_path(SET up NORMALIZE "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
	cmake_path(RELATIVE_PATH up BASE_DIRECTORY "/p" OUTPUT_VARIABLE down)
	string(REGEX REPLACE "[^/]+" ".." up "${down}")
	set(ICBMSG_PC_PREFIX "\${pcfiledir}/${up}")
	set(ICBMSG_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
	set(ICBMSG_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
list(JOIN ICBMSG_CORE_PACKAGES ", " ICBMSG_PC_REQUIRES)
configure_file("${PROJECT_SOURCE_DIR}/cmake/icbmsg.pc.in"
	"${CMAKE_CURRENT_BINARY_DIR}/icbmsg.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/icbmsg.pc"
	DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
