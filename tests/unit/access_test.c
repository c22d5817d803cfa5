// SPDX-License-Identifier: Apache-2.0
/*
 * Copies to and from shared memory: every alignment of both ends, both memory types, nothing
 * outside touched, and for device memory no access that such a mapping would answer with SIGBUS.
 */
#include "unit/unit.h"

#include <string.h>

#include "util/access.h"

#define EDGE 16u
#define MOST 64u
#define GUARD 0x5a

typedef void copy_fn(void *dst, const void *src, size_t n, enum mem_type type);

static void check_copy(copy_fn *copy, enum mem_type type, size_t dst_at, size_t src_at, size_t n)
{
	_Alignas(16) uint8_t dst[2 * EDGE + MOST], src[2 * EDGE + MOST];
	uint8_t before[sizeof(src)];

	memset(dst, GUARD, sizeof(dst));
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i * 37 + 11);
	memcpy(before, src, sizeof(src));

	copy(dst + dst_at, src + src_at, n, type);
	assert_memory_equal(dst + dst_at, src + src_at, n);
	assert_memory_equal(src, before, sizeof(src));
	for (size_t i = 0; i < sizeof(dst); i++)
		if (i < dst_at || i >= dst_at + n)
			assert_int_equal(dst[i], GUARD);
}

static void check_all(copy_fn *copy)
{
	for (size_t dst_at = EDGE - 8; dst_at < EDGE; dst_at++)
		for (size_t src_at = EDGE - 8; src_at < EDGE; src_at++)
			for (size_t n = 0; n <= MOST; n++) {
				check_copy(copy, MEM_NORMAL, dst_at, src_at, n);
				check_copy(copy, MEM_DEVICE, dst_at, src_at, n);
			}
}

static void test_copy_to(void **state)
{
	(void)state;
	check_all(shm_copy_to);
}

static void test_copy_from(void **state)
{
	(void)state;
	check_all(shm_copy_from);
}

/* Zero bytes may come with pointers that memcpy must not see. */
static void test_copy_nothing(void **state)
{
	(void)state;
	for (enum mem_type type = MEM_NORMAL; type <= MEM_DEVICE; type++) {
		shm_copy_to(NULL, NULL, 0, type);
		shm_copy_from(NULL, NULL, 0, type);
	}
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
	!defined(__clang__)
#define HAVE_ALIGNMENT_CHECK 1
#else
#define HAVE_ALIGNMENT_CHECK 0
#endif

/*
 * x86 answers every unaligned access with SIGBUS while the AC flag is set, as device mappings of
 * other CPUs do. Both ends lie equally to a word, so that the private one is never unaligned
 * either; a 64-bit access to a place that is aligned to 32 bits only is caught in the same way.
 */
static void test_device_accesses_are_aligned(void **state)
{
	_Alignas(16) static uint8_t shared[2 * EDGE + MOST], private[2 * EDGE + MOST];

	(void)state;
	if (!HAVE_ALIGNMENT_CHECK)
		skip();
#if HAVE_ALIGNMENT_CHECK
	for (size_t at = 0; at < EDGE; at++)
		for (size_t n = 0; n <= MOST; n++) {
			uint8_t *p = shared + at, *q = private + (at + 4) % EDGE;

			__asm__ volatile("pushfq; orl $0x40000, (%%rsp); popfq" ::: "memory", "cc");
			shm_copy_to_device(p, q, n);
			shm_copy_from_device(q, p, n);
			__asm__ volatile("pushfq; andl $~0x40000, (%%rsp); popfq" ::
						 : "memory", "cc");
		}
#endif
	assert_memory_equal(shared, private, sizeof(shared));
}

static void test_words_are_little_endian(void **state)
{
	static const uint8_t image[4] = { 0x78, 0x56, 0x34, 0x12 };
	uint32_t word;

	(void)state;
	memcpy(&word, image, sizeof(word));
	assert_int_equal(shm_load32(&word), 0x12345678);
	assert_int_equal(shm_load32_acquire(&word), 0x12345678);
	word = 0;
	shm_store32(&word, 0x12345678);
	assert_memory_equal(&word, image, sizeof(image));
	word = 0;
	shm_store32_release(&word, 0x12345678);
	assert_memory_equal(&word, image, sizeof(image));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_to),
		cmocka_unit_test(test_copy_from),
		cmocka_unit_test(test_copy_nothing),
		cmocka_unit_test(test_device_accesses_are_aligned),
		cmocka_unit_test(test_words_are_little_endian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
