// SPDX-License-Identifier: Apache-2.0
/*
 * See ends.h.
 */
#include "ends.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/instance.h"

const struct ends_param ends_params[] = {
	{ "classic", 4, 4, 16, 16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 8, 4, 16, 16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 4, 32, 5, 9, 0x1000, 0x1800, NULL, NULL },
	{ "classic", 8, 64, 7, 3, 0x1400, 0x1000, NULL, NULL },
	{ "classic", 8, 128, 256, 200, 0x10000, 0x8000, NULL, NULL },
	{ "classic", 4, 8, 2, 2, 0x400, 0x400, "poll:200us", NULL },
	{ "classic", 4, 4, 1, 1, 0x200, 0x200, NULL, NULL },
	{ "classic", 8, 4, 16, 12, 0x1000, 0x1000, NULL, "device" },
	{ 0 },
};

const struct ends_param *ends_param = ends_params;
const char *ends_rescue_interval;
const char *ends_spin;

void ends_prepare(struct ends *e, uint8_t fill)
{
	memset(e, 0, sizeof(*e));
	e->size = ends_param->a_size + ends_param->b_size;
	e->memory_fd = memfd_create("ends", MFD_CLOEXEC);
	assert_true(e->memory_fd >= 0);
	assert_int_equal(ftruncate(e->memory_fd, (off_t)e->size), 0);
	e->map = mmap(NULL, e->size, PROT_READ | PROT_WRITE, MAP_SHARED, e->memory_fd, 0);
	assert_true(e->map != MAP_FAILED);
	memset(e->map, fill, e->size);
	e->bell_to_a = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->bell_to_b = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(e->bell_to_a >= 0 && e->bell_to_b >= 0);
}

static void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
{
	char value[128];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	if (icbmsg_config_set(cfg, key, value) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
}

static void layout_one(struct layout_region *out, bool is_a)
{
	const struct ends_param *p = ends_param;
	struct layout_geometry g = {
		.base = is_a ? p->b_size : 0,
		.size = is_a ? p->a_size : p->b_size,
		.blocks = is_a ? p->a_blocks : p->b_blocks,
		.peer_blocks = is_a ? p->b_blocks : p->a_blocks,
		.alignment = p->alignment,
		.word_size = p->word_size,
	};
	char error[LAYOUT_ERROR_SIZE];

	if (layout_classic(out, &g, error) < 0)
		fail_msg("%s", error);
}

void ends_layout(bool is_a, struct layout_region *tx, struct layout_region *rx)
{
	layout_one(tx, is_a);
	layout_one(rx, !is_a);
}

bool ends_silence_is_doubted(void)
{
	struct layout_region tx, rx;

	ends_layout(true, &tx, &rx);
	return ends_param->memory_type || tx.ring_len <= 40 || rx.ring_len <= 40;
}

static struct icbmsg_config *make_config(const struct ends *e, bool is_a)
{
	const struct ends_param *p = ends_param;
	struct icbmsg_config *cfg;
	/* B transmits in the lower region. */
	unsigned int low = p->b_size, high = p->a_size;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	set(cfg, "memory", "fd:%d", e->memory_fd);
	set(cfg, "wire", "%s", p->wire);
	set(cfg, "word-size", "%u", p->word_size);
	set(cfg, "dcache-alignment", "%u", p->alignment);
	if (p->memory_type)
		set(cfg, "memory-type", "%s", p->memory_type);
	if (ends_rescue_interval)
		set(cfg, "rescue-interval", "%s", ends_rescue_interval);
	else if (ends_silence_is_doubted())
		set(cfg, "rescue-interval", "2s");
	if (ends_spin)
		set(cfg, "spin", "%s", ends_spin);
	set(cfg, is_a ? "rx-region" : "tx-region", "0 %u", low);
	set(cfg, is_a ? "tx-region" : "rx-region", "%u %u", low, high);
	set(cfg, "tx-blocks", "%u", is_a ? p->a_blocks : p->b_blocks);
	set(cfg, "rx-blocks", "%u", is_a ? p->b_blocks : p->a_blocks);
	if (p->doorbell)
		set(cfg, "doorbell", "%s", p->doorbell);
	else
		set(cfg, "doorbell", "eventfd:%d,%d", is_a ? e->bell_to_a : e->bell_to_b,
		    is_a ? e->bell_to_b : e->bell_to_a);
	return cfg;
}

struct icbmsg_config *ends_config_a(const struct ends *e)
{
	return make_config(e, true);
}

static struct icbmsg *open_with(struct icbmsg_config *cfg)
{
	struct icbmsg *link = NULL;

	if (icbmsg_open(&link, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return link;
}

struct icbmsg *ends_open_a(struct ends *e)
{
	return e->a = open_with(make_config(e, true));
}

struct icbmsg *ends_open_b(struct ends *e)
{
	return e->b = open_with(make_config(e, false));
}

struct icbmsg *ends_open_one(struct ends *e, bool is_a, const char *rescue_interval)
{
	struct icbmsg_config *cfg = make_config(e, is_a);

	set(cfg, "rescue-interval", "%s", rescue_interval);
	return *(is_a ? &e->a : &e->b) = open_with(cfg);
}

void ends_open(struct ends *e)
{
	ends_prepare(e, 0xa5);
	ends_open_a(e);
	ends_open_b(e);
}

void ends_close(struct ends *e)
{
	assert_int_equal(icbmsg_close(e->a), 0);
	assert_int_equal(icbmsg_close(e->b), 0);
	munmap(e->map, e->size);
	close(e->memory_fd);
	close(e->bell_to_a);
	close(e->bell_to_b);
}

void ends_settle(struct ends *e)
{
	int idle = 0;

	/* What one end does can give the other something to do, once more after that. */
	while (idle < 3) {
		int a = icbmsg_dispatch(e->a, 0);
		int b = icbmsg_dispatch(e->b, 0);

		assert_true(a >= 0 && b >= 0);
		idle = a + b > 0 ? 0 : idle + 1;
	}
}

/* Only the instance itself knows when a thread has come in. */
unsigned int ends_inside(struct icbmsg *link)
{
	unsigned int inside;

	pthread_mutex_lock(&link->lock);
	inside = link->inside;
	pthread_mutex_unlock(&link->lock);
	return inside;
}

void ends_until_inside(struct icbmsg *link, unsigned int threads)
{
	while (ends_inside(link) < threads)
		sched_yield();
}

int64_t ends_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

void ends_until(struct icbmsg *link, struct icbmsg *other, const int *flag, int value)
{
	int64_t end = ends_now() + SURELY;

	while (*flag < value) {
		assert_true(ends_now() < end);
		assert_true(icbmsg_dispatch(link, other ? 0 : 100 * MS) >= 0);
		if (other)
			assert_true(icbmsg_dispatch(other, 0) >= 0);
	}
}

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	struct seen *s = user;

	(void)ept;
	s->bound++;
	if (s->on_bound)
		s->on_bound(s);
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	(void)ept;
	(void)info;
	((struct seen *)user)->unbound++;
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct seen *s = user;

	assert_true(size <= sizeof(s->data));
	memcpy(s->data, data, size);
	s->size = size;
	s->received++;
	if (s->hold) {
		assert_int_equal(
			icbmsg_hold_rx(icbmsg_ept_link(ept), data, &s->held[s->held_count]), 0);
		s->held_data[s->held_count++] = data;
	}
	if (s->on_received)
		s->on_received(s, data, size);
}

static void on_writable(struct icbmsg_ept *ept, void *user)
{
	(void)ept;
	((struct seen *)user)->writable++;
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	(void)ept;
	assert_true(error < 0 && message);
	((struct seen *)user)->error++;
}

const struct icbmsg_ept_callbacks seen_callbacks = {
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
	.writable = on_writable,
	.error = on_error,
};

void ends_register(struct icbmsg *link, struct seen *seen, const char *name)
{
	assert_int_equal(icbmsg_ept_register(link, &seen->ept, name, &seen_callbacks, seen), 0);
	assert_string_equal(icbmsg_ept_name(seen->ept), name);
}

void ends_bind(struct ends *e, struct seen *a, struct seen *b, const char *name)
{
	ends_register(e->a, a, name);
	ends_register(e->b, b, name);
	ends_until(e->a, e->b, &a->bound, 1);
	ends_until(e->a, e->b, &b->bound, 1);
}

struct icbmsg_stats ends_stats(struct icbmsg *link)
{
	struct icbmsg_stats st;

	icbmsg_get_stats(link, &st, sizeof(st));
	return st;
}

uint64_t ends_counter_in(const uint64_t *values, int count, const char *name)
{
	struct icbmsg_counter_info info;

	for (int n = 0; n < count; n++) {
		assert_int_equal(icbmsg_counter_info((size_t)n, &info), 0);
		if (!strcmp(info.name, name))
			return values[n];
	}
	fail_msg("there is no counter %s", name);
	return 0;
}

uint64_t ends_counter(struct icbmsg *link, const char *name)
{
	uint64_t values[ENDS_COUNTERS_MAX];

	return ends_counter_in(values, icbmsg_counter_read(link, values, ENDS_COUNTERS_MAX), name);
}

void fill_pattern(uint8_t *data, size_t size, unsigned int seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (uint8_t)(x >> 24);
	}
}

int ends_run_params(const struct ends_param *params, const char *more,
		    const struct CMUnitTest *tests, size_t count)
{
	char name[160];
	int failed = 0;

	for (ends_param = params; ends_param->wire; ends_param++) {
		const struct ends_param *p = ends_param;

		snprintf(name, sizeof(name), "%s, word %u, alignment %u, %u/%u blocks, %s, %s%s",
			 p->wire, p->word_size, p->alignment, p->a_blocks, p->b_blocks,
			 p->doorbell ? p->doorbell : "eventfd",
			 p->memory_type ? p->memory_type : "normal", more);
		failed += _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	}
	return failed;
}

int ends_run_all(const struct CMUnitTest *tests, size_t count)
{
	return ends_run_params(ends_params, "", tests, count);
}

unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
