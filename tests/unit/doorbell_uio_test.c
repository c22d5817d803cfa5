// SPDX-License-Identifier: Apache-2.0
/*
 * Interrupts of UIO devices as doorbells: taken, acknowledged and enabled again in this order;
 * merged ones counted; storms and devices that go away endured.
 */
#include "unit/fake_uio.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "mem/doorbell.h"
#include "support/uio_fuse.h"

#define STORM_ROW 512 /* doorbell_uio.c's */
#define MS INT64_C(1000000)

static char error[MEM_ERROR_SIZE];
static struct fake_root root;
static struct uio_fuse fake;
static struct uio_fuse_device *device;
static struct doorbell bell;
static struct doorbell_counters count;
static char logged[256];
static unsigned int lines;
static int fds_before;
static int64_t now_ns;

/* Time stands still until a test moves it. Timers are the kernel's. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = now_ns / (1000 * MS), .tv_nsec = now_ns % (1000 * MS) };
	return 0;
}

/* What the timer was set to last; it is the kernel's otherwise. */
static int64_t timer_ns;
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *was);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *was);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *was)
{
	timer_ns = to->it_value.tv_sec * 1000 * MS + to->it_value.tv_nsec;
	return __real_timerfd_settime(fd, flags, to, was);
}

/* Where in PCI configuration space was written last, and how much at once. */
static off_t written_at;
static size_t written;
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	written_at = offset;
	written = size;
	return __real_pwrite(fd, data, size, offset);
}

static void log_line(void *user, const char *line)
{
	assert_ptr_equal(user, &count);
	snprintf(logged, sizeof(logged), "%s", line);
	lines++;
}

static const struct doorbell_host host = { .count = &count, .log = log_line, .user = &count };

static bool have_fuse(void)
{
	bool have;

	fake_root_make(&root);
	fake_root_write(&root, "dev/x", "");
	have = uio_fuse_start(&fake, root.path);
	if (have)
		uio_fuse_stop(&fake);
	fake_root_remove(&root);
	return have;
}

static int setup(void **state)
{
	(void)state;
	fake_root_make(&root);
	fds_before = count_fds();
	fake_uio_add(&root, 0, "mailbox");
	fake_root_write(&root, "dev/x", "");
	assert_true(uio_fuse_start(&fake, root.path));
	device = fake.device;
	count = (struct doorbell_counters){ 0 };
	lines = 0;
	now_ns = 1000 * MS;
	strcpy(error, "untouched");
	bell = DOORBELL_CLOSED;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	doorbell_close(&bell);
	uio_fuse_stop(&fake);
	assert_int_equal(count_fds(), fds_before);
	fake_root_remove(&root);
	return 0;
}

static struct doorbell_spec spec(void)
{
	return (struct doorbell_spec){
		.in = { .kind = DOORBELL_IN_UIO, .name = "mailbox", .root = root.path },
		.out.kind = DOORBELL_OUT_NOBODY
	};
}

/* An access to the word at @offset of the registers. */
static struct register_list access_to(uint64_t offset, enum register_action action, uint64_t value)
{
	struct register_list list = { .count = 1 };

	list.at[0] = (struct register_access){ .place = REGISTER_FILE,
					       .action = action,
					       .bits = 32,
					       .offset = offset,
					       .value = value };
	strcpy(list.at[0].name, fake.registers);
	return list;
}

static void open_bell(const struct doorbell_spec *s)
{
	if (doorbell_open(&bell, s, &host, error) != 0)
		fail_msg("%s", error);
}

static void open_default(void)
{
	struct doorbell_spec s = spec();

	open_bell(&s);
}

static bool readable(int timeout_ms)
{
	struct pollfd p = { .fd = bell.in.fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void interrupts_ring(void **state)
{
	uint32_t enables;

	(void)state;
	open_default();
	assert_true(doorbell_is_rung(&bell));
	assert_true(fcntl(bell.in.fd, F_GETFD) & FD_CLOEXEC);
	assert_false(readable(0));
	assert_int_equal(doorbell_clear(&bell), 0);
	enables = device->enables;
	for (unsigned int i = 1; i <= 3; i++) {
		uio_fuse_interrupt(&fake);
		assert_true(readable(-1));
		assert_false(device->enabled);
		assert_int_equal(doorbell_clear(&bell), 1);
		assert_true(device->enabled);
		assert_int_equal(device->enables, enables + i);
		assert_false(readable(0));
		assert_int_equal(doorbell_clear(&bell), 0);
	}
	assert_int_equal(device->enables, enables + 3);
	assert_int_equal(device->bad_writes, 0);
	assert_int_equal(count.interrupts_merged, 0);
	assert_int_equal(lines, 0);
}

/* A device that was in use before, with its interrupt left disabled and one pending. */
static void what_was_before_does_not_matter(void **state)
{
	(void)state;
	device->count = 1000;
	device->enabled = false;
	device->pending = true;
	fake_uio_attribute(&root, 0, "event", "1000");
	open_default();
	assert_true(readable(-1));
	assert_int_equal(doorbell_clear(&bell), 1);
	assert_int_equal(count.interrupts_merged, 0);
}

static void gaps_in_the_count_are_merged_ones(void **state)
{
	(void)state;
	device->count = UINT32_MAX - 1;
	fake_uio_attribute(&root, 0, "event", "4294967294");
	open_default();
	device->count += 2; /* and wraps */
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 3);
	assert_int_equal(count.interrupts_merged, 2);
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 1);
	/* The driver was loaded anew. */
	device->count = 0;
	uio_fuse_interrupt(&fake);
	device->count = 1;
	assert_int_equal(doorbell_clear(&bell), 1);
	assert_int_equal(count.interrupts_merged, 2);
}

/* Enabled before it is acknowledged, a level interrupt would come again at once. */
static void acknowledged_before_enabled(void **state)
{
	struct doorbell_spec s = spec();

	(void)state;
	s.in.ack = access_to(0, REGISTER_CLEAR, 1);
	device->level = true;
	open_bell(&s);
	for (unsigned int i = 1; i <= 3; i++) {
		uio_fuse_interrupt(&fake);
		assert_int_equal(device->status, 1);
		assert_int_equal(doorbell_clear(&bell), 1);
		assert_int_equal(device->status, 0);
		assert_int_equal(device->count, i);
		assert_false(readable(0));
	}
}

static void setup_comes_first_and_once(void **state)
{
	struct doorbell_spec s = spec();

	(void)state;
	s.setup = access_to(8, REGISTER_SET, 0x10);
	s.out = (struct doorbell_out_spec){ .kind = DOORBELL_OUT_REGISTER,
					    .ring = access_to(12, REGISTER_WRITE, 7) };
	device->scratch[1] = 1;
	open_bell(&s);
	assert_int_equal(device->scratch[1], 0x11);
	assert_int_equal(device->scratch[2], 0);
	device->scratch[1] = 0;
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 1);
	assert_int_equal(device->scratch[1], 0);
	assert_true(doorbell_can_ring(&bell));
	assert_int_equal(doorbell_ring(&bell), 0);
	assert_int_equal(device->scratch[2], 7);
}

/* Bytes 4 and 5 are the command register; byte 5's bit 2 disables the interrupt. */
static uint8_t config_upper(void)
{
	char path[128];
	uint8_t bytes[8];
	int fd;

	snprintf(path, sizeof(path), "%s/sys/class/uio/uio0/device/config", root.path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_memory_equal(bytes, "ABCDE", 5);
	assert_memory_equal(bytes + 6, "GH", 2);
	/* As the driver's handler does. */
	assert_int_equal(pwrite(fd, "\x47", 1, 5), 1);
	close(fd);
	return bytes[5];
}

static void pci_devices_are_enabled_in_their_configuration(void **state)
{
	struct doorbell_spec s = spec();

	(void)state;
	device->write_error = ENOSYS;
	fake_uio_attribute(&root, 0, "name", "uio_pci_generic");
	fake_uio_attribute(&root, 0, "device/config", "ABCDE\x47GH");
	strcpy(s.in.name, "0");
	open_bell(&s);
	assert_int_equal(config_upper(), 0x43);
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 1);
	/* The whole register: QEMU goes wrong otherwise. */
	assert_int_equal(written_at, 4);
	assert_int_equal(written, 2);
	assert_int_equal(config_upper(), 0x43);
}

static void pci_configuration_that_is_not_there(void **state)
{
	struct doorbell_spec s = spec();

	(void)state;
	device->write_error = ENOSYS;
	fake_uio_attribute(&root, 0, "name", "uio_pci_generic");
	strcpy(s.in.name, "0");
	assert_int_equal(doorbell_open(&bell, &s, &host, error), -ENOENT);
	assert_non_null(strstr(error, "which enables its interrupt"));
	fake_root_write(&root, "sys/class/uio/uio0/device/config", "ABC");
	assert_int_equal(doorbell_open(&bell, &s, &host, error), -EIO);
	assert_non_null(strstr(error, "which enables its interrupt: Input/output error"));
}

/* Other drivers without a way to enable never disable. */
static void drivers_that_need_no_enabling(void **state)
{
	(void)state;
	device->write_error = ENOSYS;
	open_default();
	uio_fuse_interrupt(&fake);
	assert_true(readable(-1));
	assert_int_equal(doorbell_clear(&bell), 1);
	device->enabled = true;
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 1);
	assert_int_equal(lines, 0);
}

static void assert_refused(int ret, const char *text)
{
	struct doorbell_spec s = spec();
	int fds = count_fds();

	assert_int_equal(doorbell_open(&bell, &s, &host, error), ret);
	if (!strstr(error, text))
		fail_msg("\"%s\" lacks \"%s\"", error, text);
	assert_int_equal(bell.in.fd, -1);
	assert_int_equal(count_fds(), fds);
}

static void devices_without_interrupts_are_refused(void **state)
{
	(void)state;
	device->write_error = EIO;
	assert_refused(-EIO, "uio0 \"mailbox\" has no interrupt; give its devicetree node one, or "
			     "set doorbell-in = poll");
	device->write_error = EPERM;
	assert_refused(-EPERM, "enabling its interrupt: Operation not permitted");
	fake_uio_attribute(&root, 0, "name", "other");
	assert_refused(-ENODEV, "uio:mailbox: no such UIO device; there are uio0 \"other\"");
}

/* The timer has taken over: no reads, no more lines. */
static void assert_polls(const char *why)
{
	uint32_t reads = device->reads;

	assert_false(doorbell_is_rung(&bell));
	assert_int_equal(count.interrupts_gone, 1);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(logged, why));
	assert_non_null(strstr(logged, "uio:mailbox interrupts no more"));
	for (unsigned int i = 1; i <= 3; i++) {
		assert_true(readable(-1));
		assert_int_equal(doorbell_clear(&bell), 0);
		doorbell_looked(&bell, 0, false);
		assert_int_equal(count.interrupt_timers, i);
	}
	assert_int_equal(device->reads, reads);
	assert_int_equal(lines, 1);
}

static void a_device_that_goes_away_is_told_once(void **state)
{
	(void)state;
	open_default();
	device->read_error = EIO;
	uio_fuse_wake(&fake);
	assert_true(readable(-1));
	assert_int_equal(doorbell_clear(&bell), 0);
	assert_polls("Input/output error");
}

static void short_reads_are_no_counts(void **state)
{
	(void)state;
	open_default();
	device->read_size = 2;
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 0);
	assert_polls("not a UIO device's answer");
}

/* The ring itself has come, so it counts. */
static void interrupts_that_cannot_be_enabled_again(void **state)
{
	(void)state;
	open_default();
	device->write_error = EIO;
	uio_fuse_interrupt(&fake);
	assert_int_equal(doorbell_clear(&bell), 1);
	assert_polls("Input/output error");
}

/* Interrupts for nothing until they are left disabled; how many that took. */
static unsigned int storm(void)
{
	unsigned int n = 0;
	uint64_t rung;

	while (readable(0)) {
		rung = doorbell_clear(&bell);
		doorbell_looked(&bell, rung, false);
		n += rung > 0;
		assert_true(n < 2 * STORM_ROW);
	}
	return n;
}

/* Most of a storm in one interrupt: a request to a device in user space takes its time. */
static void short_storm(void)
{
	device->count += STORM_ROW - 10;
	uio_fuse_interrupt(&fake);
	assert_int_equal(storm(), 11);
}

static void storms_are_waited_out(void **state)
{
	uint32_t reads;

	(void)state;
	device->level = true;
	open_default();
	uio_fuse_interrupt(&fake);
	assert_int_equal(storm(), STORM_ROW + 1);
	assert_false(device->enabled);
	assert_int_equal(count.interrupt_storms, 1);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(logged, "does doorbell-ack end it?"));
	/* Nothing is read meanwhile, whoever looks. */
	reads = device->reads;
	assert_int_equal(doorbell_clear(&bell), 0);
	assert_int_equal(device->reads, reads);

	/* After every pause it gets another chance, and each pause is longer. */
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(timer_ns, (5 << i) * MS);
		assert_true(readable(-1));
		assert_int_equal(doorbell_clear(&bell), 1);
		assert_int_equal(count.interrupt_timers, i);
		doorbell_looked(&bell, 1, false);
		assert_int_equal(storm(), 1);
	}
	assert_int_equal(count.interrupt_storms, 1);
	assert_int_equal(lines, 1);
	assert_true(doorbell_is_rung(&bell));
}

/* Few looks, but many interrupts: a slow reader of a driver that does not disable. */
static void merged_interrupts_make_a_storm(void **state)
{
	(void)state;
	open_default();
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(count.interrupt_storms, 0);
		device->count += STORM_ROW / 2;
		uio_fuse_interrupt(&fake);
		assert_int_equal(doorbell_clear(&bell), STORM_ROW / 2 + 1);
		doorbell_looked(&bell, STORM_ROW / 2 + 1, false);
	}
	assert_int_equal(count.interrupt_storms, 1);
}

/* Where the driver does not disable the interrupt, it is at least not listened to. */
static void storms_that_cannot_be_disabled(void **state)
{
	(void)state;
	device->write_error = ENOSYS;
	open_default();
	device->count += STORM_ROW;
	for (unsigned int i = 0; i < 2; i++) {
		device->enabled = true;
		uio_fuse_interrupt(&fake);
		doorbell_looked(&bell, doorbell_clear(&bell), false);
	}
	assert_int_equal(count.interrupt_storms, 1);
	device->enabled = true;
	uio_fuse_interrupt(&fake);
	assert_true(readable(-1)); /* the timer */
	assert_int_equal(count.interrupt_timers, 0);
	assert_int_equal(doorbell_clear(&bell), 1);
	assert_int_equal(count.interrupt_timers, 1);
}

static void something_to_find_ends_a_storm(void **state)
{
	(void)state;
	device->level = true;
	open_default();
	short_storm();
	device->status = 0;
	assert_true(readable(-1));
	assert_int_equal(doorbell_clear(&bell), 0);
	assert_true(device->enabled);
	uio_fuse_interrupt(&fake);
	device->status = 0;
	assert_int_equal(doorbell_clear(&bell), 1);
	doorbell_looked(&bell, 1, true);
	/* All is forgotten. */
	assert_int_equal(count.interrupt_storms, 1);
	short_storm();
	assert_int_equal(count.interrupt_storms, 2);
	assert_int_equal(timer_ns, 10 * MS);
}

/* Others ring for nothing now and then, too. */
static void slow_rows_are_no_storm(void **state)
{
	(void)state;
	open_default();
	for (unsigned int i = 0; i < 20; i++) {
		device->count += 199;
		uio_fuse_interrupt(&fake);
		assert_int_equal(doorbell_clear(&bell), 200);
		doorbell_looked(&bell, 200, false);
		now_ns += 300 * MS;
	}
	assert_int_equal(count.interrupt_storms, 0);
	assert_true(device->enabled);
}

static void rows_with_something_to_find_are_no_storm(void **state)
{
	(void)state;
	open_default();
	for (unsigned int i = 0; i < 20; i++) {
		device->count += 199;
		uio_fuse_interrupt(&fake);
		assert_int_equal(doorbell_clear(&bell), 200);
		doorbell_looked(&bell, 200, i % 3 == 2);
	}
	assert_int_equal(count.interrupt_storms, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(interrupts_ring),
		T(what_was_before_does_not_matter),
		T(gaps_in_the_count_are_merged_ones),
		T(acknowledged_before_enabled),
		T(setup_comes_first_and_once),
		T(pci_devices_are_enabled_in_their_configuration),
		T(pci_configuration_that_is_not_there),
		T(drivers_that_need_no_enabling),
		T(devices_without_interrupts_are_refused),
		T(a_device_that_goes_away_is_told_once),
		T(short_reads_are_no_counts),
		T(interrupts_that_cannot_be_enabled_again),
		T(storms_are_waited_out),
		T(merged_interrupts_make_a_storm),
		T(storms_that_cannot_be_disabled),
		T(something_to_find_ends_a_storm),
		T(slow_rows_are_no_storm),
		T(rows_with_something_to_find_are_no_storm),
	};

	if (!have_fuse()) {
		fprintf(stderr, "skipped: no file system can be mounted with FUSE here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
