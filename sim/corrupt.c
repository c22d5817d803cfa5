// SPDX-License-Identifier: Apache-2.0
/*
 * Where random bytes go, and which. Values that nearly make sense get further into a reader than
 * noise does, so half of the indices and headers are such.
 */
#include "corrupt.h"

#include <string.h>
#include <sys/mman.h>

#include "args.h"
#include "parent.h"
#include "random.h"
#include "util/access.h"

/* Writes that are made up for at once when the caller was late. */
#define BURST 100

#define PAUSE_NS 100000

static const char *const names[CORRUPT_KINDS] = { "indices", "rings", "headers", "payload" };

const char *corrupt_name(enum corrupt_what what)
{
	return names[what];
}

static unsigned int parse_one(const char *text, size_t length)
{
	unsigned int i;

	if (length == 3 && strncmp(text, "all", 3) == 0)
		return CORRUPT_ALL;
	for (i = 0; i < CORRUPT_KINDS; i++)
		if (strlen(names[i]) == length && strncmp(text, names[i], length) == 0)
			return 1u << i;
	tool_usage("--corrupt-what: \"%.*s\" is none of indices, rings, headers, payload and all",
		   (int)length, text);
}

unsigned int corrupt_parse(const char *text)
{
	unsigned int what = 0;

	for (;;) {
		size_t length = strcspn(text, ",");

		what |= parse_one(text, length);
		if (!text[length])
			return what;
		text += length + 1;
	}
}

static uint32_t draw(struct corrupt *c)
{
	return (uint32_t)(random_next(&c->random) >> 32);
}

static uint32_t below(struct corrupt *c, uint32_t n)
{
	return (uint32_t)random_below(&c->random, n);
}

static uint8_t *at(const struct corrupt *c, const struct layout_region *r, uint32_t offset)
{
	return c->map + r->begin + offset;
}

/* A word or a byte of it. */
static void scribble(struct corrupt *c, uint8_t *word)
{
	if (below(c, 2))
		shm_store32(word, draw(c));
	else
		__atomic_store_n(word + below(c, 4), (uint8_t)draw(c), __ATOMIC_RELAXED);
}

static void write_index(struct corrupt *c, const struct layout_region *r)
{
	uint8_t *index = at(c, r, below(c, 2) ? r->rd_idx : r->wr_idx);

	if (below(c, 2))
		shm_store32(index,
			    below(c, r->ring_len / 4 + 2) * 4); /* also just beyond the end */
	else
		scribble(c, index);
}

static void write_header(struct corrupt *c, const struct layout_region *r)
{
	uint32_t block = below(c, r->block_count);
	uint8_t *header = at(c, r, r->blocks_off + (size_t)block * r->block_size);

	if (below(c, 2))
		shm_store32(header, below(c, r->block_size * r->block_count + 8));
	else
		scribble(c, header + (size_t)4 * below(c, r->header_size / 4));
}

static void write_kind(struct corrupt *c, const struct layout_region *r, enum corrupt_what what)
{
	switch (what) {
	case CORRUPT_INDICES:
		write_index(c, r);
		break;
	case CORRUPT_RINGS:
		scribble(c, at(c, r, r->ring_data + 4 * below(c, r->ring_len / 4)));
		break;
	case CORRUPT_HEADERS:
		write_header(c, r);
		break;
	default:
		scribble(c, at(c, r,
			       r->blocks_off + 4 * below(c, r->block_size * r->block_count / 4)));
		break;
	}
}

static void write_once(struct corrupt *c)
{
	unsigned int kind;

	do {
		kind = below(c, CORRUPT_KINDS);
	} while (!(c->what & 1u << kind));
	write_kind(c, &c->region[below(c, 2)], (enum corrupt_what)kind);
	c->counts.writes[kind]++;
}

int corrupt_open(struct corrupt *c, int fd, const struct geometry *g)
{
	char error[LAYOUT_ERROR_SIZE];
	void *map;

	c->map_size = geometry_memory_size(g);
	map = mmap(NULL, c->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		sim_fail_errno("mapping the shared memory");
		return -1;
	}
	c->map = map;
	geometry_layout(g, SIDE_A, &c->region[0], &c->region[1], error);
	return 0;
}

void corrupt_close(struct corrupt *c)
{
	if (c->map)
		munmap(c->map, c->map_size);
	c->map = NULL;
}

void corrupt_start(struct corrupt *c, uint64_t rate, int64_t length_ns, int64_t now)
{
	c->step = SECOND_NS / (int64_t)rate;
	c->due = now;
	c->until = length_ns > 0 ? now + length_ns : INT64_MAX;
}

void corrupt_stop(struct corrupt *c)
{
	c->step = 0;
}

void corrupt_work(struct corrupt *c, int64_t now)
{
	int64_t end = now < c->until ? now : c->until;

	if (c->step == 0)
		return;
	c->last = now;
	if (c->due < end - BURST * c->step)
		c->due = end - BURST * c->step;
	for (; c->due <= end; c->due += c->step)
		write_once(c);
	if (now >= c->until)
		corrupt_stop(c);
}

/* Not so often that the cores do not get to run. */
int64_t corrupt_due(const struct corrupt *c)
{
	int64_t due = c->due > c->last + PAUSE_NS ? c->due : c->last + PAUSE_NS;

	if (c->step == 0)
		return INT64_MAX;
	return due < c->until ? due : c->until;
}
