#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Includes follow the layers, and the script that says so is able to say no.

bats_require_minimum_version 1.5.0

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"
}

# plant FILE INCLUDE: a tree with one include in one file.
plant() {
	mkdir -p "$tree/$(dirname "$1")"
	printf '#include <stdint.h>\n#include %s\n' "$2" >"$tree/$1"
}

layers() {
	run sh "$ICBMSG_SOURCE_DIR/cmake/layers.sh" "$tree"
	echo "$output"
}

@test "the includes of this tree follow the layers" {
	tree=$ICBMSG_SOURCE_DIR
	layers
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "includes of lower layers are accepted" {
	plant lib/wire/a.c '"util/le.h"'
	plant lib/proto/a.c '"mem/region.h"'
	plant lib/core/a.h '"icbmsg.h"'
	plant sim/a.c '"wire/layout.h"'
	plant tools/a.c '<icbmsg.h>'
	plant tools/b.c '"print.h"'
	layers
	[ "$status" -eq 0 ]
}

@test "an include of a higher layer is refused and named" {
	plant lib/wire/a.c '"core/instance.h"'
	layers
	[ "$status" -ne 0 ]
	[[ $output == *'lib/wire/a.c:2: '*'"core/instance.h"'* ]]
}

@test "wire and mem do not know each other" {
	plant lib/mem/a.c '"wire/layout.h"'
	plant lib/wire/a.c '"mem/region.h"'
	layers
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "tools see the public header only" {
	plant tools/a.c '"util/cleanup.h"'
	plant daemon/a.c '<core/instance.h>'
	layers
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "the firmware model shares no protocol code but layout arithmetic" {
	plant sim/a.c '"wire/ring.h"'
	plant sim/b.c '"proto/classic.h"'
	layers
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "paths that step outside, bare names and unknown folders are refused" {
	plant lib/wire/a.c '"../util/le.h"'
	plant lib/wire/b.c '"ring.h"'
	plant lib/other/c.c '"util/le.h"'
	plant tools/d.c '"../lib/wire/ring.h"'
	layers
	[ "$status" -ne 0 ]
	for file in lib/wire/a.c lib/wire/b.c lib/other/c.c tools/d.c; do
		[[ $output == *"$file"* ]]
	done
}

@test "a tree without sources is an error, not a success" {
	layers
	[ "$status" -ne 0 ]
}
