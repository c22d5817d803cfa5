// SPDX-License-Identifier: Apache-2.0
/*
 * Input: one byte of flags, the other side's whole region, then operations until the bytes run out:
 * what libicbmsg is asked to do and what the other side writes meanwhile. An instance is opened on
 * it for real, over a memfd and without a doorbell. Whatever comes, our own blocks stay accounted
 * for, and of the other side's region only the read index is ever written.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/instance.h"
#include "core/receive.h"
#include "core/send.h"

/* The geometry of the recorded runs classic32_doc800 and classic64_doc800. */
#define REGION 2048u
#define MAP_SIZE (2 * (size_t)REGION)
#define LOW_BLOCKS 16u
#define HIGH_BLOCKS 32u
#define OPERATIONS 200u
#define EPTS 2u
#define HELD 4u

enum flag { WORD_8 = 1, INITIATOR = 2, ALIGNED = 4, HOLD = 8 };

struct target {
	struct input in;
	uint8_t flags;
	uint8_t *ours, *theirs;
	uint8_t shadow[REGION]; /* what their region has to be, but for the read index */
	struct icbmsg *link;
	struct icbmsg_ept *ept[EPTS];
	struct icbmsg_rx held[HELD];
	unsigned int held_count;
	struct icbmsg_tx sent;    /* the last message */
	struct icbmsg_tx settled; /* the last one whose fate was known */
	volatile uint8_t touched; /* so that every byte received is read */
};

static const char *const names[EPTS] = { "ep0", "ep1" };
static int memory_fd = -1;
static uint8_t *map;

static void make_memory(void)
{
	memory_fd = memfd_create("fuzz", MFD_CLOEXEC);
	CHECK(memory_fd >= 0 && ftruncate(memory_fd, MAP_SIZE) == 0);
	map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	CHECK(map != MAP_FAILED);
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct target *t = user;

	(void)ept;
	CHECK(size <= t->link->link.rx.max_payload);
	for (size_t i = 0; i < size; i++)
		t->touched ^= ((const uint8_t *)data)[i];
	if (t->flags & HOLD && t->held_count < HELD &&
	    receive_hold(t->link, data, &t->held[t->held_count]) == 0)
		t->held_count++;
}

static void add_endpoint(struct target *t, unsigned int n)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = on_received };

	CHECK(endpoint_register(t->link, &t->ept[n], names[n], &callbacks, t) == 0);
}

static void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
{
	char value[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	CHECK(config_set(cfg, key, value) == 0);
}

static void open_link(struct target *t)
{
	bool initiator = t->flags & INITIATOR;
	struct icbmsg_config *cfg;

	CHECK(config_new(&cfg) == 0);
	set(cfg, "memory", "fd:%d", memory_fd);
	set(cfg, "word-size", "%d", t->flags & WORD_8 ? 8 : 4);
	set(cfg, "dcache-alignment", "%d", t->flags & ALIGNED ? 32 : 4);
	set(cfg, "tx-region", "%u %u", initiator ? REGION : 0, REGION);
	set(cfg, "rx-region", "%u %u", initiator ? 0 : REGION, REGION);
	set(cfg, "tx-blocks", "%u", initiator ? HIGH_BLOCKS : LOW_BLOCKS);
	set(cfg, "rx-blocks", "%u", initiator ? LOW_BLOCKS : HIGH_BLOCKS);
	set(cfg, "doorbell", "poll:1m");
	set(cfg, "rescue-interval", "1m");
	CHECK(instance_open(&t->link, cfg) == 0);
	config_free(cfg);
	for (unsigned int i = 0; i < EPTS; i++)
		add_endpoint(t, i);
}

/* The other side reads all that we have written. */
static void other_reads(struct target *t)
{
	const struct ring *r = &t->link->link.tx_ring;

	shm_store32(r->rd_idx, ring_load_wr(r));
}

/* The other side writes a word; at its own read index that is a sign of a restart. */
static void other_writes(struct target *t, uint32_t offset, uint32_t value)
{
	offset = offset % REGION / 4 * 4;
	shm_store32(t->theirs + offset, value);
	shm_store32(t->shadow + offset, value);
}

static void send_in_place(struct target *t, struct icbmsg_ept *ept, size_t size)
{
	size_t got = size;
	void *data;

	if (send_get_buffer(ept, &got, 0, &data) < 0)
		return;
	CHECK(got >= size);
	memset(data, 0x33, got);
	if (size % 3 == 0 || send_nocopy(ept, data, size, &t->sent) < 0)
		CHECK(send_drop_buffer(t->link, data) == 0);
}

static void release_one(struct target *t)
{
	int ret;

	if (t->held_count == 0)
		return;
	ret = receive_release(t->link, t->held[--t->held_count]);
	CHECK(ret == 0 || ret == -ESTALE);
}

static void operate(struct target *t)
{
	static const uint8_t payload[REGION];
	uint8_t op = take8(&t->in);
	struct icbmsg_ept *ept = t->ept[op >> 3 & 1];
	uint32_t offset;

	switch (op & 7) {
	case 0:
		CHECK(receive_dispatch(t->link, 0) >= 0);
		break;
	case 1:
		other_reads(t);
		break;
	case 2:
		other_writes(t, t->link->link.rx.wr_idx, (uint32_t)take(&t->in, 2));
		break;
	case 3:
		send_copy(ept, payload, take8(&t->in) * (size_t)4, 0, &t->sent);
		break;
	case 4:
		send_in_place(t, ept, take8(&t->in) * (size_t)4);
		break;
	case 5:
		offset = (uint32_t)take(&t->in, 2);
		other_writes(t, offset, (uint32_t)take(&t->in, 4));
		break;
	case 6:
		release_one(t);
		break;
	default:
		endpoint_deregister(ept);
		add_endpoint(t, op >> 3 & 1);
	}
}

/* Every block of ours is free or part of one buffer. */
static void check_blocks(const struct target *t)
{
	const struct session *s = t->link->session;
	uint32_t count = t->link->link.tx.block_count, i = 0;

	while (i < count) {
		bool is_free = s->tx_free.free[i / 64] >> (i % 64) & 1;

		CHECK(is_free == (s->tx[i].state == TX_FREE));
		CHECK(is_free || (s->tx[i].count > 0 && s->tx[i].count <= count - i));
		i += is_free ? 1 : s->tx[i].count;
	}
}

static void check_their_region(const struct target *t)
{
	/* But for the read index, and our session word behind it where there is room for one. */
	uint32_t theirs = t->link->link.rx.session_word ? 8 : 4;

	CHECK(!memcmp(t->theirs + theirs, t->shadow + theirs, REGION - theirs));
}

/* Once the fate of a message is known it is not under way again. */
static void check_fate(struct target *t)
{
	int ret = send_get_fate(t->link, t->sent);

	if (t->sent.id == 0) {
		CHECK(ret == -ENOENT);
	} else if (ret == -EINPROGRESS) {
		CHECK(t->settled.id != t->sent.id);
		CHECK(t->sent.id >> 32 == t->link->session->generation);
	} else {
		CHECK(ret == 0 || ret == -ESTALE);
		t->settled = t->sent;
	}
}

static void run(struct target *t)
{
	CHECK(receive_dispatch(t->link, 0) >= 0);
	other_reads(t);
	CHECK(receive_dispatch(t->link, 0) >= 0);
	for (unsigned int i = 0; i < OPERATIONS && t->in.size > 0; i++) {
		operate(t);
		check_fate(t);
		check_blocks(t);
		check_their_region(t);
	}
	t->flags &= (uint8_t)~HOLD;
	CHECK(receive_dispatch(t->link, 0) >= 0);
	check_blocks(t);
	check_their_region(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target t = { .in = { data, size } };

	if (size < 1 + REGION)
		return 0;
	if (memory_fd < 0)
		make_memory();
	t.flags = take8(&t.in);
	t.ours = map + (t.flags & INITIATOR ? REGION : 0);
	t.theirs = map + (t.flags & INITIATOR ? 0 : REGION);
	memset(t.ours, 0xa5, REGION);
	memcpy(t.theirs, t.in.data, REGION);
	memcpy(t.shadow, t.in.data, REGION);
	t.in.data += REGION;
	t.in.size -= REGION;
	open_link(&t);
	run(&t);
	while (t.held_count > 0)
		release_one(&t);
	CHECK(instance_close(t.link) == 0);
	return 0;
}
