#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What compilers make of barriers and of accesses to shared memory, for machines that this one is
# not. The other domain is often outside the inner shareable domain of Arm: `dmb ish`, and with it
# the compiler's own ordered accesses on armv7, do not reach it. Exclusives and atomic instructions
# do not work on device memory.

bats_require_minimum_version 1.5.0

setup() {
	command -v clang llvm-objdump >/dev/null || skip "clang and llvm-objdump are not installed"
	source=$ICBMSG_SOURCE_DIR/tests/build
	object=$BATS_TEST_TMPDIR/object.o
	code=$BATS_TEST_TMPDIR/code
}

# compile TARGET [OPTION...]: barriers.c for a machine, optimised as in releases, and list it.
compile() {
	clang --target="$1" "${@:2}" -std=gnu11 -O2 -ffreestanding -nostdinc -Wall -Wextra -Werror \
		-isystem "$(clang -print-resource-dir)/include" -isystem "$source/freestanding" \
		-I "$ICBMSG_SOURCE_DIR/lib" -c -o "$object" "$source/barriers.c"
	if [ "$1" = aarch64-linux-gnu ]; then list --mattr=+lse; else list; fi
}

# list: the instructions of the object, one per line, as NAME: INSTRUCTION OPERANDS.
list() {
	llvm-objdump -d --no-show-raw-insn "$@" "$object" | awk '
		/^[0-9a-f]+ <[a-z].*>:$/ { name = $2; gsub(/[<>:]/, "", name); next }
		/^ *[0-9a-f]+:/ { sub(/^ *[0-9a-f]+:[ \t]*/, ""); gsub(/[ \t]+/, " ")
			print name ": " $0 }' >"$code"
	[ -s "$code" ]
}

# look NAME: the instructions of look_NAME, one per line.
look() {
	sed -n "s/^look_$1: //p" "$code"
}

# has NAME LINE...: the instructions of look_NAME are, among others, these and in this order. A
# line is a pattern for awk.
has() {
	local name=$1
	shift
	look "$name" | awk -v count=$# -v lines="$(printf '%s\n' "$@")" '
		BEGIN { split(lines, want, "\n"); at = 1; print "want: " lines }
		{ print } $0 ~ "^(" want[at] ")" { at++ }
		END { exit at <= count }'
}

# barriers NAME: how many barriers look_NAME has.
barriers() {
	look "$1" | grep -Ec '^(dmb|dsb|fence|mfence|lock)' || true
}

# never PATTERN [NAME]: no instruction outside look_NAME matches.
never() {
	! grep -v "^look_${2-none}: " "$code" | grep -E "^[a-z_0-9]+: ($1)"
}

@test "arm64: outer shareable barriers, no exclusives but in one place" {
	compile aarch64-linux-gnu -mno-outline-atomics
	has acquire 'dmb oshld'
	has release 'dmb osh$'
	has full 'dmb osh$'
	has load_acquire 'ldr w' 'dmb oshld'
	has store_release 'dmb osh$' 'str w'
	has swap 'dmb osh$' 'ldxr' 'stxr' 'dmb oshld'
	has replace_device 'ldr w' 'dmb osh$' 'str w'
	has needs_doorbell 'dmb osh$' 'ldr w' 'dmb oshld'
	[ "$(barriers load)" -eq 0 ]
	[ "$(barriers store)" -eq 0 ]
	never 'd[ms]b (ish|nsh|sy)'
	never 'ld[la]?xr|ldaxr|stl?xr|cas|swp|ldadd|ldset|ldclr' swap
}

@test "arm64 with LSE: the one place is a cas" {
	compile aarch64-linux-gnu -march=armv8.1-a
	has swap 'dmb osh$' 'cas w' 'dmb oshld'
	never 'd[ms]b (ish|nsh|sy)'
	never 'ld[la]?xr|ldaxr|stl?xr|cas|swp|ldadd|ldset|ldclr' swap
}

# Wide accesses and unaligned ones are what device memory does not bear.
@test "arm64: copies on device memory are by words and bytes" {
	compile aarch64-linux-gnu
	grep -q '^shm_copy_to_device: str w' "$code"
	grep -q '^shm_copy_from_device: ldr w' "$code"
	run ! grep -E '^shm_copy_(to|from)_device: (bl? .*mem|(st|ld)u?[rp] [qd])' "$code"
	# Pairs and 64 bits: of registers kept on the stack only.
	grep -v '\[sp' "$code" >"$code.shared"
	run ! grep -E '^shm_copy_(to|from)_device: (stp|ldp|stu?r x|ldu?r x)' "$code.shared"
}

@test "armv7: outer shareable barriers, no exclusives but in one place" {
	compile armv7a-linux-gnueabihf
	has acquire 'dmb osh$'
	has release 'dmb osh$'
	has full 'dmb osh$'
	has load_acquire 'ldr r' 'dmb osh$'
	has store_release 'dmb osh$' 'str r'
	has swap 'dmb osh$' 'ldrex' 'strex' 'dmb osh$'
	has replace_device 'ldr r' 'dmb osh$' 'str'
	never 'd[ms]b (ish|nsh|sy)'
	never 'ldrex|strex|ldaex|stlex|swp|ldm[^{]*r[0-9].*!|vld|vst' swap
}

@test "riscv64: fences that order device accesses, too" {
	compile riscv64-linux-gnu -march=rv64gc
	has acquire 'fence ir, iorw'
	has release 'fence iorw, ow'
	has full 'fence( iorw, iorw)?$'
	has load_acquire 'lw' 'fence ir, iorw'
	has store_release 'fence iorw, ow' 'sw'
	has swap 'fence iorw, ow' 'lr.w' 'sc.w' 'fence ir, iorw'
	has replace_device 'lw' 'fence iorw, ow' 'sw'
	never 'lr\.|sc\.|amo' swap
}

@test "x86-64: plain moves order enough, a full barrier is one, lock stands in one place" {
	compile x86_64-linux-gnu
	has full 'mfence'
	[ "$(barriers acquire)" -eq 0 ]
	[ "$(barriers release)" -eq 0 ]
	has load_acquire 'movl \('
	has store_release 'movl [$]1'
	has swap 'lock'
	has needs_doorbell 'mfence' '(movl|cmpl)'
	never 'lock|xchg|cmpxchg' swap
}

# gcc TARGET [OPTION...]: the same by one of Debian's cross compilers.
gcc_for() {
	command -v "$1-gcc" >/dev/null || skip "$1-gcc is not installed"
	"$1-gcc" "${@:2}" -std=gnu11 -O2 -Wall -Werror -I "$ICBMSG_SOURCE_DIR/lib" -c -o "$object" \
		"$source/barriers.c"
	if [ "$1" = aarch64-linux-gnu ]; then list --mattr=+lse; else list; fi
}

@test "gcc for arm64 makes the same of it" {
	gcc_for aarch64-linux-gnu -mno-outline-atomics
	has load_acquire 'ldr w' 'dmb oshld'
	has store_release 'dmb osh$' 'str w'
	has swap 'dmb osh$' 'ldxr' 'stxr' 'dmb oshld'
	never 'd[ms]b (ish|nsh|sy)'
	never 'ld[la]?xr|ldaxr|stl?xr|cas|swp|ldadd|ldset|ldclr' swap
}

@test "gcc for armv7 makes the same of it" {
	gcc_for arm-linux-gnueabihf
	has load_acquire 'ldr r' 'dmb osh$'
	has store_release 'dmb osh$' 'str r'
	has swap 'dmb osh$' 'ldrex' 'strex' 'dmb osh$'
	never 'd[ms]b (ish|nsh|sy)'
	never 'ldrex|strex|ldaex|stlex|swp|vld|vst' swap
}

# gcc 12 makes an amoswap of a relaxed atomic store.
@test "gcc for riscv64 makes the same of it" {
	gcc_for riscv64-linux-gnu
	has load_acquire 'lw' 'fence ir, iorw'
	has store_release 'fence iorw, ow' 'sw'
	has swap 'fence iorw, ow' 'lr.w' 'sc.w' 'fence ir, iorw'
	never 'lr\.|sc\.|amo' swap
}

# In this build, where it is of x86-64: who changes memory in one locked step? The stack's top is
# what gcc locks in the place of mfence.
@test "the library locks nothing but the word that R2 swaps" {
	[ -z "$ICBMSG_SANITIZE" ] || skip "sanitizers add accesses of their own"
	library=$ICBMSG_LIB_DIR/libicbmsg.so
	objdump -f "$library" | grep -q x86-64 || skip "this build is not for x86-64"
	objdump -d --no-show-raw-insn "$library" | awk '
		/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name) }
		/(\tlock |\txchg .*\()/ && !/,(0x0)?\(%rsp\)/ { print name ": " $0 }' \
		>"$BATS_TEST_TMPDIR/locks"
	cat "$BATS_TEST_TMPDIR/locks"
	grep -q 'lock cmpxchg' "$BATS_TEST_TMPDIR/locks"
	# ring_consume() and shm_replace32(), inlined into the classic generation's files.
	run ! grep -v '^classic_.*lock cmpxchg %' "$BATS_TEST_TMPDIR/locks"
}
