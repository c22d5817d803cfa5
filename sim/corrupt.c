// SPDX-License-Identifier: Apache-2.0
/*
 * Where random bytes go, and which. Values that nearly make sense get further into a reader than
 * noise does, so half of the indices and headers are such.
 */
#include "corrupt.h"

#include <string.h>

#include "args.h"
#include "util/access.h"

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
	sim_usage("--corrupt-what: \"%.*s\" is none of indices, rings, headers, payload and all",
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
	c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(c->random >> 32);
}

static uint32_t below(struct corrupt *c, uint32_t n)
{
	return (uint32_t)((uint64_t)draw(c) * n >> 32);
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

void corrupt_once(struct corrupt *c)
{
	unsigned int kind;

	do {
		kind = below(c, CORRUPT_KINDS);
	} while (!(c->what & 1u << kind));
	write_kind(c, &c->region[below(c, 2)], (enum corrupt_what)kind);
	c->counts.writes[kind]++;
}
