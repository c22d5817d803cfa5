#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A stranger's program, built against an installed tree in each of the ways we promise.
# The unquoted flags are lists of words.
# shellcheck disable=SC2046,SC2086

setup_file() {
	export prefix=$BATS_FILE_TMPDIR/prefix
	export consumer=$ICBMSG_SOURCE_DIR/tests/build/consumer
	DESTDIR='' cmake --install "$ICBMSG_BUILD_DIR" --prefix "$prefix" >"$BATS_FILE_TMPDIR/log"
	pc=$(find "$prefix" -name icbmsg.pc)
	export PKG_CONFIG_PATH=${pc%/*}
	libdir=$(cd "$PKG_CONFIG_PATH/.." && pwd)
	export libdir
	# A sanitized library wants a program that brings the sanitizer along. (bats has a variable
	# called flags itself.)
	export consumer_flags=${ICBMSG_SANITIZE:+-fsanitize=$ICBMSG_SANITIZE}
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

@test "pkg-config, shared" {
	"$ICBMSG_CC" $consumer_flags $(pkg-config --cflags icbmsg) -o program "$consumer/main.c" \
		$(pkg-config --libs icbmsg)
	LD_LIBRARY_PATH=$libdir ldd ./program | grep -F "$libdir/libicbmsg.so.0"
	[ "$(LD_LIBRARY_PATH=$libdir ./program)" = "$(pkg-config --modversion icbmsg)" ]
}

@test "pkg-config, static" {
	libs=$(pkg-config --static --libs icbmsg | sed 's/-licbmsg/-l:libicbmsg.a/')
	"$ICBMSG_CC" $consumer_flags $(pkg-config --cflags icbmsg) -o program "$consumer/main.c" $libs
	run ldd ./program
	[[ $output != *libicbmsg* ]]
	[ "$(./program)" = "$(pkg-config --modversion icbmsg)" ]
}

# by_package TARGET: build the consumer against one target of the CMake package.
by_package() {
	cmake -S "$consumer" -B build -G Ninja -DCMAKE_C_COMPILER="$ICBMSG_CC" \
		-DCMAKE_C_FLAGS="$consumer_flags" -DCMAKE_PREFIX_PATH="$prefix" -DTARGET="$1"
	cmake --build build
	[ "$(./build/program)" = "$(pkg-config --modversion icbmsg)" ]
}

@test "find_package, icbmsg::icbmsg" {
	by_package icbmsg::icbmsg
	ldd build/program | grep -F "$libdir/libicbmsg.so.0"
}

@test "find_package, icbmsg::icbmsg-static" {
	by_package icbmsg::icbmsg-static
	run ldd build/program
	[[ $output != *libicbmsg* ]]
}

@test "the installed tree holds one header, and it is the public one" {
	run find "$prefix" -name '*.h'
	[ "$output" = "$prefix/include/icbmsg.h" ]
}

@test "the installed programs run where they are, and the unit starts icbmsgd from there" {
	for program in icbmsg-cat icbmsgctl icbmsg-sim icbmsg-bench icbmsgd; do
		[ "$("$prefix/bin/$program" -V)" = "$program $(pkg-config --modversion icbmsg)" ]
	done
	grep -qx "ExecStart=$prefix/bin/icbmsgd" "$prefix/lib/systemd/system/icbmsgd.service"
}
