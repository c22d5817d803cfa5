// SPDX-License-Identifier: Apache-2.0
/*
 * The tests of the API once more, with all memory that the library maps guarded (strict.h). Linked
 * in the place of window_map(), window_unmap(), ends_run_params() and ends_run_all(): the tests
 * themselves stay as they are. Their own mapping of the same memory is not guarded.
 *
 * Limit: 4 bytes, as util/access.h promises for device memory whatever the firmware's word size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ends.h"
#include "mem/window.h"
#include "strict.h"

#define LIMIT 4u
#define PARAMS_MAX 16u

int __real_window_map(struct window *w, int fd, uint64_t at, uint64_t lead, uint64_t size,
		      bool read_only);
int __wrap_window_map(struct window *w, int fd, uint64_t at, uint64_t lead, uint64_t size,
		      bool read_only);
void __real_window_unmap(struct window *w);
void __wrap_window_unmap(struct window *w);
int __real_ends_run_params(const struct ends_param *params, const char *more,
			   const struct CMUnitTest *tests, size_t count);
int __wrap_ends_run_params(const struct ends_param *params, const char *more,
			   const struct CMUnitTest *tests, size_t count);
int __wrap_ends_run_all(const struct CMUnitTest *tests, size_t count);

int __wrap_window_map(struct window *w, int fd, uint64_t at, uint64_t lead, uint64_t size,
		      bool read_only)
{
	int ret = __real_window_map(w, fd, at, lead, size, read_only);

	if (ret == 0)
		strict_guard(w->pages, w->length, LIMIT);
	return ret;
}

void __wrap_window_unmap(struct window *w)
{
	if (w->base)
		strict_forget(w->pages);
	__real_window_unmap(w);
}

static int judge(int failed)
{
	print_message("strict: %llu bytes, %llu halves and %llu words were accessed one by one\n",
		      (unsigned long long)strict_count(1), (unsigned long long)strict_count(2),
		      (unsigned long long)strict_count(4));
	if (strict_count(4) > 0)
		return failed;
	print_error("strict: nothing was guarded\n");
	return 1;
}

/* The tests' own parameters, on device memory. */
int __wrap_ends_run_params(const struct ends_param *params, const char *more,
			   const struct CMUnitTest *tests, size_t count)
{
	struct ends_param device[PARAMS_MAX + 1] = { 0 };
	size_t i;

	if (!strict_possible())
		exit(77);
	for (i = 0; params[i].wire && i < PARAMS_MAX; i++) {
		device[i] = params[i];
		device[i].memory_type = "device";
	}
	return judge(__real_ends_run_params(device, more, tests, count));
}

/* Smaller than the usual ones: an access takes a thousand times longer. */
int __wrap_ends_run_all(const struct CMUnitTest *tests, size_t count)
{
	static const struct ends_param params[] = {
		{ "classic", 4, 4, 12, 12, 0x300, 0x300, NULL, "device" },
		{ "classic", 8, 8, 7, 3, 0x380, 0x280, NULL, "device" },
		{ "classic", 4, 32, 4, 7, 0x300, 0x400, "poll:200us", "device" },
		{ 0 },
	};

	return __wrap_ends_run_params(params, ", strict", tests, count);
}
