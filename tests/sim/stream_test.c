// SPDX-License-Identifier: Apache-2.0
/*
 * Two firmware stand-ins at once, each on a thread of its own: messages of every size both ways
 * over eventfd doorbells. Run by the thread sanitizer this shows that indices order what they
 * announce.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware.h"
#include "payload.h"

#define REGION 0x4000u
#define MESSAGES 20000u
#define LONGEST REGION

struct core {
	struct firmware fw;
	int bell_in, bell_out;
	uint32_t sent, received;
	unsigned int wrong;
	uint8_t message[LONGEST];
	uint8_t copy[LONGEST];
};

static void on_ring(void *user)
{
	struct core *c = user;

	if (eventfd_write(c->bell_out, 1) < 0)
		abort();
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct core *c = user;
	uint32_t sequence = c->received;

	(void)fw;
	(void)ept;
	if (payload_check(data, size, &sequence) < 0 || sequence != c->received)
		c->wrong++;
	c->received++;
	return false;
}

/* Sizes go round from 1 to the largest, most of them short. */
static uint32_t size_of(const struct core *c, uint32_t n)
{
	return (n % 16 ? n % 700 : n * 37) % c->fw.config.tx.max_payload + 1;
}

/* Copied and filled in place by turns. */
static int send_one(struct core *c)
{
	uint32_t size = size_of(c, c->sent), got;
	void *data;
	int ret;

	if (c->sent % 2) {
		payload_fill(c->message, size, c->sent, 1);
		return firmware_send(&c->fw, "ep0", c->message, size);
	}
	ret = firmware_alloc(&c->fw, size, &data, &got);
	if (ret < 0)
		return ret;
	payload_fill(data, size, c->sent, 1);
	ret = firmware_send_nocopy(&c->fw, "ep0", data, size);
	if (ret < 0)
		firmware_drop(&c->fw, data);
	return ret;
}

static bool done(const struct core *c)
{
	return c->sent == MESSAGES && c->received == MESSAGES && firmware_used_blocks(&c->fw) == 0;
}

static void *run(void *user)
{
	struct core *c = user;
	struct pollfd p = { .fd = c->bell_in, .events = POLLIN };
	eventfd_t count;

	firmware_open(&c->fw);
	firmware_register(&c->fw, "ep0");
	while (!done(c)) {
		if (c->sent < MESSAGES && send_one(c) >= 0) {
			c->sent++;
			if (poll(&p, 1, 0) <= 0)
				continue;
		}
		/* Nothing to send, or no room: only the peer's doorbell can change that. */
		if (poll(&p, 1, -1) > 0 && eventfd_read(c->bell_in, &count) == 0)
			firmware_pump(&c->fw);
	}
	return NULL;
}

static void layout(struct layout_region *out, uint32_t base, uint32_t word_size)
{
	struct layout_geometry g = { base, REGION, 16, 16, 64, word_size };
	char error[LAYOUT_ERROR_SIZE];

	if (layout_classic(out, &g, error) < 0)
		fail_msg("%s", error);
}

static void init(struct core *c, void *memory, const struct layout_region *tx,
		 const struct layout_region *rx, const int bells[2])
{
	struct firmware_config config = {
		.map = memory,
		.tx = *tx,
		.rx = *rx,
		.ring = on_ring,
		.received = on_received,
		.user = c,
	};

	assert_int_equal(firmware_init(&c->fw, &config), 0);
	c->bell_in = bells[0];
	c->bell_out = bells[1];
}

static void stream_both_ways(void **state)
{
	uint32_t word_size = *(const uint32_t *)*state;
	static struct core f, i;
	struct layout_region lo, hi;
	int bells[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	int back[2] = { bells[1], bells[0] };
	uint8_t *memory = calloc(2, REGION);
	pthread_t threads[2];

	assert_non_null(memory);
	f = i = (struct core){ 0 };
	layout(&lo, 0, word_size);
	layout(&hi, REGION, word_size);
	init(&f, memory, &lo, &hi, bells);
	init(&i, memory, &hi, &lo, back);
	assert_int_equal(pthread_create(&threads[0], NULL, run, &f), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, run, &i), 0);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(f.wrong + i.wrong, 0);
	assert_int_equal(f.fw.counters.errors + i.fw.counters.errors, 0);
	assert_int_equal(f.fw.counters.received, MESSAGES);
	assert_int_equal(i.fw.counters.received, MESSAGES);
	free(memory);
	close(bells[0]);
	close(bells[1]);
}

int main(void)
{
	static const uint32_t words[2] = { 4, 8 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(stream_both_ways, (void *)&words[0]),
		cmocka_unit_test_prestate(stream_both_ways, (void *)&words[1]),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
