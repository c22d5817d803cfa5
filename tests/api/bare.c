// SPDX-License-Identifier: Apache-2.0
/*
 * See bare.h.
 */
#include "bare.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct layout_region region(uint64_t begin, uint32_t ring_len, uint32_t alignment)
{
	return (struct layout_region){
		.begin = begin,
		.total = alignment + 4 + ring_len + BARE_BLOCKS * 32,
		.alignment = alignment,
		.rd_idx = 0,
		.wr_idx = alignment,
		.ring_data = alignment + 4,
		.ring_len = ring_len,
		.session_word = alignment > 4 ? 4 : 0,
		.blocks_off = alignment + 4 + ring_len,
		.block_size = 32,
		.block_count = BARE_BLOCKS,
		.header_size = 4,
		.max_payload = BARE_BLOCKS * 32 - 4,
	};
}

static struct bare *make(uint32_t ring_len, bool initiator, uint8_t fill, uint32_t alignment)
{
	struct bare *b =
		mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(b != MAP_FAILED && ring_len <= BARE_RING_MAX);
	memset(b->region, fill, sizeof(b->region));
	b->l = (struct proto_link){
		.ops = &proto_classic,
		.s = &b->s,
		.tx = region(initiator ? 0x10000 : 0, ring_len, alignment),
		.rx = region(initiator ? 0 : 0x10000, ring_len, alignment),
		.type = MEM_NORMAL,
		.tx_begin = b->region[0],
		.rx_begin = b->region[1],
	};
	b->l.ops->init(&b->l);
	b->in = b->l.tx_ring;
	b->out = b->l.rx_ring;
	return b;
}

struct bare *bare_new(uint32_t ring_len, bool initiator, uint8_t fill)
{
	return make(ring_len, initiator, fill, 4);
}

struct bare *bare_new_words(uint32_t ring_len, uint8_t fill)
{
	return make(ring_len, true, fill, 8);
}

void bare_free(struct bare *b)
{
	munmap(b, sizeof(*b));
}

void bare_put(struct bare *b, const void *packet, uint32_t len)
{
	uint32_t at = b->wr;

	b->wr = ring_lay(&b->out, at, packet, len);
	ring_arm(&b->out, at, len);
	ring_publish(&b->out, b->wr);
}

void bare_control(struct bare *b, uint8_t type, uint8_t ept, uint32_t block)
{
	uint8_t packet[CONTROL_SIZE] = { type, ept, (uint8_t)block };

	bare_put(b, packet, sizeof(packet));
}

void bare_boot(struct bare *b)
{
	b->rd = b->wr = 0;
	b->bound = false;
	b->magics = b->stopped = b->packets = 0;
	shm_store32(b->out.wr_idx, 0);
	shm_store32(b->out.rd_idx, 0);
	bare_put(b, control_magic, CONTROL_MAGIC_SIZE);
}

void bare_read(struct bare *b)
{
	uint32_t wr = ring_load_wr(&b->in);
	uint8_t packet[RING_PACKET_MAX];
	int len;

	while (ring_index_valid(&b->in, wr) && wr != b->rd) {
		len = ring_peek(&b->in, b->rd, wr, packet, &b->rd);
		if (len <= 0) {
			b->stopped++;
			return;
		}
		if (control_is_magic(packet, (uint32_t)len)) {
			b->bound = true;
			b->magics++;
		} else if (b->bound && packet[0] != CLASSIC_FILLER &&
			   control_decode(&b->last, packet, (uint32_t)len)) {
			b->packets++;
		}
		shm_store32_release(b->in.rd_idx, b->rd);
	}
}

struct bare *bare_up(uint32_t ring_len, bool initiator)
{
	struct bare *b = bare_new(ring_len, initiator, 0);

	b->l.ops->start(&b->l);
	bare_boot(b);
	bare_come_up(b);
	return b;
}

void bare_come_up(struct bare *b)
{
	/* The announcements are read, then what is laid behind ours, if need be a second time. */
	for (int i = 0; i < 3 && b->s.phase != PHASE_UP; i++) {
		bare_read(b);
		b->l.ops->pump(&b->l);
	}
	assert_int_equal(b->s.phase, PHASE_UP);
}

uint32_t bare_word(const struct bare *b, uint32_t idx)
{
	return shm_load32_acquire(&b->in.data[idx / 4]);
}

uint32_t bare_tx_wr(const struct bare *b)
{
	return shm_load32_acquire(b->in.wr_idx);
}

uint32_t bare_tx_rd(const struct bare *b)
{
	return shm_load32_acquire(b->in.rd_idx);
}

uint32_t bare_rx_rd(const struct bare *b)
{
	return shm_load32_acquire(b->out.rd_idx);
}

bool bare_magic_at(const struct bare *b, uint32_t idx)
{
	uint8_t packet[RING_PACKET_MAX];
	uint32_t next;
	/* As if the ring were full. */
	int len = ring_peek(&b->in, idx, (idx + b->in.len - 4) % b->in.len, packet, &next);

	return len > 0 && control_is_magic(packet, (uint32_t)len);
}

uint32_t bare_header(uint32_t len)
{
	return len << 8;
}

void bare_start(struct bare *b)
{
	b->l.ops->start(&b->l);
}

void bare_rescue(struct bare *b, int times)
{
	while (times-- > 0)
		b->l.ops->rescue(&b->l);
}

void bare_send(struct bare *b, uint32_t block)
{
	uint32_t before = b->s.tx_wr;

	assert_int_equal(classic_put(&b->l, CONTROL_RELEASE_DATA, 0, block), 0);
	if (before == 0 || before == b->in.len - 4)
		fail_msg("ring of %u: a packet starts at %u", b->in.len, before);
}

void bare_assert_lost(struct bare *b, enum proto_reason reason)
{
	const struct recorder *r = &b->s.recorder;
	const struct recorder_entry *e =
		&r->entry[RECORDER_RX][(r->next[RECORDER_RX] - 1) % RECORDER_ENTRIES];

	assert_int_equal(b->s.phase, PHASE_LOST);
	assert_int_equal(e->kind, RECORD_LOST);
	assert_int_equal(e->type, reason);
	assert_int_equal(b->s.count.restarts, 1);
	assert_true(b->l.changed & PROTO_LINK);
	bare_free(b);
}

/* ------------------------------------------------------------------------------------------------
 * One instruction at a time: only where no pairs of instructions (load, store exclusive) are broken
 * by it, and where an access is an instruction, not a call of the thread sanitizer.
 */

#if defined(__SANITIZE_THREAD__)
#define CAN_STEP 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAN_STEP 0
#endif
#endif
#if !defined(CAN_STEP) && defined(__x86_64__)
#define CAN_STEP 1
#endif

#if defined(CAN_STEP) && CAN_STEP

static void run_traced(struct bare *b, void (*run)(struct bare *b))
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	raise(SIGSTOP);
	run(b);
	raise(SIGSTOP);
	_exit(0);
}

static int wait_stop(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

unsigned long bare_step(struct bare *b, void (*run)(struct bare *b),
			bool (*look)(struct bare *b, unsigned long step, void *arg), void *arg)
{
	unsigned long steps = 0;
	pid_t child = fork();
	int stop;

	assert_true(child >= 0);
	if (child == 0)
		run_traced(b, run);
	if (wait_stop(child) != SIGSTOP)
		return 0;
	do {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		stop = wait_stop(child);
		steps++;
	} while (stop == SIGTRAP && look(b, steps, arg));
	if (stop == SIGTRAP) {
		assert_int_equal(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
		stop = wait_stop(child);
	}
	assert_int_equal(stop, SIGSTOP);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return steps;
}

#else

unsigned long bare_step(struct bare *b, void (*run)(struct bare *b),
			bool (*look)(struct bare *b, unsigned long step, void *arg), void *arg)
{
	(void)b;
	(void)run;
	(void)look;
	(void)arg;
	return 0;
}

#endif
