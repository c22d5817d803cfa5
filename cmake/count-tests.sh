#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# count-tests.sh JUNIT: reads what ctest --output-junit wrote and prints "N passed, M failed, K
# skipped". Cases are counted where a program reports them (cmocka's summary, TAP of bats); a program
# that reports none counts as one. A program that fails without a failed case (it crashed, it hung,
# it was not built) is one failure more. No test that passed is a failure, too: exit status 1.

set -eu

if [ ! -s "$1" ]; then
	echo "count-tests.sh: $1: no test has run" >&2
	echo "0 passed, 0 failed, 0 skipped"
	exit 1
fi

awk '
/^\t<testcase / {
	p = f = s = 0
	verdict = $0
	sub(/.* status="/, "", verdict)
	sub(/".*/, "", verdict)
}

# ctest calls a test that it could not start "skipped", as it does one that exits with 77.
/^\t\t<skipped message="SKIP_RETURN_CODE/ { verdict = "skipped" }

{ sub(/^\t\t<system-out>/, "") }

/^\[  PASSED  \] [0-9]+ test\(s\)/ { p += $4 }
/^\[  FAILED  \] [0-9]+ test\(s\)/ { f += $4 }
/^\[  SKIPPED \] [0-9]+ test\(s\)/ { s += $4 }
/^ok [0-9]+ / { if (/ # skip/) s++; else p++ }
/^not ok [0-9]+ / { f++ }

/^\t<\/testcase>/ {
	if (verdict == "run")
		p += (p + f + s == 0)
	else if (verdict == "skipped" || verdict == "disabled")
		s += (p + f + s == 0)
	else
		f += (f == 0)
	passed += p
	failed += f
	skipped += s
}

END {
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0 || passed == 0
}
' "$1"
