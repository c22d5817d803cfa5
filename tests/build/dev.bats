#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The script that counts, since nobody counts after it, and the front door.

setup() {
	report=$BATS_TEST_TMPDIR/tests.xml
	: >"$report"
}

# entry NAME STATUS [INSIDE] < OUTPUT: one test as ctest writes it.
entry() {
	{
		printf '\t<testcase name="%s" classname="%s" time="0.1" status="%s">\n' "$1" "$1" "$2"
		[ -z "${3-}" ] || printf '\t\t%s\n' "$3"
		printf '\t\t<system-out>'
		cat
		printf '</system-out>\n\t</testcase>\n'
	} >>"$report"
}

skipped='<skipped message="SKIP_RETURN_CODE=77"/>'

count() {
	run sh "$ICBMSG_SOURCE_DIR/cmake/count-tests.sh" "$report"
	echo "$output"
}

@test "counting: cmocka's summary" {
	entry unit run <<-'END'
	[==========] Running 5 test(s).
	[       OK ] ring
	[==========] 5 test(s) run.
	[  PASSED  ] 4 test(s).
	[  SKIPPED ] 1 test(s), listed below:
	[  SKIPPED ] wide
	END
	count
	[ "$status" -eq 0 ]
	[ "$output" = "4 passed, 0 failed, 1 skipped" ]
}

@test "counting: TAP, and a program that reports no cases" {
	printf '1..3\nok 1 a\nok 2 b # skip no such thing\nok 3 c\n' | entry bats run
	echo "3 seeds" | entry fuzz run
	: | entry silent notrun "$skipped"
	count
	[ "$status" -eq 0 ]
	[ "$output" = "3 passed, 0 failed, 2 skipped" ]
}

@test "counting: failed cases, and a crash after cases that passed" {
	printf '1..2\nok 1 a\nnot ok 2 b\n' | entry bats fail
	printf '[  PASSED  ] 2 test(s).\n' | entry crash fail
	count
	[ "$status" -ne 0 ]
	[ "$output" = "3 passed, 2 failed, 0 skipped" ]
}

@test "counting: a program that is not there is a failure" {
	: | entry gone notrun '<skipped message="Unable to find executable"/>'
	count
	[ "$status" -ne 0 ]
	[ "$output" = "0 passed, 1 failed, 0 skipped" ]
}

@test "counting: ctest's own report is read to its end, however long" {
	cd "$BATS_TEST_TMPDIR"
	cat >CTestTestfile.cmake <<-'END'
	add_test(long sh long.sh)
	add_test(skip sh -c "exit 77")
	set_tests_properties(skip PROPERTIES SKIP_RETURN_CODE 77)
	END
	printf '%s\n' 'echo ok 1 first' 'seq 1 5000' 'echo ok 2 last' >long.sh
	ctest --output-junit "$report" --test-output-size-passed 10000000
	count
	[ "$status" -eq 0 ]
	[ "$output" = "2 passed, 0 failed, 1 skipped" ]
}

@test "counting: nothing run is a failure" {
	count
	[ "$status" -ne 0 ]
	[ "${lines[-1]}" = "0 passed, 0 failed, 0 skipped" ]
}

@test "counting: only skipped is a failure, too" {
	: | entry silent notrun "$skipped"
	count
	[ "$status" -ne 0 ]
}

@test "dev alone prints its verbs, an unknown verb is a usage error" {
	run "$ICBMSG_SOURCE_DIR/dev"
	[ "$status" -eq 0 ]
	for verb in demo test build asan tsan clang fmt lint bench fuzz deps clean; do
		[[ $output == *"  $verb "* ]]
	done
	run "$ICBMSG_SOURCE_DIR/dev" no-such-verb
	[ "$status" -eq 2 ]
	[[ $output == *no-such-verb* ]]
}
