# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # variables are for the tests
#
# Booting virtual machines. QEMU emulates the CPU, so that no /dev/kvm is needed; a machine is up
# after some seconds. One that does not switch itself off is ended by timeout(1).

# prepare: kernel and initramfs; once for all tests.
prepare() {
	export kernel initramfs=$BATS_FILE_TMPDIR/initramfs logs=$ICBMSG_BUILD_DIR/vm
	local programs=$ICBMSG_BUILD_DIR/../static/bin
	if ! command -v qemu-system-x86_64 >/dev/null || [ ! -x "$programs/icbmsgd" ]; then
		echo "QEMU or the static programs are missing; ./dev vm-test brings both" >&2
		return 1
	fi
	mkdir -p "$logs"
	kernel=$(sh "$ICBMSG_SOURCE_DIR/tests/vm/kernel.sh" "$ICBMSG_SOURCE_DIR/build/kernel") || return 1
	sh "$ICBMSG_SOURCE_DIR/tests/vm/initramfs.sh" "$kernel" "$programs" "$initramfs"
}

# give FILE...: what the guest finds in /extra.
give() {
	local extra=$BATS_TEST_TMPDIR/give
	mkdir -p "$extra/extra"
	cp "$@" "$extra/extra"
	(cd "$extra" && find extra | cpio --quiet -o -H newc | gzip -1) >"$BATS_TEST_TMPDIR/extra.gz"
	# Archives behind each other are one to the kernel.
	cat "$initramfs" "$BATS_TEST_TMPDIR/extra.gz" >"$BATS_TEST_TMPDIR/initramfs"
	initramfs=$BATS_TEST_TMPDIR/initramfs
}

started=()

# start PROGRAM OPTION...: on the host, until the test ends; returns once it says that it is ready.
start() {
	local line fifo=$BATS_TEST_TMPDIR/banner-$RANDOM
	mkfifo "$fifo"
	"$@" --banner >"$fifo" 3>&- &
	started+=($!)
	# Kept open, so that it can go on writing. If it ends instead, that is the end of the file.
	exec {banner}<"$fifo"
	read -r line <&"$banner"
	[[ $line == *ready* ]]
}

# stop_started: what start() started, the last first.
stop_started() {
	local i
	for ((i = ${#started[@]} - 1; i >= 0; i--)); do
		kill "${started[i]}" 2>/dev/null || true
		wait "${started[i]}" || true
	done
	started=()
}

# boot NAME KERNEL_OPTIONS QEMU_OPTION...: a machine that runs guest/NAME.sh, until it is off. Its
# console stays in build/release/vm; what it has to tell is printed.
boot() {
	local name=$1 options=$2 status=0 console=$logs/$1.console
	shift 2
	timeout --kill-after=5 "${ICBMSG_VM_SECONDS:-600}" qemu-system-x86_64 -accel tcg -M q35 \
		-cpu qemu64 -smp 2 -m 256 -nodefaults -no-user-config -no-reboot -display none \
		-serial "file:$console" -kernel "$kernel"/boot/vmlinuz-* -initrd "$initramfs" \
		-append "console=ttyS0 quiet panic=-1 icbmsg.test=$name $options" "$@" \
		</dev/null 3>&- || status=$?
	tr -d '\r' <"$console" | sed -n 's/^vm: \(.*\)/# '"$name"': \1/p' >&3
	if [ "$status" -ne 0 ] || ! tr -d '\r' <"$console" | grep -qx 'vm: passed'; then
		echo "QEMU's status is $status (124: out of time); the end of $console:"
		tail -n 40 "$console"
		return 1
	fi
}
