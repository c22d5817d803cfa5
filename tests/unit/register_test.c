// SPDX-License-Identifier: Apache-2.0
/*
 * Registers: an access touches its own bytes and no others, does what it is called, and is refused
 * where the place is too small, or the wrong one.
 */
#include "unit/fake_uio.h"

#include <errno.h>
#include <sys/mman.h>

#include "mem/register.h"

#define PAGE 4096
#define AROUND 0xa5 /* bytes that nobody may touch */

static char error[MEM_ERROR_SIZE];
static struct fake_root root;
static char file[64];
static uint8_t *page; /* what the device would see */
static int fds_before;

static int setup(void **state)
{
	int fd;

	(void)state;
	fake_root_make(&root);
	fds_before = count_fds();
	fake_root_memory(&root, "registers", PAGE);
	snprintf(file, sizeof(file), "%s/registers", root.path);
	fd = open(file, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(page != MAP_FAILED);
	close(fd);
	memset(page, AROUND, PAGE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(page, PAGE);
	assert_int_equal(count_fds(), fds_before);
	fake_root_remove(&root);
	return 0;
}

static struct register_access in_file(enum register_action action, unsigned int bits,
				      uint64_t offset, uint64_t value)
{
	struct register_access a = { .place = REGISTER_FILE,
				     .action = action,
				     .bits = bits,
				     .offset = offset,
				     .value = value };

	strcpy(a.name, file);
	return a;
}

static void run(const struct register_access *a, unsigned int count)
{
	struct register_list list = { .count = count };
	struct registers *r = NULL;

	memcpy(list.at, a, count * sizeof(*a));
	if (registers_open(&r, &list, root.path, error) != 0)
		fail_msg("%s", error);
	registers_run(r);
	registers_close(r);
}

static uint64_t value_at(uint64_t offset, unsigned int bits)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < bits / 8; i++)
		v |= (uint64_t)page[offset + i] << 8 * i;
	return v;
}

static void put(uint64_t offset, unsigned int bits, uint64_t v)
{
	for (unsigned int i = 0; i < bits / 8; i++)
		page[offset + i] = (uint8_t)(v >> 8 * i);
}

static void assert_nothing_around(uint64_t offset, unsigned int bits)
{
	for (uint64_t i = 0; i < PAGE; i++)
		if (page[i] != AROUND && (i < offset || i >= offset + bits / 8))
			fail_msg("byte 0x%llx was touched", (unsigned long long)i);
}

static void actions_do_what_they_say(void **state)
{
	static const struct {
		enum register_action action;
		uint64_t before, value, after;
	} all[] = {
		{ REGISTER_WRITE, 0x55, 0x81, 0x81 }, { REGISTER_WRITE, 0x55, 0, 0 },
		{ REGISTER_SET, 0x55, 0x82, 0xd7 },   { REGISTER_SET, 0x55, 0x01, 0x55 },
		{ REGISTER_CLEAR, 0x55, 0x41, 0x14 }, { REGISTER_CLEAR, 0x55, 0xaa, 0x55 },
		{ REGISTER_W1C, 0x55, 0x0f, 0x05 }, /* plain memory keeps what a device would clear */
	};

	(void)state;
	for (unsigned int bits = 8; bits <= 8 * sizeof(void *); bits *= 2)
		for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
			/* The upper byte, so that all of the width is in use. */
			unsigned int up = bits - 8;
			struct register_access a =
				in_file(all[i].action, bits, 0x118, all[i].value << up);

			memset(page, AROUND, PAGE);
			put(0x118, bits, all[i].before << up);
			run(&a, 1);
			assert_true(value_at(0x118, bits) == all[i].after << up);
			assert_nothing_around(0x118, bits);
		}
}

/* Nothing to clear: a write could clear what arrives between the read and it. */
static void nothing_pending_is_not_written(void **state)
{
	struct register_access a = in_file(REGISTER_W1C, 32, 0x20, 0x8);
	struct register_list list = { .count = 1, .at = { a } };
	struct registers *r;

	(void)state;
	put(0x20, 32, 0x7);
	assert_int_equal(registers_open(&r, &list, NULL, error), 0);
	registers_run(r);
	assert_true(value_at(0x20, 32) == 0x7);
	put(0x20, 32, 0xf);
	registers_run(r);
	assert_true(value_at(0x20, 32) == 0x8);
	registers_close(r);
}

static void accesses_come_in_order(void **state)
{
	const struct register_access a[] = {
		in_file(REGISTER_WRITE, 32, 0, 0xf0),
		in_file(REGISTER_CLEAR, 32, 0, 0x30),
		in_file(REGISTER_SET, 32, 0, 0x1),
		in_file(REGISTER_WRITE, 8, 0x7ff, 0x7f),
	};

	(void)state;
	run(a, 4);
	assert_int_equal(value_at(0, 32), 0xc1);
	assert_int_equal(page[0x7ff], 0x7f);
	assert_int_equal(page[0x7fe], AROUND);
	assert_int_equal(page[0x800], AROUND);
}

static void an_empty_list_is_nothing(void **state)
{
	const struct register_list none = { 0 };
	struct registers *r = (struct registers *)&error;

	(void)state;
	assert_int_equal(registers_open(&r, &none, NULL, error), 0);
	assert_null(r);
	registers_run(r);
	registers_close(r);
}

/* /dev/mem by address, also of bytes that are not on a word. */
static void physical_registers(void **state)
{
	struct register_access a = { .place = REGISTER_MEM,
				     .action = REGISTER_WRITE,
				     .bits = 8,
				     .offset = PAGE + 0x103,
				     .value = 0x42 };
	char name[96];
	uint8_t got[3];
	int fd;

	(void)state;
	fake_root_memory(&root, "dev/mem", 2 * PAGE);
	run(&a, 1);
	snprintf(name, sizeof(name), "%s/dev/mem", root.path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, got, sizeof(got), PAGE + 0x102), sizeof(got));
	close(fd);
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 0x42);
	assert_int_equal(got[2], 0);
}

static struct register_access in_uio(unsigned int bits, uint64_t offset)
{
	struct register_access a = { .place = REGISTER_UIO,
				     .action = REGISTER_WRITE,
				     .bits = bits,
				     .offset = offset,
				     .value = 0x12 };

	strcpy(a.name, "mailbox");
	return a;
}

/* The registers begin where the map's offset says. */
static void uio_registers(void **state)
{
	struct register_access a = in_uio(32, 0x14);
	char name[96];
	uint32_t got;
	int fd;

	(void)state;
	fake_uio_add(&root, 0, "mailbox");
	fake_uio_add_map(&root, 0, 0, "first", 0x1000, PAGE, 0);
	fake_uio_add_map(&root, 0, 1, "second", 0x2000, PAGE, 0x100);
	fake_uio_add_node(&root, 0, 2 * PAGE);
	strcpy(a.map, "second");
	run(&a, 1);
	snprintf(name, sizeof(name), "%s/dev/uio0", root.path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &got, 4, PAGE + 0x114), 4);
	close(fd);
	assert_int_equal(le32toh(got), 0x12);
}

static void assert_refused(const struct register_access *a, int ret, const char *text)
{
	/* A good one before it is let go of. */
	struct register_list list = { .count = 2, .at = { in_file(REGISTER_SET, 8, 0, 1), *a } };
	struct registers *r = (struct registers *)&list;

	assert_int_equal(registers_open(&r, &list, root.path, error), ret);
	if (!strstr(error, text))
		fail_msg("\"%s\" lacks \"%s\"", error, text);
	assert_ptr_equal(r, &list);
}

static void wrong_places_are_refused(void **state)
{
	struct register_access a = in_uio(64, 0x18);

	(void)state;
	assert_refused(&a, -ENODEV, "uio:mailbox: there are no UIO devices");
	fake_uio_add(&root, 3, "mailbox");
	fake_uio_add_map(&root, 3, 0, "odd", 0x1000, PAGE, 0x104);
	fake_uio_add_node(&root, 3, PAGE);
	assert_refused(&a, -EINVAL, "is not aligned; use narrower ones");
	a = in_uio(32, 0xf00);
	assert_refused(&a, -EINVAL, "but the registers need 3844; correct the registers");
	strcpy(a.map, "map1");
	assert_refused(&a, -ENODEV, "has no map \"map1\"");
	a = in_file(REGISTER_WRITE, 32, PAGE, 1);
	assert_refused(&a, -EINVAL, "has 4096 bytes but the registers need 4100");
	strcpy(a.name, "/nonexistent");
	assert_refused(&a, -ENOENT, "file:/nonexistent does not exist");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(actions_do_what_they_say), T(nothing_pending_is_not_written),
		T(accesses_come_in_order),   T(an_empty_list_is_nothing),
		T(physical_registers),       T(uio_registers),
		T(wrong_places_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
