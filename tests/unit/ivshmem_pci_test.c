// SPDX-License-Identifier: Apache-2.0
/*
 * A guest's ivshmem device without VFIO, on a folder that looks like sysfs: found, mapped, rung
 * through its register, and every way to fail says what would help. What VFIO does shows in a
 * guest only.
 */
#include "unit/fake_uio.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "mem/doorbell.h"
#include "mem/ivshmem.h"
#include "mem/memory.h"

#define MEMORY_SIZE 8192
#define DEVICES "sys/bus/pci/devices/"
#define FIRST "0000:00:04.0"
#define SECOND "0000:00:05.0"

static struct fake_root root;
static struct ivshmem *bus;
static char error[MEM_ERROR_SIZE];
static char notice[IVSHMEM_NOTICE_SIZE];
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	bus = NULL;
	fake_root_make(&root);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ivshmem_free(bus);
	fake_root_remove(&root);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static void attribute(const char *device, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "%s/%s", device, name);
	fake_root_write(&root, path, text);
}

/* Registers as QEMU's: our id in the third word, the doorbell is the fourth. */
static void resource(const char *device, const char *name, off_t size, uint32_t id)
{
	const uint32_t registers[4] = { 0, 0, htole32(id), 0 };
	char path[160];
	int fd;

	attribute(device, name, "");
	snprintf(path, sizeof(path), "%s/" DEVICES "%s/%s", root.path, device, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, registers, sizeof(registers), 0), sizeof(registers));
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void device(const char *address, uint32_t id)
{
	attribute(address, "vendor", "0x1af4\n");
	attribute(address, "device", "0x1110\n");
	attribute(address, "enable", "1\n");
	resource(address, "resource0", 256, id);
	resource(address, "resource2", MEMORY_SIZE, 0);
}

static void link_to(const char *name, const char *target)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/" DEVICES FIRST "/%s", root.path, name);
	assert_int_equal(symlink(target, path), 0);
}

static uint32_t doorbell_of(const char *address)
{
	char path[160];
	uint32_t value;
	int fd;

	snprintf(path, sizeof(path), "%s/" DEVICES "%s/resource0", root.path, address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &value, sizeof(value), 12), sizeof(value));
	close(fd);
	return le32toh(value);
}

static void assert_refused(int ret, const char *address, bool read_only, const char *text)
{
	assert_int_equal(ivshmem_open_pci(&bus, address, read_only, root.path, error), ret);
	if (!strstr(error, text))
		fail_msg("\"%s\" lacks \"%s\"", error, text);
	assert_null(bus);
}

static void the_only_device_is_found(void **state)
{
	const struct ivshmem_target target = { .peer = 5, .vector = 2 };

	(void)state;
	attribute("0000:00:03.0", "vendor", "0x1af4\n");
	attribute("0000:00:03.0", "device", "0x1000\n");
	device(FIRST, 3);
	assert_int_equal(ivshmem_open_pci(&bus, "", false, root.path, error), 0);
	assert_int_equal(bus->id, 3);
	assert_true(bus->memory_size == MEMORY_SIZE);
	assert_int_equal(ivshmem_start(bus, &target, error), 0);
	assert_int_equal(ivshmem_ring(bus), 0);
	assert_int_equal(doorbell_of(FIRST), 5 << 16 | 2);
}

/* Nobody can ring us here: it is time to look, again and again. */
static void without_interrupts_it_ticks(void **state)
{
	const struct ivshmem_target target = { .peer = 0 };
	struct pollfd p = { .events = POLLIN };

	(void)state;
	device(FIRST, 3);
	assert_int_equal(ivshmem_open_pci(&bus, "", false, root.path, error), 0);
	assert_false(ivshmem_is_rung(bus));
	assert_int_equal(ivshmem_start(bus, &target, error), 0);
	p.fd = bus->poll_fd;
	for (int tick = 0; tick < 3; tick++) {
		assert_int_equal(poll(&p, 1, -1), 1);
		assert_true(ivshmem_clear(bus) == 0);
	}
	assert_true(ivshmem_take_notice(bus, notice));
	assert_non_null(strstr(notice, "there is no IOMMU, so nobody can ring this side"));
	assert_false(ivshmem_take_notice(bus, notice));
}

static void with_an_iommu_there_is_a_better_way(void **state)
{
	(void)state;
	device(FIRST, 3);
	link_to("iommu_group", "../../../kernel/iommu_groups/7");
	assert_int_equal(ivshmem_open_pci(&bus, FIRST, false, root.path, error), 0);
	assert_true(ivshmem_take_notice(bus, notice));
	assert_non_null(strstr(notice, "echo vfio-pci >devices/" FIRST "/driver_override"));
	assert_non_null(strstr(notice, "echo " FIRST " >drivers_probe"));
}

static void a_peer_has_to_be_named(void **state)
{
	const struct ivshmem_target target = { .peer = IVSHMEM_ANY };

	(void)state;
	device(FIRST, 3);
	assert_int_equal(ivshmem_open_pci(&bus, "", false, root.path, error), 0);
	assert_int_equal(ivshmem_start(bus, &target, error), -EINVAL);
	assert_non_null(strstr(error, "give the other side's id"));
}

static void several_devices_are_told_apart(void **state)
{
	(void)state;
	device(FIRST, 3);
	device(SECOND, 4);
	assert_refused(-ENOTUNIQ, "", false, "there are several such devices (0000:00:0");
	assert_non_null(strstr(error, FIRST));
	assert_non_null(strstr(error, SECOND));
	assert_int_equal(ivshmem_open_pci(&bus, SECOND, false, root.path, error), 0);
	assert_int_equal(bus->id, 4);
}

static void missing_devices(void **state)
{
	(void)state;
	assert_refused(-ENODEV, "", false, "no ivshmem device (1af4:1110); start QEMU with");
	assert_refused(-ENODEV, FIRST, false, "there is no such PCI device; lspci -Dn");
	device(FIRST, 3);
	attribute(SECOND, "vendor", "0x8086\n");
	attribute(SECOND, "device", "0x2918\n");
	assert_refused(-ENODEV, SECOND, false, "is another device (8086:2918)");
	attribute(FIRST, "vendor", "fish\n");
	assert_refused(-ENODEV, "", false, "no ivshmem device");
}

static void what_is_not_ready_is_told(void **state)
{
	(void)state;
	device(FIRST, 0xffffffff);
	assert_refused(-ENODEV, FIRST, false,
		       "says that its id is 0xffffffff: it is not connected");
	resource(FIRST, "resource0", 8, 0);
	assert_refused(-ENODEV, FIRST, false, "resource0: No such device");
	attribute(FIRST, "enable", "0\n");
	assert_refused(-ENODEV, FIRST, true, "is switched off; as root: echo 1 > /sys/bus/pci/");
}

/* Nobody else does it where a device has no driver. */
static void it_is_switched_on(void **state)
{
	(void)state;
	device(FIRST, 3);
	attribute(FIRST, "enable", "0\n");
	assert_int_equal(ivshmem_open_pci(&bus, FIRST, false, root.path, error), 0);
	ivshmem_free(bus);
	assert_int_equal(ivshmem_open_pci(&bus, FIRST, true, root.path, error), 0);
}

static void vfio_without_its_device_files(void **state)
{
	(void)state;
	device(FIRST, 3);
	link_to("driver", "../../../bus/pci/drivers/vfio-pci");
	link_to("iommu_group", "../../../kernel/iommu_groups/7");
	assert_refused(-ENOENT, FIRST, false, "/dev/vfio/vfio, is vfio-pci loaded?");
}

static int open_as_nobody(void *arg)
{
	(void)arg;
	return ivshmem_open_pci(&bus, FIRST, false, root.path, error) == -EACCES &&
			       strstr(error, "resource0: permission denied") &&
			       strstr(error, "udev rule") ?
		       0 :
		       1;
}

static void access_is_explained(void **state)
{
	char path[160];

	(void)state;
	device(FIRST, 3);
	snprintf(path, sizeof(path), "%s/" DEVICES FIRST "/resource0", root.path);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(as_nobody(open_as_nobody, NULL), 0);
}

static struct memory_spec memory_spec(uint64_t size)
{
	return (struct memory_spec){
		.kind = MEMORY_IVSHMEM_PCI, .name = FIRST, .size = size, .root = root.path
	};
}

static void its_memory_is_device_memory(void **state)
{
	struct memory_spec spec = memory_spec(MEMORY_SIZE);
	struct memory a, b;

	(void)state;
	device(FIRST, 3);
	assert_int_equal(memory_map(&a, &spec, false, error), 0);
	assert_int_equal(a.type, MEM_DEVICE);
	assert_non_null(a.bus);
	assert_int_equal(memory_claim(&a, 0, 4096), 0);
	assert_int_equal(memory_map(&b, &spec, false, error), 0);
	assert_int_equal(memory_claim(&b, 0, 4096), -EBUSY);
	assert_int_equal(memory_claim(&b, 4096, 4096), 0);
	a.base[100] = 42;
	assert_int_equal(b.base[100], 42);
	memory_unmap(&a);
	assert_int_equal(memory_claim(&b, 0, 4096), 0);
	memory_unmap(&b);
	spec.size = MEMORY_SIZE + 1;
	assert_int_equal(memory_map(&a, &spec, false, error), -EINVAL);
	assert_non_null(strstr(error, "ivshmem-pci:" FIRST " has 8192 bytes but the regions need"));
}

static void to_look_needs_memory_only(void **state)
{
	struct memory_spec spec = memory_spec(MEMORY_SIZE);
	char path[160];
	struct memory m;

	(void)state;
	device(FIRST, 3);
	snprintf(path, sizeof(path), "%s/" DEVICES FIRST "/resource0", root.path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(memory_map(&m, &spec, true, error), 0);
	assert_null(m.bus);
	memory_unmap(&m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_only_device_is_found),
		T(without_interrupts_it_ticks),
		T(with_an_iommu_there_is_a_better_way),
		T(a_peer_has_to_be_named),
		T(several_devices_are_told_apart),
		T(missing_devices),
		T(what_is_not_ready_is_told),
		T(it_is_switched_on),
		T(vfio_without_its_device_files),
		T(access_is_explained),
		T(its_memory_is_device_memory),
		T(to_look_needs_memory_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
