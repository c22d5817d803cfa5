// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever a library client of icbmsgd does to its connection, its memory and its doorbells: the
 * daemon stays, its other clients lose nothing, nobody reads what is another's, and what was spent
 * is given back.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/instance.h"
#include "evil.h"
#include "neighbours.h"
#include "rude.h"

/* Messages that each neighbour gets through beside each kind of harm. */
#define MESSAGES 200u

static struct neighbours n;
static unsigned int rounds = 1; /* set by the environment for many */

static const char *dir(void)
{
	return neighbours_dir(&n);
}

static int start(void **state)
{
	(void)state;
	neighbours_start(&n);
	return 0;
}

static int end(void **state)
{
	(void)state;
	neighbours_end(&n);
	return 0;
}

/* ------------------------------------------------------------------------------------------------
 * On the socket
 */

static void silence(void **state)
{
	(void)state;
	rude_silence(dir(), 20);
	neighbours_alone(&n);
}

static void hellos(void **state)
{
	(void)state;
	rude_truncated_hellos(dir());
	rude_wrong_hellos(dir());
	neighbours_alone(&n);
}

static void garbage(void **state)
{
	(void)state;
	rude_garbage(dir(), 100 * rounds, 4711);
	neighbours_alone(&n);
}

static void descriptors(void **state)
{
	unsigned int before = count_fds();

	(void)state;
	rude_descriptors(dir());
	assert_int_equal(count_fds(), before);
	neighbours_alone(&n);
}

static void requests(void **state)
{
	(void)state;
	rude_pipelining(dir());
	rude_names(dir());
	rude_deafness(dir());
	neighbours_alone(&n);
}

static void comings_and_goings(void **state)
{
	(void)state;
	rude_comings_and_goings(dir(), 300 * rounds);
	neighbours_alone(&n);
}

/* ------------------------------------------------------------------------------------------------
 * In memory
 */

static void one_mode(const char *mode, unsigned int seed)
{
	struct evil e = evil_start(mode, dir(), seed % NEIGHBOURS_EVILS, seed);

	neighbours_talk(&n, MESSAGES);
	evil_await(&e);
	evil_kill(&e);
	neighbours_alone(&n);
}

static void each_kind_of_harm(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < rounds; round++)
		for (unsigned int i = 0; evil_modes[i]; i++) {
			print_message("  %s\n", evil_modes[i]);
			one_mode(evil_modes[i], 100 * round + i);
		}
}

/* All of them at once, on few endpoints. */
static void all_kinds_together(void **state)
{
	struct evil e[16];
	unsigned int count = 0;

	(void)state;
	for (; evil_modes[count]; count++)
		e[count] = evil_start(evil_modes[count], dir(), count % NEIGHBOURS_EVILS, count);
	neighbours_talk(&n, MESSAGES);
	for (unsigned int i = 0; i < count; i++)
		evil_kill(&e[i]);
	neighbours_alone(&n);
}

static void killed_at_any_moment(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 3 * rounds; round++) {
		struct evil e[16];
		unsigned int count = 0;

		for (; evil_moments[count]; count++)
			e[count] = evil_start(evil_moments[count], dir(), count % NEIGHBOURS_EVILS,
					      round);
		neighbours_talk(&n, 20);
		for (unsigned int i = 0; i < count; i++)
			evil_kill(&e[i]);
		neighbours_alone(&n);
	}
}

/* ------------------------------------------------------------------------------------------------
 * What is another's
 */

static bool has_secret(int fd)
{
	struct stat st;
	void *map;
	bool found;

	assert_int_equal(fstat(fd, &st), 0);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	found = memmem(map, (size_t)st.st_size, NEIGHBOURS_SECRET, strlen(NEIGHBOURS_SECRET));
	munmap(map, (size_t)st.st_size);
	return found;
}

/* Each has memory of its own, in which nothing is of others, or of those that were there before. */
static void nobody_reads_what_is_anothers(void **state)
{
	int memory[8];

	(void)state;
	neighbours_talk(&n, MESSAGES);
	assert_true(has_secret(n.e.a->memory.fd));
	for (int i = 0; i < 8; i++) {
		memory[i] = rude_memory(dir(), -1);
		assert_true(memory[i] >= 0);
		assert_false(has_secret(memory[i]));
	}
	neighbours_talk(&n, MESSAGES);
	for (int i = 0; i < 8; i++) {
		struct stat st, other;

		assert_false(has_secret(memory[i]));
		assert_int_equal(fstat(memory[i], &st), 0);
		for (int k = 0; k < i; k++) {
			assert_int_equal(fstat(memory[k], &other), 0);
			assert_false(st.st_ino == other.st_ino);
		}
	}
	for (int i = 0; i < 8; i++)
		close(memory[i]);
	neighbours_alone(&n);
}

int main(int argc, char **argv)
{
	const char *more = getenv("ICBMSG_HOSTILE_ROUNDS");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence),
		cmocka_unit_test(hellos),
		cmocka_unit_test(garbage),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(requests),
		cmocka_unit_test(comings_and_goings),
		cmocka_unit_test(each_kind_of_harm),
		cmocka_unit_test(all_kinds_together),
		cmocka_unit_test(killed_at_any_moment),
		cmocka_unit_test(nobody_reads_what_is_anothers),
	};

	if (argc == 6)
		return evil_main(argv);
	if (more)
		rounds = (unsigned int)strtoul(more, NULL, 10);
	return cmocka_run_group_tests(tests, start, end);
}
