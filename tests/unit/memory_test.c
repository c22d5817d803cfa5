// SPDX-License-Identifier: Apache-2.0
/*
 * Mapping memory: what is created and attached, and that each way to fail says what would help.
 */
#include "unit/files.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "mem/memory.h"

#define SIZE 8192u

static struct memory_spec spec;
static char error[MEM_ERROR_SIZE];
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	spec = (struct memory_spec){
		.kind = MEMORY_SHM, .fd = -1, .create = true, .mode = 0600, .size = SIZE
	};
	snprintf(spec.name, sizeof(spec.name), "/icbmsg-test-%d", (int)getpid());
	strcpy(error, "untouched");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shm_unlink(spec.name);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* An object of that name with @size bytes. */
static void make_object(off_t size, mode_t mode)
{
	int fd = shm_open(spec.name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct stat object_stat(void)
{
	int fd = shm_open(spec.name, O_RDONLY, 0);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st;
}

/* Mapping fails with @ret and a message that has both parts; @m stays as it was. */
static void assert_refused(bool read_only, int ret, const char *thing, const char *remedy)
{
	struct memory m = { .base = NULL, .size = 42 };

	assert_int_equal(memory_map(&m, &spec, read_only, error), ret);
	if (!strstr(error, thing) || !strstr(error, remedy))
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", error, thing, remedy);
	assert_null(m.base);
	assert_int_equal(m.size, 42);
}

static void creates_with_mode_despite_umask(void **state)
{
	mode_t mask = umask(0077);
	struct memory m;
	struct stat st;

	(void)state;
	spec.mode = 0664;
	spec.type = MEM_DEVICE;
	spec.type_given = true;
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	umask(mask);
	st = object_stat();
	assert_int_equal(st.st_mode & 07777, 0664);
	assert_int_equal(st.st_size, SIZE);
	assert_true(st.st_blocks * 512 >= (off_t)SIZE); /* reserved, not only promised */
	assert_int_equal(m.size, SIZE);
	assert_int_equal(m.type, MEM_DEVICE);
	memory_unmap(&m);
	assert_null(m.base);
	memory_unmap(&m);
	assert_string_equal(error, "untouched");
}

static void attaches_and_shares(void **state)
{
	struct memory a, b, look;

	(void)state;
	assert_int_equal(memory_map(&a, &spec, false, error), 0);
	spec.create = false;
	spec.mode = 0;
	assert_int_equal(memory_map(&b, &spec, false, error), 0);
	assert_int_equal(memory_map(&look, &spec, true, error), 0);
	a.base[SIZE - 1] = 7;
	assert_int_equal(b.base[SIZE - 1], 7);
	b.base[0] = 8;
	assert_int_equal(look.base[0], 8);
	assert_int_equal(object_stat().st_mode & 07777, 0600);
	memory_unmap(&a);
	memory_unmap(&b);
	memory_unmap(&look);
}

static void a_region_has_one_writer(void **state)
{
	struct memory one = { 0 }, two = { 0 };

	(void)state;
	assert_int_equal(memory_map(&one, &spec, false, error), 0);
	assert_int_equal(memory_map(&two, &spec, false, error), 0);
	assert_int_equal(memory_claim(&one, 0, SIZE / 2), 0);
	assert_int_equal(memory_claim(&two, 0, SIZE / 2), -EBUSY);
	assert_int_equal(memory_claim(&two, SIZE / 2 - 1, 1), -EBUSY);
	assert_int_equal(memory_claim(&two, SIZE / 2, SIZE / 2), 0);
	memory_disown(&one);
	assert_int_equal(memory_claim(&two, 0, SIZE / 2), 0);
	memory_unmap(&one);
	memory_unmap(&two);
}

/* Also of two that were given the same descriptor, as programs that inherit it are. */
static void an_inherited_region_has_one_writer(void **state)
{
	struct memory_spec inherited = { .kind = MEMORY_FD, .size = SIZE };
	struct memory one = { 0 }, two = { 0 };

	(void)state;
	inherited.fd = memfd_create("inherited", MFD_CLOEXEC);
	assert_true(inherited.fd >= 0);
	assert_int_equal(memory_map(&one, &inherited, false, error), 0);
	assert_int_equal(memory_map(&two, &inherited, false, error), 0);
	assert_int_equal(memory_claim(&one, 0, SIZE / 2), 0);
	assert_int_equal(memory_claim(&two, 0, SIZE / 2), -EBUSY);
	assert_int_equal(memory_claim(&two, SIZE / 2, SIZE / 2), 0);
	memory_unmap(&one);
	assert_int_equal(memory_claim(&two, 0, SIZE / 2), 0);
	memory_unmap(&two);
	close(inherited.fd);
}

static void never_shrinks_a_larger_one(void **state)
{
	struct memory m;

	(void)state;
	make_object(100000, 0600);
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	memory_unmap(&m);
	assert_int_equal(object_stat().st_size, 100000);
}

/* Created a moment ago by another process, or left by one that died there. */
static void grows_an_empty_one(void **state)
{
	struct memory m;

	(void)state;
	make_object(0, 0600);
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	m.base[SIZE - 1] = 1;
	memory_unmap(&m);
	assert_int_equal(object_stat().st_size, SIZE);
}

static void refuses_a_small_one(void **state)
{
	(void)state;
	make_object(4096, 0600);
	assert_refused(false, -EINVAL, spec.name, "remove it if it is left over");
	assert_non_null(strstr(error, "has 4096 bytes but the regions need 8192"));
	assert_int_equal(object_stat().st_size, 4096);
}

static void missing_object_names_the_remedy(void **state)
{
	(void)state;
	spec.create = false;
	assert_refused(false, -ENOENT, spec.name, "memory-create = yes");
	spec.create = true;
	assert_refused(true, -ENOENT, spec.name, "start a program that uses this instance");
}

static void looking_changes_nothing(void **state)
{
	(void)state;
	make_object(0, 0600);
	assert_refused(true, -EINVAL, "still empty", "start a program");
	assert_int_equal(object_stat().st_size, 0);
}

static void a_failed_creation_leaves_nothing(void **state)
{
	(void)state;
	spec.size = INT64_C(1) << 60;
	if (sizeof(size_t) < 8)
		skip();
	assert_true(memory_map(&(struct memory){ 0 }, &spec, false, error) < 0);
	assert_non_null(strstr(error, spec.name));
	assert_int_equal(shm_open(spec.name, O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
}

static void refuses_impossible_sizes_and_kinds(void **state)
{
	(void)state;
	spec.size = 0;
	assert_refused(false, -EINVAL, "0 bytes", "correct the regions");
	spec.size = UINT64_MAX;
	assert_refused(false, -EINVAL, "18446744073709551615 bytes", "correct the regions");
	spec.size = SIZE;
	spec.kind = MEMORY_NONE;
	assert_refused(false, -EINVAL, "no memory", "configured");
}

static void refuses_impossible_names(void **state)
{
	(void)state;
	strcpy(spec.name, "/a/b");
	assert_refused(false, -EINVAL, "shm:/a/b", "without further slashes");
	memset(spec.name + 1, 'x', MEMORY_NAME_MAX - 1);
	spec.name[MEMORY_NAME_MAX] = '\0';
	spec.create = false;
	assert_refused(false, -ENOENT, "shm:/xxx", "memory-create = yes");
}

static int check_group_named(void *arg)
{
	struct memory m;

	(void)arg;
	if (memory_map(&m, &spec, false, error) != -EACCES)
		return 1;
	if (!strstr(error, "belongs to root:root, mode 0660") ||
	    !strstr(error, "become a member of group root"))
		return 2;
	return 0;
}

static int check_owner_named(void *arg)
{
	struct memory m;

	(void)arg;
	if (memory_map(&m, &spec, true, error) != -EACCES)
		return 1;
	return strstr(error, "mode 0600; run as root") && strstr(error, "memory-mode = 0660") ? 0 :
												2;
}

static int check_own_denied(void *arg)
{
	struct memory m;

	(void)arg;
	return memory_map(&m, &spec, false, error) == -EACCES && strstr(error, spec.name) ? 0 : 1;
}

static void denied_access_says_who_may(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		make_object(SIZE, 0);
		assert_int_equal(as_nobody(check_own_denied, NULL), 0);
		return;
	}
	make_object(SIZE, 0660);
	assert_int_equal(as_nobody(check_group_named, NULL), 0);
	shm_unlink(spec.name);
	make_object(SIZE, 0600);
	assert_int_equal(as_nobody(check_owner_named, NULL), 0);
}

/* Map, mark one byte, and tell by the exit status whether that worked. */
static int map_and_mark(void *arg)
{
	struct memory m;

	if (memory_map(&m, &spec, false, error) != 0)
		return 1;
	m.base[*(size_t *)arg] = 0x5a;
	memory_unmap(&m);
	return 0;
}

/* Whoever comes second, at whatever moment, shares what the first one made. */
static void both_sides_may_start_at_once(void **state)
{
	size_t first = 0, last = SIZE - 1;
	int round, status;
	struct memory m;
	pid_t other;

	(void)state;
	for (round = 0; round < 200; round++) {
		other = fork();
		assert_true(other >= 0);
		if (other == 0)
			_exit(map_and_mark(&first));
		assert_int_equal(map_and_mark(&last), 0);
		assert_int_equal(waitpid(other, &status, 0), other);
		assert_int_equal(status, 0);
		assert_int_equal(memory_map(&m, &spec, true, error), 0);
		assert_int_equal(m.base[first], 0x5a);
		assert_int_equal(m.base[last], 0x5a);
		memory_unmap(&m);
		shm_unlink(spec.name);
	}
}

static int make_memfd(off_t size)
{
	int fd = memfd_create("icbmsg-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	spec.kind = MEMORY_FD;
	spec.fd = fd;
	return fd;
}

static void maps_a_descriptor_and_leaves_it_open(void **state)
{
	int fd = make_memfd(0);
	struct memory m;
	uint8_t byte;

	(void)state;
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	m.base[SIZE - 1] = 99;
	memory_unmap(&m);
	assert_int_equal(pread(fd, &byte, 1, SIZE - 1), 1);
	assert_int_equal(byte, 99);
	close(fd);
}

static void refuses_a_small_descriptor(void **state)
{
	int fd = make_memfd(SIZE - 1);

	(void)state;
	assert_refused(false, -EINVAL, "has 8191 bytes but the regions need 8192", "larger one");
	close(fd);
}

static void sealed_descriptors(void **state)
{
	int fd = make_memfd(SIZE);
	struct memory m;

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(memory_map(&m, &spec, false, error), 0);
	memory_unmap(&m);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_refused(false, -EPERM, "sealed against writing", "without that seal");
	close(fd);

	fd = make_memfd(0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_refused(false, -EPERM, "sealed against growing", "at least 8192 bytes");
	close(fd);
}

static void refuses_what_is_no_memory(void **state)
{
	int pair[2], fd;
	char path[] = "/tmp/icbmsg-test-XXXXXX";

	(void)state;
	spec.kind = MEMORY_FD;
	spec.fd = 1000000;
	assert_refused(false, -EBADF, "fd:1000000 is not open", "pass the descriptor on");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	spec.fd = pair[0];
	assert_refused(false, -ENODEV, "is not memory", "pass a memfd");
	close(pair[0]);
	close(pair[1]);

	make_file(path, "x", 1);
	assert_int_equal(truncate(path, SIZE), 0);
	fd = open(path, O_RDONLY);
	spec.fd = fd;
	assert_refused(false, -EACCES, "open for reading only", "reading and writing");
	assert_int_equal(memory_map(&(struct memory){ 0 }, &spec, true, error), 0);
	close(fd);
	fd = open(path, O_WRONLY);
	spec.fd = fd;
	assert_refused(true, -EACCES, "open for writing only", "reading and writing");
	close(fd);
	unlink(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(creates_with_mode_despite_umask),
		T(attaches_and_shares),
		T(a_region_has_one_writer),
		T(an_inherited_region_has_one_writer),
		T(never_shrinks_a_larger_one),
		T(grows_an_empty_one),
		T(refuses_a_small_one),
		T(missing_object_names_the_remedy),
		T(looking_changes_nothing),
		T(a_failed_creation_leaves_nothing),
		T(refuses_impossible_sizes_and_kinds),
		T(refuses_impossible_names),
		T(denied_access_says_who_may),
		T(both_sides_may_start_at_once),
		T(maps_a_descriptor_and_leaves_it_open),
		T(refuses_a_small_descriptor),
		T(sealed_descriptors),
		T(refuses_what_is_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
