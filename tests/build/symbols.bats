#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The shared library's promise: these symbols, this name, nothing else.

setup() {
	library=$ICBMSG_LIB_DIR/libicbmsg.so
	map=$ICBMSG_SOURCE_DIR/lib/icbmsg.map
}

exported() {
	nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort
}

listed() {
	awk '/global:/ { on = 1; next } /local:|}/ { on = 0 }
		on { gsub(/[ \t;]/, ""); if ($0 != "") print }' "$map" | sort
}

@test "exactly the symbols of the map are exported" {
	[ -n "$(listed)" ]
	diff <(listed) <(exported)
}

@test "every exported symbol starts with icbmsg_ and is declared in icbmsg.h" {
	for symbol in $(exported); do
		echo "$symbol"
		[[ $symbol == icbmsg_* ]]
		grep -Eqw "$symbol" "$ICBMSG_SOURCE_DIR/lib/icbmsg.h"
	done
}

@test "the static library defines the same global names and no other" {
	diff <(listed) <(nm -g --defined-only "$ICBMSG_LIB_DIR/libicbmsg.a" |
		awk 'NF == 3 { print $3 }' | sort)
}

@test "every symbol carries a version node" {
	run bash -c "nm -D --defined-only '$library' | awk '\$2 != \"A\" && \$3 !~ /@@ICBMSG_/'"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "the SONAME is libicbmsg.so.0" {
	readelf -d "$library" | grep -F 'Library soname: [libicbmsg.so.0]'
}
