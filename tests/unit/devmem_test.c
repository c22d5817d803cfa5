// SPDX-License-Identifier: Apache-2.0
/*
 * Physical memory and UIO maps in a made-up /dev, where they are plain files: what is mapped, that
 * one region has one writer, and what is said about each refusal. The kernel's refusals are made by
 * taking the place of open(2), mmap(2) and capget(2) (--wrap of the linker).
 */
#include "unit/fake_uio.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "mem/memory.h"

#define PHYSICAL 0x20070000u
#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static struct fake_root root;
static struct memory_spec spec;
static char error[MEM_ERROR_SIZE];
static int fds_before;

static int mmap_fails, open_fails; /* errno, 0: they do not */
static int open_flags;             /* of the last open of a device */

/* What the calls are to the linker where off_t is made 64 bits wide. */
#if defined(__LP64__)
#define LINKED(prefix, call) prefix##call
#else
#define LINKED(prefix, call) prefix##call##64
#endif
#define real_mmap LINKED(__real_, mmap)
#define real_open LINKED(__real_, open)
#define wrap_mmap LINKED(__wrap_, mmap)
#define wrap_open LINKED(__wrap_, open)

void *real_mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset);
void *wrap_mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset);
int real_open(const char *path, int flags, ...);
int wrap_open(const char *path, int flags, ...);

void *wrap_mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (mmap_fails && fd >= 0) {
		errno = mmap_fails;
		return MAP_FAILED;
	}
	return real_mmap(address, length, prot, flags, fd, offset);
}

int wrap_open(const char *path, int flags, ...)
{
	if (!strstr(path, "/dev/"))
		return real_open(path, flags, 0);
	open_flags = flags;
	if (open_fails) {
		errno = open_fails;
		return -1;
	}
	return real_open(path, flags, 0);
}

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	fake_root_make(&root);
	mmap_fails = open_fails = 0;
	spec = (struct memory_spec){ .kind = MEMORY_DEVMEM,
				     .fd = -1,
				     .address = PHYSICAL,
				     .sync = true,
				     .size = 0x1800,
				     .root = root.path };
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

static void assert_refused(int ret, const char *thing, const char *remedy)
{
	struct memory m = { .base = NULL, .size = 42 };

	assert_int_equal(memory_map(&m, &spec, false, error), ret);
	if (!strstr(error, thing) || !strstr(error, remedy))
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", error, thing, remedy);
	assert_true(strlen(error) < MEM_ERROR_SIZE - 1);
	assert_int_equal(m.size, 42);
}

/* The byte at @offset in the file at @name. */
static uint8_t file_byte(const char *name, uint64_t offset)
{
	char path[128];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root.path, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
	return byte;
}

/* ------------------------------------------------------------------------------------------------
 * /dev/mem
 */

static void physical_memory(void)
{
	fake_root_memory(&root, "dev/mem", PHYSICAL + 0x10000);
}

static void maps_an_address(void **state)
{
	struct memory m;

	(void)state;
	physical_memory();
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	assert_int_equal(m.size, 0x1800);
	assert_int_equal(m.type, MEM_DEVICE);
	assert_int_equal(open_flags & (O_ACCMODE | O_SYNC | O_CLOEXEC),
			 O_RDWR | O_SYNC | O_CLOEXEC);
	m.base[0] = 1;
	m.base[0x17ff] = 2;
	memory_unmap(&m);
	assert_int_equal(file_byte("dev/mem", PHYSICAL), 1);
	assert_int_equal(file_byte("dev/mem", PHYSICAL + 0x17ff), 2);
	assert_string_equal(error, "untouched");
}

static void an_address_need_not_be_on_a_page(void **state)
{
	struct memory m;

	(void)state;
	physical_memory();
	spec.address = PHYSICAL + 0xffc;
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	assert_int_equal((uintptr_t)m.base % PAGE, spec.address % PAGE);
	m.base[0] = 3;
	m.base[0x17ff] = 4;
	memory_unmap(&m);
	assert_int_equal(file_byte("dev/mem", PHYSICAL + 0xffc), 3);
	assert_int_equal(file_byte("dev/mem", PHYSICAL + 0xffc + 0x17ff), 4);
}

static void opened_as_configured(void **state)
{
	struct memory m;

	(void)state;
	physical_memory();
	spec.sync = false;
	spec.type = MEM_NORMAL;
	spec.type_given = true;
	assert_int_equal(memory_map(&m, &spec, true, error), 0);
	assert_int_equal(m.type, MEM_NORMAL);
	assert_int_equal(open_flags & (O_ACCMODE | O_SYNC), O_RDONLY);
	assert_int_equal(m.fd, -1);
	memory_unmap(&m);
}

/* By address, wherever the mappings of the two begin. */
static void a_region_has_one_writer(void **state)
{
	struct memory one, two;

	(void)state;
	physical_memory();
	assert_int_equal(memory_map(&one, &spec, false, error), 0);
	spec.address += 0x800;
	assert_int_equal(memory_map(&two, &spec, false, error), 0);
	assert_int_equal(memory_claim(&one, 0x800, 0x800), 0);
	assert_int_equal(memory_claim(&two, 0, 0x800), -EBUSY);
	assert_int_equal(memory_claim(&two, 0x800, 0x800), 0);
	memory_unmap(&one);
	assert_int_equal(memory_claim(&two, 0, 0x800), 0);
	memory_unmap(&two);
}

static void the_size_behind_the_plus_is_kept(void **state)
{
	struct memory m;

	(void)state;
	physical_memory();
	spec.limit = 0x17ff;
	assert_refused(-EINVAL, "mem:0x20070000 has 6143 bytes but the regions need 6144",
		       "correct the regions");
	spec.limit = 0x1800;
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	memory_unmap(&m);
}

static void no_dev_mem(void **state)
{
	(void)state;
	assert_refused(-ENOENT, "mem:0x20070000: there is no /dev/mem", "use a UIO device");
}

/* In a child, for good: what the capability's absence says. */
static int check_no_capability(void *arg)
{
	(void)arg;
	open_fails = EPERM;
	if (memory_map(&(struct memory){ 0 }, &spec, false, error) != -EPERM)
		return 1;
	return strstr(error, "needs the capability CAP_SYS_RAWIO") && strstr(error, "run as root") ?
		       0 :
		       2;
}

static void a_missing_capability_is_named(void **state)
{
	(void)state;
	assert_int_equal(as_nobody(check_no_capability, NULL), 0);
}

static bool has_all_capabilities(void)
{
	char line[128];
	bool all = false;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		all |= strncmp(line, "CapEff:", 7) == 0 && strtoull(line + 7, NULL, 16) & 1u << 17;
	if (f)
		fclose(f);
	return all;
}

static void a_locked_kernel_is_named(void **state)
{
	(void)state;
	if (!has_all_capabilities())
		skip();
	open_fails = EPERM;
	assert_refused(-EPERM, "the kernel is locked down", "Secure Boot");
}

static int check_denied(void *arg)
{
	(void)arg;
	if (memory_map(&(struct memory){ 0 }, &spec, false, error) != -EACCES)
		return 1;
	return strstr(error, "mem:0x20070000: permission denied") && strstr(error, "UIO") ? 0 : 2;
}

static void denied_access_says_what_helps(void **state)
{
	(void)state;
	physical_memory();
	fake_root_chmod(&root, "dev/mem", geteuid() == 0 ? 0600 : 0);
	assert_int_equal(as_nobody(check_denied, NULL), 0);
}

static void strict_devmem_is_explained(void **state)
{
	(void)state;
	physical_memory();
	mmap_fails = EPERM;
	assert_refused(-EPERM, "CONFIG_STRICT_DEVMEM", "iomem=relaxed");
	fake_root_write(&root, "proc/iomem",
			"00000000-00000fff : Reserved\n"
			"20000000-2007ffff : System RAM\n"
			"  20071000-20072000 : Kernel code\n"
			"20080000-2008ffff : other\n");
	assert_refused(-EPERM, "this is Linux's own RAM", "memmap=");
	fake_root_write(&root, "proc/iomem",
			"20000000-20070fff : sram@20000000\n"
			"  20070800-200708ff : mailbox driver\n"
			"20080000-2008ffff : other\n");
	assert_refused(-EPERM, "\"mailbox driver\" has claimed it", "unbind");
	/* What everybody without privileges sees. */
	fake_root_write(&root, "proc/iomem", "00000000-00000000 : System RAM\n");
	assert_refused(-EPERM, "CONFIG_STRICT_DEVMEM", "iomem=relaxed");
}

static void addresses_beyond_the_cpu(void **state)
{
	(void)state;
	physical_memory();
	mmap_fails = EINVAL;
	assert_refused(-EINVAL, "0x20070000 + 6144 cannot be mapped",
		       "beyond this CPU's addresses");
	mmap_fails = 0;
	spec.address = INT64_MAX - 3;
	assert_refused(-EINVAL, "cannot be mapped", "beyond");
}

/* ------------------------------------------------------------------------------------------------
 * UIO
 */

static void uio_device(const char *which, const char *map)
{
	spec.kind = MEMORY_UIO;
	snprintf(spec.name, sizeof(spec.name), "%s", which);
	snprintf(spec.map, sizeof(spec.map), "%s", map);
	fake_uio_add(&root, 4, "ipc");
	fake_uio_add_map(&root, 4, 0, "regs", 0x30a00000, PAGE, 0);
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL, 3 * PAGE, 0x40);
	fake_uio_add_node(&root, 4, (off_t)(4 * PAGE));
}

static void maps_a_map(void **state)
{
	struct memory m;

	(void)state;
	uio_device("ipc", "shared");
	spec.size = 3 * PAGE - 0x40;
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	assert_int_equal(m.size, 3 * PAGE - 0x40);
	assert_int_equal(m.type, MEM_DEVICE);
	m.base[0] = 5;
	m.base[m.size - 1] = 6;
	memory_unmap(&m);
	assert_int_equal(file_byte("dev/uio4", PAGE + 0x40), 5);
	assert_int_equal(file_byte("dev/uio4", 4 * PAGE - 1), 6);
	assert_string_equal(error, "untouched");
}

static void maps_the_first_without_a_name(void **state)
{
	struct memory m;

	(void)state;
	uio_device("4", "");
	spec.size = PAGE;
	spec.type = MEM_NORMAL;
	spec.type_given = true;
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	assert_int_equal(m.type, MEM_NORMAL);
	m.base[0] = 7;
	memory_unmap(&m);
	assert_int_equal(file_byte("dev/uio4", 0), 7);
}

static void uio_regions_have_one_writer(void **state)
{
	struct memory one, two;

	(void)state;
	uio_device("ipc", "map1");
	assert_int_equal(memory_map(&one, &spec, false, error), 0);
	snprintf(spec.name, sizeof(spec.name), "4");
	assert_int_equal(memory_map(&two, &spec, false, error), 0);
	assert_int_equal(memory_claim(&one, 0, 0x800), 0);
	assert_int_equal(memory_claim(&two, 0, 0x800), -EBUSY);
	assert_int_equal(memory_claim(&two, 0x800, 0x800), 0);
	memory_unmap(&one);
	memory_unmap(&two);
}

static void sizes_are_checked(void **state)
{
	(void)state;
	uio_device("ipc", "shared");
	spec.size = 3 * PAGE - 0x40 + 1;
	assert_refused(-EINVAL, "uio:ipc/shared: the map has ", "correct the regions");
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL, PAGE + PAGE / 2, 0);
	spec.size = PAGE + 4; /* the kernel maps whole pages only */
	assert_refused(-EINVAL, "uio:ipc/shared: the map has ", "correct the regions");
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL, PAGE, PAGE + 4);
	assert_refused(-EINVAL, "the map has 0 bytes", "correct the regions");
}

static void maps_that_cannot_be_mapped(void **state)
{
	(void)state;
	uio_device("ipc", "shared");
	spec.size = 64;
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL, 0x800, 0);
	assert_refused(-EINVAL, "the map has 2048 bytes, and less than a page",
		       "make its reg a whole page");
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL + 0x800, PAGE, 0);
	assert_refused(-EINVAL, "cannot map 0x20070800, which is not on a page",
		       "must export the page and an offset");
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL, PAGE, 0x41);
	assert_refused(-EINVAL, "uio:ipc/shared begins at an address that is not a multiple of 4",
		       "aligned words");
	fake_uio_add_map(&root, 4, 1, "shared", PHYSICAL, PAGE, 0);
	mmap_fails = EINVAL;
	assert_refused(-EINVAL, "the driver does not map this memory", "uio:ipc/shared");
}

static void uio_devices_that_are_not_there(void **state)
{
	(void)state;
	uio_device("icp", "shared");
	assert_refused(-ENODEV, "uio:icp: no such UIO device", "uio4 \"ipc\"");
	uio_device("ipc", "share");
	assert_refused(-ENODEV, "no map \"share\"", "map1 shared");
	open_fails = ENODEV;
	uio_device("ipc", "shared");
	assert_refused(-ENODEV, "/dev/uio4 cannot be opened", "No such device");
}

/* ------------------------------------------------------------------------------------------------
 * Files
 */

static void maps_a_file(void **state)
{
	char text[32];
	struct memory m;

	(void)state;
	fake_root_memory(&root, "memory", 0x2000);
	spec.kind = MEMORY_FILE;
	snprintf(spec.name, sizeof(spec.name), "%s/memory", root.path);
	snprintf(text, sizeof(text), "%s", root.path);
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	assert_int_equal(m.type, MEM_NORMAL);
	m.base[0x17ff] = 8;
	memory_unmap(&m);
	assert_int_equal(file_byte("memory", 0x17ff), 8);
	spec.size = 0x2001;
	assert_refused(-EINVAL, "has 8192 bytes but the regions need 8193", "larger one");
	strcat(spec.name, "x");
	assert_refused(-ENOENT, "memoryx does not exist", "lspci -D");
	snprintf(spec.name, sizeof(spec.name), "%s", root.path);
	assert_refused(-EISDIR, text, "cannot be opened");
}

/* What comes from sysfs lies behind a bus. No PCI device is at hand everywhere; any file tells. */
static void sysfs_is_device_memory(void **state)
{
	struct memory m;

	(void)state;
	spec.kind = MEMORY_FILE;
	spec.size = 4;
	strcpy(spec.name, "/sys/kernel/uevent_seqnum");
	if (access(spec.name, R_OK) < 0)
		skip();
	mmap_fails = EINVAL;
	assert_int_equal(memory_map(&m, &spec, true, error), -EINVAL);
	assert_non_null(strstr(error, "a driver has claimed it"));
	mmap_fails = EPERM;
	assert_int_equal(memory_map(&m, &spec, true, error), -EPERM);
	assert_non_null(strstr(error, "locked down"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(maps_an_address),
		T(an_address_need_not_be_on_a_page),
		T(opened_as_configured),
		T(a_region_has_one_writer),
		T(the_size_behind_the_plus_is_kept),
		T(no_dev_mem),
		T(a_missing_capability_is_named),
		T(a_locked_kernel_is_named),
		T(denied_access_says_what_helps),
		T(strict_devmem_is_explained),
		T(addresses_beyond_the_cpu),
		T(maps_a_map),
		T(maps_the_first_without_a_name),
		T(uio_regions_have_one_writer),
		T(sizes_are_checked),
		T(maps_that_cannot_be_mapped),
		T(uio_devices_that_are_not_there),
		T(maps_a_file),
		T(sysfs_is_device_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
