// SPDX-License-Identifier: Apache-2.0
/*
 * UIO devices in a made-up /sys and /dev: found by number and name, with their maps, and each way
 * not to find one lists what there is.
 */
#include "unit/fake_uio.h"

#include <errno.h>

#include "mem/uio.h"

static struct fake_root root;
static char error[MEM_ERROR_SIZE];
static struct uio_device u;
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	fake_root_make(&root);
	memset(&u, 0xee, sizeof(u));
	strcpy(error, "untouched");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_root_remove(&root);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static void assert_says(const char *thing, const char *remedy)
{
	if (!strstr(error, thing) || !strstr(error, remedy))
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", error, thing, remedy);
}

static void assert_not_found(const char *which, int ret, const char *thing, const char *remedy)
{
	struct uio_device before = u;

	assert_int_equal(uio_find(&u, which, root.path, error), ret);
	assert_says(thing, remedy);
	assert_memory_equal(&u, &before, sizeof(u));
}

static void two_devices(void)
{
	fake_uio_add(&root, 0, "mailbox");
	fake_uio_add_map(&root, 0, 0, "regs", 0x30a00000, 0x10000, 0);
	fake_uio_add(&root, 12, "ipc memory");
	fake_uio_add_map(&root, 12, 0, "", 0x20070000, 0x1000, 0);
	fake_uio_add_map(&root, 12, 1, "shared", 0x20080000, 0x2000, 0x800);
}

static void found_by_number_and_by_name(void **state)
{
	(void)state;
	two_devices();
	assert_int_equal(uio_find(&u, "12", root.path, error), 0);
	assert_int_equal(u.number, 12);
	assert_string_equal(u.name, "ipc memory");
	assert_string_equal(u.version, "1.0");
	assert_int_equal(uio_find(&u, "mailbox", root.path, error), 0);
	assert_int_equal(u.number, 0);
	assert_int_equal(u.map_count, 1);
	assert_int_equal(uio_find(&u, "uio12", root.path, error), 0);
	assert_int_equal(u.number, 12);
	assert_string_equal(error, "untouched");
}

/* A name of digits is a number first, and a name if there is no such number. */
static void a_name_may_look_like_a_number(void **state)
{
	(void)state;
	fake_uio_add(&root, 3, "7");
	assert_int_equal(uio_find(&u, "7", root.path, error), 0);
	assert_int_equal(u.number, 3);
	fake_uio_add(&root, 7, "other");
	assert_int_equal(uio_find(&u, "7", root.path, error), 0);
	assert_int_equal(u.number, 7);
}

static void maps_are_read(void **state)
{
	(void)state;
	two_devices();
	assert_int_equal(uio_find(&u, "12", root.path, error), 0);
	assert_int_equal(u.map_count, 2);
	assert_string_equal(u.maps[0].name, "");
	assert_int_equal(u.maps[0].address, 0x20070000);
	assert_string_equal(u.maps[1].name, "shared");
	assert_int_equal(u.maps[1].size, 0x2000);
	assert_int_equal(u.maps[1].offset, 0x800);
	assert_int_equal(uio_map_offset(0), 0);
	assert_int_equal(uio_map_offset(1), sysconf(_SC_PAGESIZE));
}

static void maps_are_found(void **state)
{
	(void)state;
	two_devices();
	assert_int_equal(uio_find(&u, "12", root.path, error), 0);
	assert_int_equal(uio_find_map(&u, "", error), 0);
	assert_int_equal(uio_find_map(&u, "map0", error), 0);
	assert_int_equal(uio_find_map(&u, "map1", error), 1);
	assert_int_equal(uio_find_map(&u, "shared", error), 1);
	assert_string_equal(error, "untouched");
	assert_int_equal(uio_find_map(&u, "map2", error), -ENODEV);
	assert_says("uio12 \"ipc memory\" has no map \"map2\"", "it has map0, map1 shared");
	assert_int_equal(uio_find_map(&u, "map", error), -ENODEV);
}

static void no_more_maps_than_the_kernel_has(void **state)
{
	unsigned int i;

	(void)state;
	fake_uio_add(&root, 0, "many");
	for (i = 0; i < UIO_MAPS_MAX + 2; i++)
		fake_uio_add_map(&root, 0, i, "m", i << 12, 0x1000, 0);
	assert_int_equal(uio_find(&u, "many", root.path, error), 0);
	assert_int_equal(u.map_count, UIO_MAPS_MAX);
	assert_int_equal(u.maps[4].address, 0x4000);
}

static void what_is_not_there_is_answered_with_what_is(void **state)
{
	(void)state;
	assert_not_found("mailbox", -ENODEV, "uio:mailbox: there are no UIO devices",
			 "uio_pdrv_genirq");
	two_devices();
	assert_not_found("3", -ENODEV, "uio:3: no such UIO device", "uio0 \"mailbox\"");
	assert_not_found("mail", -ENODEV, "uio:mail: no such", "uio12 \"ipc memory\"");
	fake_uio_add(&root, 1, "mailbox");
	assert_not_found("mailbox", -ENOTUNIQ, "several devices", "give the number");
	assert_non_null(strstr(error, "uio0"));
	assert_non_null(strstr(error, "uio1"));
}

static void a_device_without_maps(void **state)
{
	(void)state;
	fake_uio_add(&root, 0, "irq only");
	assert_int_equal(uio_find(&u, "0", root.path, error), 0);
	assert_int_equal(u.map_count, 0);
	assert_int_equal(uio_find_map(&u, "", error), -ENODEV);
	assert_says("uio0 \"irq only\" has no memory", "driver exports none");
}

/* Long lists and names end in dots, and nothing is written beyond the text. */
static void long_lists_are_cut(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 40; i++)
		fake_uio_add(&root, i,
			     "a-name-that-is-longer-than-most-names-of-devices-are-in-practice");
	assert_not_found("x", -ENODEV, "no such UIO device", "...");
	assert_true(strlen(error) < MEM_ERROR_SIZE);
	assert_int_equal(uio_find(&u, "0", root.path, error), 0);
	assert_int_equal(strlen(u.name), UIO_NAME_SIZE - 1);
}

static void nonsense_in_sysfs_is_refused(void **state)
{
	(void)state;
	fake_uio_add(&root, 0, "odd\tname\nsecond line");
	fake_uio_add_map(&root, 0, 0, "m", 0, 0x1000, 0);
	assert_int_equal(uio_find(&u, "0", root.path, error), 0);
	assert_string_equal(u.name, "odd?name");
	fake_root_write(&root, "sys/class/uio/uio0/maps/map0/size", "0x10g0\n");
	assert_not_found("0", -EINVAL, "uio:0: its description in /sys/class/uio", "Invalid");
	fake_root_write(&root, "sys/class/uio/uio0/maps/map0/size", "0x10000000000000000\n");
	assert_not_found("0", -EINVAL, "uio:0", "Invalid");
	fake_root_write(&root, "sys/class/uio/uio0/maps/map0/size", "");
	assert_not_found("0", -EINVAL, "uio:0", "Invalid");
}

static void opens_the_device(void **state)
{
	int fd;

	(void)state;
	two_devices();
	assert_int_equal(uio_find(&u, "12", root.path, error), 0);
	assert_int_equal(uio_open(&u, false, root.path, error), -ENOENT);
	assert_says("/dev/uio12 does not exist", "udev");
	fake_uio_add_node(&root, 12, 4096);
	fd = uio_open(&u, false, root.path, error);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = uio_open(&u, true, root.path, error);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static int check_denied(void *arg)
{
	(void)arg;
	if (uio_open(&u, false, root.path, error) != -EACCES)
		return 1;
	return strncmp(error, "/dev/uio12: permission denied", 29) == 0 &&
			       strstr(error, "udev rule") ?
		       0 :
		       2;
}

static void denied_access_says_what_helps(void **state)
{
	(void)state;
	two_devices();
	fake_uio_add_node(&root, 12, 4096);
	assert_int_equal(uio_find(&u, "12", root.path, error), 0);
	fake_root_chmod(&root, "dev/uio12", geteuid() == 0 ? 0600 : 0);
	assert_int_equal(as_nobody(check_denied, NULL), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(found_by_number_and_by_name),
		T(a_name_may_look_like_a_number),
		T(maps_are_read),
		T(maps_are_found),
		T(no_more_maps_than_the_kernel_has),
		T(what_is_not_there_is_answered_with_what_is),
		T(a_device_without_maps),
		T(long_lists_are_cut),
		T(nonsense_in_sysfs_is_refused),
		T(opens_the_device),
		T(denied_access_says_what_helps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
