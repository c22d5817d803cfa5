// SPDX-License-Identifier: Apache-2.0
/*
 * A link over a UIO interrupt and a register, as on a board: side A is rung by the interrupt of a
 * device in user space and rings by writing to its registers; side B is rung and rings by eventfds,
 * and the test is the wires between them. Rescues are a minute apart, so what arrives was rung for.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/config.h"
#include "ends.h"
#include "support/set.h"
#include "support/uio_fuse.h"

#define REGION 0x2000u
#define LINE 7 /* what A writes to ring */

static struct {
	char root[32];
	struct uio_fuse uio;
	int memory, to_b, from_b;
	struct icbmsg *a, *b;
	struct seen a_seen, b_seen;
	unsigned int gone; /* lines logged about the device */
} t;

static struct icbmsg *open_end(struct icbmsg_config *cfg, bool initiator)
{
	struct icbmsg *link;

	set(cfg, "memory", "fd:%d", t.memory);
	set(cfg, "rescue-interval", "1m");
	set(cfg, "dcache-alignment", "8");
	set(cfg, initiator ? "rx-region" : "tx-region", "0 %u", REGION);
	set(cfg, initiator ? "tx-region" : "rx-region", "%u %u", REGION, REGION);
	set(cfg, "tx-blocks", "16");
	set(cfg, "rx-blocks", "16");
	if (icbmsg_open(&link, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return link;
}

static void log_line(void *user, enum icbmsg_log_level level, const char *line)
{
	(void)user;
	if (strstr(line, "uio:mailbox interrupts no more")) {
		assert_int_equal(level, ICBMSG_LOG_WARNING);
		t.gone++;
	}
}

static void open_a(void)
{
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	config_set_root(cfg, t.root);
	set(cfg, "doorbell-in", "uio:mailbox");
	set(cfg, "doorbell-ack", "file:%s+0 clear32 0x1", t.uio.registers);
	set(cfg, "doorbell-out", "register:file:%s+8 write16 %d", t.uio.registers, LINE);
	t.a = open_end(cfg, true);
	icbmsg_set_log(t.a, log_line, NULL);
}

static void open_b(void)
{
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	set(cfg, "doorbell", "eventfd:%d,%d", t.to_b, t.from_b);
	t.b = open_end(cfg, false);
}

/* What sysfs says of the device, and where it is mounted. */
static const char *const folders[] = { "dev", "sys", "sys/class", "sys/class/uio",
				       "sys/class/uio/uio0" };
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

static char *below(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", t.root, name);
	return path;
}

static void make_root(void)
{
	FILE *f;

	strcpy(t.root, "/tmp/icbmsg-root-XXXXXX");
	assert_non_null(mkdtemp(t.root));
	for (size_t i = 0; i < FOLDERS; i++)
		assert_int_equal(mkdir(below(folders[i]), 0755), 0);
	f = fopen(below("sys/class/uio/uio0/name"), "w");
	assert_non_null(f);
	assert_true(fputs("mailbox\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void remove_root(void)
{
	unlink(below("sys/class/uio/uio0/name"));
	unlink(below("registers"));
	for (size_t i = FOLDERS; i-- > 0;)
		rmdir(below(folders[i]));
	assert_int_equal(rmdir(t.root), 0);
}

static bool have_fuse(void)
{
	bool have;

	make_root();
	have = uio_fuse_start(&t.uio, t.root);
	if (have)
		uio_fuse_stop(&t.uio);
	remove_root();
	return have;
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	make_root();
	assert_true(uio_fuse_start(&t.uio, t.root));
	t.uio.device->level = true;
	t.memory = memfd_create("link", MFD_CLOEXEC);
	assert_int_equal(ftruncate(t.memory, 2 * (off_t)REGION), 0);
	t.to_b = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.from_b = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	open_a();
	open_b();
	ends_register(t.a, &t.a_seen, "ep");
	ends_register(t.b, &t.b_seen, "ep");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	icbmsg_close(t.a);
	icbmsg_close(t.b);
	close(t.memory);
	close(t.to_b);
	close(t.from_b);
	uio_fuse_stop(&t.uio);
	remove_root();
	return 0;
}

/* The wires. True if anything was on them. */
static bool carry(void)
{
	_Atomic uint32_t *line = &t.uio.device->scratch[1];
	bool any = false;
	eventfd_t rung;

	if (*line != 0) {
		assert_int_equal(*line, LINE);
		*line = 0;
		eventfd_write(t.to_b, 1);
		any = true;
	}
	if (eventfd_read(t.from_b, &rung) == 0) {
		uio_fuse_interrupt(&t.uio);
		any = true;
	}
	return any;
}

static bool readable(struct icbmsg *link, int timeout_ms)
{
	struct pollfd p = { .fd = icbmsg_get_fd(link), .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* Each side acts when its descriptor says so, and not otherwise. */
static void until(const int *flag, int value)
{
	int64_t end = ends_now() + SURELY;

	while (*flag < value) {
		assert_true(ends_now() < end);
		carry();
		if (readable(t.a, 0))
			icbmsg_dispatch(t.a, 0);
		if (readable(t.b, 1))
			icbmsg_dispatch(t.b, 0);
	}
}

static void bind_both(void)
{
	until(&t.a_seen.bound, 1);
	until(&t.b_seen.bound, 1);
}

static void messages_are_rung_for(void **state)
{
	uint64_t interrupts;
	uint8_t data[500];

	(void)state;
	bind_both();
	interrupts = ends_counter(t.a, "doorbells_received");
	for (int i = 1; i <= 50; i++) {
		fill_pattern(data, sizeof(data), (unsigned int)i);
		assert_int_equal(icbmsg_send(t.b_seen.ept, data, sizeof(data), SURELY), 0);
		until(&t.a_seen.received, i);
		assert_memory_equal(t.a_seen.data, data, sizeof(data));
		assert_int_equal(icbmsg_send(t.a_seen.ept, data, (size_t)i, SURELY), 0);
		until(&t.b_seen.received, i);
		assert_memory_equal(t.b_seen.data, data, (size_t)i);
	}
	assert_true(ends_counter(t.a, "doorbells_received") >= interrupts + 50);
	assert_true(ends_counter(t.a, "doorbells_sent") >= 50);
	assert_int_equal(ends_counter(t.a, "interrupts_gone"), 0);
	assert_int_equal(ends_counter(t.a, "rescues"), 0);
	assert_int_equal(ends_counter(t.a, "rx_rescues"), 0);
	/* Acknowledged and enabled, and the registers around are as they were. */
	while (carry() || readable(t.a, 0))
		icbmsg_dispatch(t.a, 0);
	assert_int_equal(t.uio.device->status, 0);
	assert_true(t.uio.device->enabled);
	assert_int_equal(t.uio.device->scratch[0], 0);
	assert_int_equal(t.uio.device->scratch[2], 0);
}

/* The timer that takes over finds what nobody rings for any more. */
static void the_link_outlives_its_interrupt(void **state)
{
	eventfd_t rung;

	(void)state;
	bind_both();
	while (carry() || readable(t.a, 0))
		icbmsg_dispatch(t.a, 0);
	t.uio.device->read_error = EIO;
	uio_fuse_wake(&t.uio);
	assert_true(readable(t.a, -1));
	icbmsg_dispatch(t.a, 0);
	assert_int_equal(t.gone, 1);
	assert_int_equal(ends_counter(t.a, "interrupts_gone"), 1);
	for (int i = 1; i <= 20; i++) {
		assert_int_equal(icbmsg_send(t.b_seen.ept, "m", 1, SURELY), 0);
		eventfd_read(t.from_b, &rung);
		until(&t.a_seen.received, i);
	}
	assert_int_equal(t.gone, 1);
	assert_int_equal(ends_counter(t.a, "interrupts_gone"), 1);
	assert_true(ends_counter(t.a, "interrupt_timers") > 0);
	assert_int_equal(ends_counter(t.a, "rx_rescues"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_are_rung_for, setup, teardown),
		cmocka_unit_test_setup_teardown(the_link_outlives_its_interrupt, setup, teardown),
	};

	if (!have_fuse()) {
		fprintf(stderr, "skipped: no file system can be mounted with FUSE here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
