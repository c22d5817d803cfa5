// SPDX-License-Identifier: Apache-2.0
/*
 * Layouts against those that Zephyr's own macros printed (tests/conformance/layouts), and against
 * every class of configuration that cannot be.
 */
#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "wire/layout.h"

#define FOLDER CONFORMANCE_DIR "/layouts"

static int64_t number(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		fail_msg("no \"%s\" in %s", key, json_object_to_json_string(o));
	return json_object_get_int64(value);
}

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value;
}

/* One direction of a recorded configuration, as its writer (@own) configures it. */
static struct layout_geometry geometry(struct json_object *entry, const char *own,
				       const char *other)
{
	struct json_object *in = member(entry, "in");
	int64_t align = number(entry, "dcache_alignment");
	char key[32];
	struct layout_geometry g = {
		.alignment = align < 0 ? 0 : (uint32_t)align,
		.word_size = (uint32_t)number(entry, "word_bits") / 8,
	};

	snprintf(key, sizeof(key), "%s_off", own);
	g.base = (uint64_t)number(in, key);
	snprintf(key, sizeof(key), "%s_size", own);
	g.size = (uint64_t)number(in, key);
	snprintf(key, sizeof(key), "%s_blocks", own);
	g.blocks = (uint32_t)number(in, key);
	snprintf(key, sizeof(key), "%s_blocks", other);
	g.peer_blocks = (uint32_t)number(in, key);
	return g;
}

static struct layout_region check_direction(struct json_object *entry, const char *own,
					    const char *other)
{
	struct layout_geometry g = geometry(entry, own, other);
	struct json_object *want = member(entry, own);
	struct layout_region r;
	char error[LAYOUT_ERROR_SIZE] = "";

	if (layout_classic(&r, &g, error) != 0)
		fail_msg("%s of %s: %s", own, json_object_to_json_string(entry), error);
	assert_int_equal(r.begin, number(want, "region_off"));
	assert_int_equal(r.total, number(want, "region_size"));
	assert_int_equal(r.alignment, number(entry, "effective_alignment"));
	assert_int_equal(r.rd_idx, number(entry, "rd_idx_off"));
	assert_int_equal(r.wr_idx, number(entry, "wr_idx_off"));
	assert_int_equal(r.ring_data, number(entry, "pbuf_data_off"));
	assert_int_equal(r.ring_len, number(want, "pbuf_data_len"));
	assert_int_equal(r.blocks_off, number(want, "blocks_off"));
	assert_int_equal(r.blocks_off, number(want, "ctl_size"));
	assert_int_equal(r.block_size, number(want, "block_size"));
	assert_int_equal(r.block_count, number(want, "block_count"));
	assert_int_equal(r.header_size, number(entry, "block_header_size"));
	assert_int_equal(r.max_payload, number(want, "max_buffer"));
	return r;
}

/* The number itself, in decimal, not as part of a longer one. */
static bool names_number(const char *text, uint64_t number)
{
	char digits[24];
	size_t n = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number);

	for (const char *at = strstr(text, digits); at; at = strstr(at + 1, digits)) {
		bool starts = at == text || at[-1] < '0' || at[-1] > '9';

		if (starts && (at[n] < '0' || at[n] > '9'))
			return true;
	}
	return false;
}

/* A firmware build fails if one of its two directions is impossible. */
static void check_refused(struct json_object *entry)
{
	static const char *const names[2] = { "tx", "rx" };
	int refused = 0;

	for (int i = 0; i < 2; i++) {
		struct layout_geometry g = geometry(entry, names[i], names[!i]);
		struct layout_region r;
		char error[LAYOUT_ERROR_SIZE] = "";

		if (layout_classic(&r, &g, error) == 0)
			continue;
		refused++;
		assert_true(names_number(error, g.blocks));
		assert_true(names_number(error, g.peer_blocks));
	}
	if (refused == 0)
		fail_msg("accepted: %s", json_object_to_json_string(entry));
}

struct counts {
	size_t files, layouts, refused;
};

static void check_file(const char *name, struct counts *n)
{
	char path[512];
	struct json_object *file;

	snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
	file = json_object_from_file(path);
	if (!file)
		fail_msg("%s: %s", path, json_util_get_last_err());
	for (size_t i = 0; i < json_object_array_length(file); i++) {
		struct json_object *entry = json_object_array_get_idx(file, i);

		n->layouts++;
		if (member(entry, "error")) {
			n->refused++;
			check_refused(entry);
		} else {
			struct layout_region tx = check_direction(entry, "tx", "rx");
			struct layout_region rx = check_direction(entry, "rx", "tx");

			assert_int_equal(layout_is_initiator(&tx, &rx),
					 number(entry, "is_initiator"));
			assert_int_equal(layout_is_initiator(&rx, &tx),
					 !number(entry, "is_initiator"));
		}
	}
	n->files++;
	json_object_put(file);
}

static void test_conformance(void **state)
{
	struct counts n = { 0 };
	struct dirent *file;
	DIR *folder = opendir(FOLDER);

	(void)state;
	if (!folder)
		fail_msg("%s: %s", FOLDER, strerror(errno));
	while ((file = readdir(folder)))
		if (!strncmp(file->d_name, "classic", 7))
			check_file(file->d_name, &n);
	closedir(folder);
	/* What is recorded today: a test over an empty folder proves nothing. */
	assert_true(n.files >= 10);
	assert_true(n.layouts >= 280);
	assert_true(n.refused >= 40);
}

/* A usable configuration, to break one number at a time. */
static const struct layout_geometry good = {
	.base = 0x20070000,
	.size = 0x8000,
	.blocks = 16,
	.peer_blocks = 18,
	.alignment = 32,
	.word_size = 4,
};

static void refuse(struct layout_geometry g, uint64_t number, const char *words)
{
	struct layout_region r, before;
	char error[LAYOUT_ERROR_SIZE] = "";

	memset(&r, 0xa5, sizeof(r));
	before = r;
	assert_int_equal(layout_classic(&r, &g, error), -EINVAL);
	assert_memory_equal(&r, &before, sizeof(r));
	if (!names_number(error, number) || !strstr(error, words))
		fail_msg("\"%s\" should say %" PRIu64 " and \"%s\"", error, number, words);
}

#define REFUSE(field, value, words)              \
	do {                                     \
		struct layout_geometry g = good; \
                                                 \
		g.field = (value);               \
		refuse(g, (value), words);       \
	} while (0)

static void test_impossible_numbers(void **state)
{
	static const uint32_t word_sizes[] = { 0, 1, 2, 3, 5, 6, 7, 9, 16, 32, 64, UINT32_MAX };
	struct layout_region r;
	char error[LAYOUT_ERROR_SIZE];

	(void)state;
	assert_int_equal(layout_classic(&r, &good, error), 0);
	for (size_t i = 0; i < sizeof(word_sizes) / sizeof(word_sizes[0]); i++)
		REFUSE(word_size, word_sizes[i], "word size");
	for (uint32_t align = 0; align < 300; align++)
		if (align & (align - 1))
			REFUSE(alignment, align, "power of two");
	REFUSE(alignment, UINT32_MAX, "power of two");
	REFUSE(blocks, 0, "1 to 256");
	REFUSE(blocks, 257, "1 to 256");
	REFUSE(blocks, UINT32_MAX, "1 to 256");
	REFUSE(peer_blocks, 0, "opposite");
	REFUSE(peer_blocks, 257, "opposite");
	REFUSE(peer_blocks, UINT32_MAX, "opposite");
	/* More than the wire's 32-bit offsets can name. */
	REFUSE(size, UINT64_C(0x100000000), "at most 4294967295");
	REFUSE(size, UINT64_MAX, "at most");
	REFUSE(size, UINT64_MAX - good.base, "at most");
}

static void test_address_overflow(void **state)
{
	const uint64_t least = good.size + good.alignment;
	struct layout_geometry g = good;
	struct layout_region r;
	char error[LAYOUT_ERROR_SIZE];

	(void)state;
	for (uint64_t below = 0; below < least; below += 97) {
		g.base = UINT64_MAX - below;
		refuse(g, g.size, "end of the 64-bit addresses");
	}
	g.base = UINT64_MAX - least;
	assert_int_equal(layout_classic(&r, &g, error), 0);
	g.base = UINT64_MAX;
	for (uint32_t bit = 0; bit < 32; bit++) {
		g.alignment = UINT32_C(1) << bit;
		refuse(g, g.alignment, "end of the 64-bit addresses");
	}
}

static void test_too_small(void **state)
{
	/* (32 + 4) + 2 * 8 + 8 * 34 = 324, rounded up to 32. */
	const uint32_t ring_min = 352;
	struct layout_geometry g = good;
	struct layout_region r;
	char error[LAYOUT_ERROR_SIZE];

	(void)state;
	/* Up to 8 bytes per block: with 4, all 16 of them hold a header and 60 bytes. */
	for (g.size = 0; g.size < ring_min + 64; g.size += g.size < ring_min - 8 ? 7 : 1)
		refuse(g, ring_min, "too small");
	g.size = ring_min + 64;
	assert_int_equal(layout_classic(&r, &g, error), 0);
	assert_int_equal(r.block_size, 4);
	assert_int_equal(r.max_payload, 60);
	assert_int_equal(r.blocks_off, ring_min);
	/* An alignment larger than the region leaves nothing of it. */
	g = good;
	g.alignment = 0x80000000;
	g.base = 0x1000;
	refuse(g, 0, "too small");
	/* One block of exactly a header. */
	g = (struct layout_geometry){ .size = 52, .blocks = 1, .peer_blocks = 1, .word_size = 8 };
	g.size = (4 + 4) + 2 * 12 + 12 * 2 + 8;
	refuse(g, 8, "no payload");
	g.size += 4;
	assert_int_equal(layout_classic(&r, &g, error), 0);
	assert_int_equal(r.max_payload, 4);
}

static void test_largest(void **state)
{
	struct layout_geometry g = {
		.base = UINT64_MAX - UINT32_MAX - 4,
		.size = UINT32_MAX,
		.blocks = 256,
		.peer_blocks = 256,
		.alignment = 4,
		.word_size = 8,
	};
	struct layout_region r;
	char error[LAYOUT_ERROR_SIZE];

	(void)state;
	assert_int_equal(layout_classic(&r, &g, error), 0);
	assert_int_equal(r.total % 4, 0);
	assert_true(r.total > UINT32_MAX - 8);
	assert_int_equal((uint64_t)r.blocks_off + (uint64_t)r.block_size * 256, r.total);
	assert_int_equal(layout_capacity(&r, 256), r.max_payload);
}

static void test_block_arithmetic(void **state)
{
	static const uint64_t huge[] = {
		UINT32_MAX, UINT64_C(0x100000000), UINT64_MAX / 2, UINT64_MAX - 8, UINT64_MAX,
	};

	(void)state;
	for (uint32_t header = 4; header <= 8; header += 4) {
		for (uint32_t size = 4; size <= 64; size += 4) {
			struct layout_region r = {
				.block_size = size,
				.block_count = 256,
				.header_size = header,
			};

			for (uint32_t payload = 0; payload < 1000; payload++) {
				uint32_t n = (uint32_t)layout_blocks_for(&r, payload);

				assert_true(n * size >= payload + header);
				assert_true((n - 1) * size < payload + header);
				assert_true(layout_capacity(&r, n) >= payload);
			}
			for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++)
				assert_true(layout_blocks_for(&r, huge[i]) > 256);
			assert_int_equal(layout_capacity(&r, 0), 0);
			assert_int_equal(layout_capacity(&r, 1), size > header ? size - header : 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conformance),      cmocka_unit_test(test_impossible_numbers),
		cmocka_unit_test(test_address_overflow), cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_largest),          cmocka_unit_test(test_block_arithmetic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
