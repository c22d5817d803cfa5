/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One configuration for each test, empty at first, and what tests do to it.
 */
#ifndef ICBMSG_TESTS_UNIT_CONFIG_RIG_H
#define ICBMSG_TESTS_UNIT_CONFIG_RIG_H

#include "unit/files.h"

#include <errno.h>

#include "core/config.h"

static struct icbmsg_config *cfg;
static int fds_before;
static char path[64]; /* of the file that was loaded last, if there is one */

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	path[0] = '\0';
	return config_new(&cfg);
}

static int teardown(void **state)
{
	(void)state;
	config_free(cfg);
	if (path[0])
		unlink(path);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static inline void set(const char *key, const char *value)
{
	if (config_set(cfg, key, value) != 0)
		fail_msg("%s = %s: %s", key, value, config_error(cfg));
}

/* A complete configuration but for doorbells, for tests that then change one thing. */
static inline void set_all_but_doorbells(void)
{
	set("memory", "shm:x");
	set("tx-region", "0 4k");
	set("rx-region", "4k 4k");
	set("tx-blocks", "16");
	set("rx-blocks", "18");
}

static inline void set_all(void)
{
	set_all_but_doorbells();
	set("doorbell", "poll");
}

static inline struct config_values resolve(void)
{
	struct config_values v;

	if (config_resolve(cfg, &v, false) != 0)
		fail_msg("%s", config_error(cfg));
	return v;
}

static inline int load_bytes(const char *data, size_t size, const char *instance)
{
	if (path[0])
		unlink(path);
	strcpy(path, "/tmp/icbmsg-test-XXXXXX");
	make_file(path, data, size);
	return config_load(cfg, path, instance);
}

static inline int load(const char *text, const char *instance)
{
	return load_bytes(text, strlen(text), instance);
}

static inline void assert_error(const char *expected)
{
	assert_string_equal(config_error(cfg), expected);
}

static inline void assert_says(const char *part)
{
	if (!strstr(config_error(cfg), part))
		fail_msg("\"%s\" lacks \"%s\"", config_error(cfg), part);
}

static inline void assert_unresolved(bool layout_only, const char *expected)
{
	struct config_values v = { .rescue_interval_ns = 42 };

	assert_int_equal(config_resolve(cfg, &v, layout_only), -EINVAL);
	assert_error(expected);
	assert_int_equal(v.rescue_interval_ns, 42);
}

#endif
