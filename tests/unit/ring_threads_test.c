// SPDX-License-Identifier: Apache-2.0
/*
 * Two threads over one ring, with every doorbell left out that protocol.md section 6 allows to
 * leave out: the reader sleeps on an eventfd whenever the ring is empty, and must never oversleep.
 * The time limit only ends a run that has lost a wake-up.
 *
 * WIRE_PACKETS=N in the environment sets the number of packets, for many short runs under load.
 */
#include "unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wire/ring.h"

#define DEFAULT_PACKETS 1000000u
#define LOST_AFTER_MS 30000
#define MEMORY 1024u

struct link {
	struct ring ring;
	uint32_t packets;
	int doorbell;
	bool failed; /* written by the reader, looked at by a writer that waits for room */
	/* Statistics, read after both have ended. */
	uint32_t rung, slept, batches;
	const char *complaint;
};

static uint32_t packet_length(uint32_t sequence)
{
	return sequence % 7 ? 4 : 4 + sequence % 61;
}

static void make_packet(uint8_t *packet, uint32_t sequence)
{
	memset(packet, (int)(sequence & 0xff), packet_length(sequence));
	memcpy(packet, &sequence, sizeof(sequence));
}

static void ring_doorbell(struct link *l)
{
	uint64_t one = 1;

	l->rung++;
	if (write(l->doorbell, &one, sizeof(one)) != sizeof(one))
		abort();
}

static bool has_failed(const struct link *l)
{
	return __atomic_load_n(&l->failed, __ATOMIC_RELAXED);
}

static bool publish(const struct link *l, uint32_t before, uint32_t wr)
{
	ring_publish(&l->ring, wr);
	return ring_needs_doorbell(&l->ring, before);
}

/*
 * Up to @most packets with one doorbell, if any: either published one by one, as a batch of
 * separate messages is, or all at once. Returns how many there was room for.
 */
static uint32_t produce_batch(struct link *l, uint32_t *wr, uint32_t sequence, uint32_t most,
			      bool at_once)
{
	uint32_t n, before = *wr;
	bool needed = false;

	for (n = 0; n < most; n++) {
		uint8_t packet[RING_PACKET_MAX];
		uint32_t previous = *wr;

		make_packet(packet, sequence + n);
		if (ring_put(&l->ring, wr, packet, packet_length(sequence + n)) != 0)
			break;
		if (!at_once && publish(l, previous, *wr))
			needed = true;
	}
	if (at_once && n > 0)
		needed = publish(l, before, *wr);
	if (needed)
		ring_doorbell(l);
	return n;
}

static void *produce(void *arg)
{
	struct link *l = arg;
	uint32_t wr = 0, sequence = 0;
	uint64_t random = 4;

	while (sequence < l->packets && !has_failed(l)) {
		uint32_t most = 1 + random_below(&random, 3), n;

		if (most > l->packets - sequence)
			most = l->packets - sequence;
		n = produce_batch(l, &wr, sequence, most, random_below(&random, 2));
		if (n == 0) {
			sched_yield();
			continue;
		}
		sequence += n;
		l->batches++;
		/* Let the reader run dry now and then, for many meetings of the two at the edge. */
		if (random_below(&random, 64) == 0)
			sched_yield();
	}
	return NULL;
}

static const char *check_packet(const uint8_t *packet, int len, uint32_t sequence)
{
	uint8_t want[RING_PACKET_MAX];

	if (len < 0)
		return "a packet is malformed";
	make_packet(want, sequence);
	if ((uint32_t)len != packet_length(sequence) || memcmp(packet, want, (size_t)len) != 0)
		return "a packet is not the one expected";
	return NULL;
}

/* One packet per turn, as Zephyr does. Counts what it got into @sequence. */
static const char *drain(struct link *l, uint32_t *rd, uint32_t *sequence)
{
	for (;;) {
		uint8_t packet[RING_PACKET_MAX];
		uint32_t wr = ring_load_wr(&l->ring), next;
		const char *complaint;
		int len;

		if (!ring_index_valid(&l->ring, wr))
			return "the writer's index is invalid";
		len = ring_peek(&l->ring, *rd, wr, packet, &next);
		if (len == 0)
			return NULL;
		complaint = check_packet(packet, len, *sequence);
		if (complaint)
			return complaint;
		(*sequence)++;
		if (!ring_consume(&l->ring, *rd, next, MEM_NORMAL))
			return "the reader's index has moved by itself";
		*rd = next;
	}
}

static const char *sleep_until_rung(struct link *l)
{
	struct pollfd fd = { .fd = l->doorbell, .events = POLLIN };
	uint64_t count;

	l->slept++;
	if (poll(&fd, 1, LOST_AFTER_MS) != 1)
		return "a wake-up was lost";
	if (read(l->doorbell, &count, sizeof(count)) != sizeof(count))
		return "the doorbell cannot be read";
	return NULL;
}

static const char *consume(struct link *l)
{
	uint32_t rd = 0, sequence = 0;

	while (sequence < l->packets) {
		const char *complaint = drain(l, &rd, &sequence);

		if (!complaint && sequence < l->packets && ring_is_idle(&l->ring, rd))
			complaint = sleep_until_rung(l);
		if (complaint)
			return complaint;
	}
	return NULL;
}

static void *consumer(void *arg)
{
	struct link *l = arg;

	l->complaint = consume(l);
	__atomic_store_n(&l->failed, l->complaint != NULL, __ATOMIC_RELAXED);
	return NULL;
}

static void run(uint32_t ring_len, uint32_t packets)
{
	static _Alignas(64) uint8_t memory[MEMORY];
	const struct layout_region layout = {
		.wr_idx = 128,
		.ring_data = 132,
		.ring_len = ring_len,
	};
	struct link l = { .packets = packets };
	pthread_t threads[2];

	memset(memory, 0, sizeof(memory));
	ring_init(&l.ring, memory, &layout);
	l.doorbell = eventfd(0, EFD_CLOEXEC);
	assert_true(l.doorbell >= 0);
	assert_int_equal(pthread_create(&threads[0], NULL, consumer, &l), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, produce, &l), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	close(l.doorbell);
	if (l.complaint)
		fail_msg("%s", l.complaint);
	print_message("ring of %u: %u packets, %u batches, %u doorbells, %u sleeps\n", ring_len,
		      packets, l.batches, l.rung, l.slept);
	/* Each sleep ends by a doorbell; none is rung per packet. */
	assert_true(l.rung >= l.slept);
	assert_true(l.rung <= l.batches);
}

static uint32_t packets_wanted(void)
{
	const char *text = getenv("WIRE_PACKETS");

	return text ? (uint32_t)strtoul(text, NULL, 10) : DEFAULT_PACKETS;
}

/* The smallest ring is nearly always full or empty, the larger one seldom full. */
static void test_small_ring(void **state)
{
	(void)state;
	run(72, packets_wanted() / 2);
}

static void test_larger_ring(void **state)
{
	(void)state;
	run(844, packets_wanted() / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_ring),
		cmocka_unit_test(test_larger_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
