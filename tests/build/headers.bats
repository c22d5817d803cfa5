#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Every header compiles alone; the public one in the strictest modes its users may have.
# shellcheck disable=SC2153 # ICBMSG_CC and ICBMSG_CXX come from ctest

setup() {
	cd "$ICBMSG_SOURCE_DIR" || return 1
	strict=(-fsyntax-only -Wall -Wextra -Werror -pedantic)
}

# alone HEADER: the line a file consisting of this include has.
alone() {
	printf '#include "%s"\n' "$1"
}

@test "icbmsg.h compiles alone as C11 -pedantic" {
	alone icbmsg.h | "$ICBMSG_CC" -x c -std=c11 "${strict[@]}" -I lib -
}

@test "icbmsg.h compiles alone as C++17" {
	[ -n "$ICBMSG_CXX" ] || skip "no C++ compiler"
	alone icbmsg.h | "$ICBMSG_CXX" -x c++ -std=c++17 "${strict[@]}" -I lib -
}

@test "icbmsg.h may be included twice" {
	{ alone icbmsg.h; alone icbmsg.h; } |
		"$ICBMSG_CC" -x c -std=c11 "${strict[@]}" -I lib -
}

@test "every internal header compiles alone" {
	checked=0
	while read -r header; do
		echo "$header"
		alone "$header" | "$ICBMSG_CC" -x c -std=gnu11 -D_GNU_SOURCE= -fsyntax-only \
			-Wall -Wextra -Werror -I lib -I tools -I "$(dirname "$header")" -I . -
		checked=$((checked + 1))
	done < <(find lib sim tools daemon -name '*.h')
	[ "$checked" -gt 0 ]
}

@test "every header guards against its second inclusion" {
	while read -r header; do
		echo "$header"
		grep -Eq '^#(pragma once|ifndef [A-Z0-9_]+_H_?)$' "$header"
	done < <(find lib sim tools daemon -name '*.h')
}

@test "the program in the README compiles" {
	sed -n '/^    #include <icbmsg.h>/,/^    }$/p; /^    int main/,/^    }$/p' README.md | sed 's/^    //' >"$BATS_TEST_TMPDIR/all.c"
	grep -q '^int main' "$BATS_TEST_TMPDIR/all.c"
	"$ICBMSG_CC" -x c -std=gnu11 -fsyntax-only -Wall -Werror -I lib "$BATS_TEST_TMPDIR/all.c"
}
