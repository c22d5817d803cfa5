#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The driver under the fuzz targets really runs, changes and cuts its inputs.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir seeds
	printf 'a seed of twenty-two b' >seeds/one
	printf 'another' >seeds/two
}

# target CONDITION: a fuzz target that dies when CONDITION holds for its data and size.
target() {
	cat >target.c <<-END
	#include <stdint.h>
	#include <stdlib.h>
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
	{
		(void)data;
		if ($1)
			abort();
		return 0;
	}
	END
	"$ICBMSG_CC" -D_GNU_SOURCE= -o target target.c "$ICBMSG_SOURCE_DIR/tests/fuzz/driver.c"
}

@test "a sound target passes, and every run is the same" {
	target 0
	./target -v -n 500 seeds >first 2>&1
	./target -v -n 500 seeds >second 2>&1
	cmp first second
	grep -F '2 seeds, 531 runs' first
}

@test "a target that cannot bear its seed fails" {
	target 'size == 22 && data[0] == 97'
	run ! ./target -n 0 seeds
}

@test "a target that cannot bear a prefix fails" {
	target 'size == 21'
	run ! ./target -n 0 seeds
}

@test "a target that cannot bear a changed byte fails" {
	target 'size > 4 && data[0] != 97'
	./target -n 0 seeds
	run ! ./target seeds
}

@test "no seeds, or a folder that is not there, is an error" {
	target 0
	mkdir empty
	run -1 ./target empty
	[[ $output == *'no seeds'* ]]
	run -1 ./target missing
	[[ $output == *missing* ]]
}
