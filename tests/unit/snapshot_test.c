// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots of the recorded scenarios: after each step they must show the packets that the indices
 * tell of, and of the consumed ones those that have not been overwritten. Then memory that is no
 * link, and that looking is all that is done to it.
 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/snapshot.h"
#include "support/scenario.h"
#include "wire/control.h"

#define LOG_MAX 4096

/* All packets that a side has written so far, by watching its wr_idx. */
struct logged {
	struct {
		uint32_t offset, span, size;
		uint8_t payload[128];
	} packet[LOG_MAX];
	size_t count;
	uint32_t wr; /* up to which packets are logged */
};

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Written anew, byte by byte, to share nothing with what is tested. */
static void log_packets(struct logged *log, const uint8_t *begin, const struct layout_region *l)
{
	const uint8_t *data = begin + l->ring_data;
	uint32_t wr = word(begin + l->wr_idx), at = log->wr, size;

	if (wr >= l->ring_len)
		return;
	while (at != wr) {
		size = (uint32_t)data[at] << 8 | data[at + 1];
		assert_true(log->count < LOG_MAX && size > 0 && size <= 128);
		log->packet[log->count].offset = at;
		log->packet[log->count].size = size;
		log->packet[log->count].span = 4 + (size + 3) / 4 * 4;
		for (uint32_t i = 0; i < size; i++)
			log->packet[log->count].payload[i] = data[(at + 4 + i) % l->ring_len];
		at = (at + log->packet[log->count].span) % l->ring_len;
		log->count++;
	}
	log->wr = wr;
}

/* Logged packets that are still whole: the newest ones whose bytes fit into the ring. */
static size_t whole_packets(const struct logged *log, uint32_t ring_len)
{
	size_t n = 0;
	uint32_t bytes = 0;

	while (n < log->count) {
		bytes += log->packet[log->count - 1 - n].span;
		if (bytes > ring_len)
			break;
		n++;
	}
	return n;
}

static void check_direction(const struct icbmsg_snapshot *s, enum icbmsg_direction dir,
			    const struct logged *log, const uint8_t *begin,
			    const struct layout_region *l)
{
	const struct snapshot_region *r = snapshot_get_region(s, dir);
	size_t whole = whole_packets(log, l->ring_len), first, pending = 0;
	struct icbmsg_snapshot_packet p;

	assert_int_equal(r->ring.rd_idx, word(begin + l->rd_idx));
	assert_int_equal(r->ring.wr_idx, word(begin + l->wr_idx));
	if (!r->ring.valid) {
		assert_int_equal(log->count, 0); /* not opened yet */
		assert_int_equal(r->count, 0);
		return;
	}
	assert_false(r->ring.damaged);
	assert_int_equal(r->count, whole);
	first = log->count - whole;
	for (size_t n = 0; n < r->count; n++) {
		assert_int_equal(snapshot_region_packet(r, n, &p), 0);
		assert_int_equal(p.offset, log->packet[first + n].offset);
		assert_int_equal(p.size, log->packet[first + n].size);
		assert_memory_equal(p.data, log->packet[first + n].payload, p.size);
		assert_int_equal(p.magic, p.size == 13);
		assert_int_equal(p.control, p.size != 13 && p.size >= 3);
		assert_int_equal(p.type, p.control ? p.data[0] : 0);
		if (p.pending)
			pending += log->packet[first + n].span;
	}
	assert_int_equal(pending, r->ring.used);
	assert_int_equal(snapshot_region_packet(r, r->count, &p), -ENOENT);
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
	assert_int_equal(config_set(cfg, key, value), 0);
}

static struct icbmsg_config *configure(const struct scenario *s, int fd)
{
	struct icbmsg_config *cfg;

	assert_int_equal(config_new(&cfg), 0);
	set(cfg, "memory", "fd:%d", fd);
	set(cfg, "tx-region", "%u %u", s->lo.offset, s->lo.size);
	set(cfg, "rx-region", "%u %u", s->hi.offset, s->hi.size);
	set(cfg, "tx-blocks", "%u", s->lo.blocks);
	set(cfg, "rx-blocks", "%u", s->hi.blocks);
	set(cfg, "word-size", "%u", s->word_size);
	if (s->alignment)
		set(cfg, "dcache-alignment", "%u", s->alignment);
	return cfg;
}

static int memory_fd(size_t size)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* What a step does not record packet by packet ends the comparison: the ring has gone around. */
static bool too_much(const struct scenario_step *step)
{
	return step->round_trips > 0;
}

static void check_scenario(const char *name)
{
	struct scenario *s = scenario_load(name);
	static struct logged lo, hi;
	uint8_t *image = scenario_image_new(s);
	int fd = memory_fd(s->map_size);
	struct icbmsg_config *cfg = configure(s, fd);
	struct layout_region tx, rx;
	struct icbmsg_snapshot *snapshot;

	memset(&lo, 0, sizeof(lo));
	memset(&hi, 0, sizeof(hi));
	scenario_layout(s, 'F', &tx, &rx);
	for (size_t i = 0; i < s->step_count; i++) {
		scenario_image_apply(s, i, image);
		assert_int_equal(pwrite(fd, image, s->map_size, 0), s->map_size);
		assert_int_equal(snapshot_new(&snapshot, cfg), 0);
		if (too_much(&s->steps[i])) {
			snapshot_free(snapshot);
			break;
		}
		log_packets(&lo, image + tx.begin, &tx);
		log_packets(&hi, image + rx.begin, &rx);
		check_direction(snapshot, ICBMSG_TX, &lo, image + tx.begin, &tx);
		check_direction(snapshot, ICBMSG_RX, &hi, image + rx.begin, &rx);
		snapshot_free(snapshot);
	}
	assert_true(lo.count > 2 && hi.count > 2);
	config_free(cfg);
	close(fd);
	free(image);
	scenario_free(s);
}

static void test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; scenario_classic_names[i]; i++)
		check_scenario(scenario_classic_names[i]);
}

/* One small region in private memory, to be damaged at will. */
#define REGION_SIZE 1024u

struct fixture {
	struct layout_region l;
	_Alignas(8) uint8_t memory[REGION_SIZE];
	struct snapshot_region r;
};

static void prepare(struct fixture *f, uint8_t fill)
{
	const struct layout_geometry g = {
		.size = REGION_SIZE, .blocks = 4, .peer_blocks = 4, .word_size = 8
	};
	char error[LAYOUT_ERROR_SIZE];

	assert_int_equal(layout_classic(&f->l, &g, error), 0);
	memset(f->memory, fill, sizeof(f->memory));
}

static void store(struct fixture *f, uint32_t offset, uint32_t value)
{
	shm_store32(f->memory + offset, value);
}

static void put(struct fixture *f, uint32_t at, uint32_t word0, uint32_t word1)
{
	store(f, f->l.ring_data + at % f->l.ring_len, word0);
	store(f, f->l.ring_data + (at + 4) % f->l.ring_len, word1);
}

static void look(struct fixture *f, uint32_t rd, uint32_t wr)
{
	store(f, f->l.rd_idx, rd);
	store(f, f->l.wr_idx, wr);
	assert_int_equal(snapshot_region_init(&f->r, f->memory, &f->l, MEM_NORMAL), 0);
}

static void test_garbage(void **state)
{
	static const uint8_t fills[] = { 0x00, 0xa5, 0xff };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(fills); i++) {
		prepare(&f, fills[i]);
		assert_int_equal(snapshot_region_init(&f.r, f.memory, &f.l, MEM_NORMAL), 0);
		assert_int_equal(f.r.ring.valid, fills[i] == 0);
		assert_int_equal(f.r.count, 0);
		assert_false(f.r.ring.damaged);
		snapshot_region_deinit(&f.r);
	}
}

static void test_indices(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f, 0);
	look(&f, 2, 8);
	assert_false(f.r.ring.valid);
	snapshot_region_deinit(&f.r);
	look(&f, 0, f.l.ring_len);
	assert_false(f.r.ring.valid);
	snapshot_region_deinit(&f.r);
	look(&f, 8, f.l.ring_len - 4);
	assert_true(f.r.ring.valid && f.r.ring.damaged);
	assert_int_equal(f.r.ring.used, f.l.ring_len - 12);
	assert_int_equal(f.r.ring.space, 8);
	snapshot_region_deinit(&f.r);
}

static void test_damaged(void **state)
{
	struct icbmsg_snapshot_packet p;
	struct fixture f;

	(void)state;
	prepare(&f, 0);
	put(&f, 0, 0x00000300, 0x00020102);
	put(&f, 8, 0x00008100, 0); /* 129 bytes */
	look(&f, 0, 16);
	assert_true(f.r.ring.damaged);
	assert_int_equal(f.r.count, 1);
	assert_int_equal(snapshot_region_packet(&f.r, 0, &p), 0);
	assert_true(p.pending && p.control);
	assert_int_equal(p.type, 2);
	assert_int_equal(p.ept, 1);
	assert_int_equal(p.block, 2);
	snapshot_region_deinit(&f.r);
	put(&f, 8, 0x00000500, 0); /* reaches beyond wr_idx */
	look(&f, 0, 16);
	assert_true(f.r.ring.damaged);
	assert_int_equal(f.r.count, 1);
	snapshot_region_deinit(&f.r);
}

/* Packets that wrap around the end, at each offset, consumed and pending. */
static void test_wrap(void **state)
{
	struct icbmsg_snapshot_packet p;
	struct fixture f;
	uint32_t at;

	(void)state;
	prepare(&f, 0xa5);
	for (at = 0; at < f.l.ring_len; at += 4) {
		memset(f.memory + f.l.ring_data, 0xa5, f.l.ring_len);
		put(&f, at, 0x00000300, 0xa5050300);
		put(&f, at + 8, 0x00000300, 0xa5060001);
		look(&f, (at + 8) % f.l.ring_len, (at + 16) % f.l.ring_len);
		assert_int_equal(f.r.count, 2);
		assert_int_equal(f.r.history, 1);
		assert_int_equal(snapshot_region_packet(&f.r, 0, &p), 0);
		assert_int_equal(p.offset, at);
		assert_int_equal(p.ept, 3);
		assert_int_equal(snapshot_region_packet(&f.r, 1, &p), 0);
		assert_true(p.pending);
		assert_int_equal(p.type, 1);
		assert_int_equal(p.block, 6);
		snapshot_region_deinit(&f.r);
	}
}

static void test_buffers(void **state)
{
	struct icbmsg_snapshot_buffer b;
	struct fixture f;
	uint32_t at, rest;

	(void)state;
	prepare(&f, 0);
	at = f.l.blocks_off + f.l.block_size;
	rest = 3 * f.l.block_size - 8;
	store(&f, at, rest);
	f.memory[at + 8] = 'x';
	look(&f, 0, 0);
	assert_int_equal(snapshot_region_buffer(&f.r, 1, &b), 0);
	assert_true(b.valid);
	assert_int_equal(b.size, rest);
	assert_int_equal(b.data[0], 'x');
	assert_int_equal(snapshot_region_buffer(&f.r, 4, &b), -ENOENT);
	snapshot_region_deinit(&f.r);

	store(&f, at, rest + 1);
	store(&f, at + f.l.block_size + 4, 1); /* the upper half of an 8-byte header */
	look(&f, 0, 0);
	assert_int_equal(snapshot_region_buffer(&f.r, 1, &b), 0);
	assert_false(b.valid);
	assert_null(b.data);
	assert_int_equal(snapshot_region_buffer(&f.r, 2, &b), 0);
	assert_false(b.valid);
	assert_int_equal(b.size, UINT64_C(1) << 32);
	snapshot_region_deinit(&f.r);
}

/*
 * A descriptor that cannot write is enough, and all bytes stay as they were. Without doorbell,
 * since none is needed.
 */
static void test_read_only(void **state)
{
	struct scenario *s = scenario_load("classic32_doc800");
	uint8_t *image = scenario_image_new(s), *after = malloc(s->map_size);
	int fd = memory_fd(s->map_size), ro;
	struct icbmsg_snapshot *snapshot;
	struct icbmsg_config *cfg;
	char path[64];

	(void)state;
	assert_int_equal(pwrite(fd, image, s->map_size, 0), s->map_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	/* With this seal a mapping that could ever write fails. */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	cfg = configure(s, ro);
	if (snapshot_new(&snapshot, cfg) < 0)
		fail_msg("%s", config_error(cfg));
	assert_int_equal(pread(fd, after, s->map_size, 0), s->map_size);
	assert_memory_equal(image, after, s->map_size);
	snapshot_free(snapshot);
	config_free(cfg);
	close(ro);
	close(fd);
	free(after);
	free(image);
	scenario_free(s);
}

static void test_errors(void **state)
{
	struct icbmsg_snapshot *snapshot = NULL;
	struct icbmsg_config *cfg;

	(void)state;
	assert_int_equal(config_new(&cfg), 0);
	assert_int_equal(snapshot_new(&snapshot, cfg), -EINVAL);
	set(cfg, "tx-region", "%u %u", 0, 1024);
	set(cfg, "rx-region", "%u %u", 1024, 1024);
	set(cfg, "tx-blocks", "%u", 4);
	set(cfg, "rx-blocks", "%u", 4);
	assert_int_equal(snapshot_new(&snapshot, cfg), -EINVAL);
	assert_non_null(strstr(config_error(cfg), "memory"));
	assert_int_equal(config_set(cfg, "memory", "shm:icbmsg-does-not-exist"), 0);
	assert_int_equal(snapshot_new(&snapshot, cfg), -ENOENT);
	assert_null(snapshot);
	config_free(cfg);
	snapshot_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios), cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_indices),   cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_wrap),      cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_read_only), cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
