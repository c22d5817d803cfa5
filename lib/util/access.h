/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only ways in which shared memory is read and written.
 *
 * The other side may change any byte at any time, so each shared value is loaded exactly once into
 * a local (these helpers cannot be merged or repeated by the compiler), checked, then used. All
 * words of the protocol are little-endian and naturally aligned for 32 bits (protocol.md section
 * 1); there are no 64-bit accesses, because 8-byte block headers may be aligned to 4 only (section
 * 9).
 *
 * Payloads are copied by memcpy on normal memory. Device memory (an uncached mapping, as /dev/mem
 * and UIO often give) traps on unaligned and on some wide accesses: there, copies are loops of
 * aligned 32-bit words with bytes at the edges.
 */
#ifndef ICBMSG_UTIL_ACCESS_H
#define ICBMSG_UTIL_ACCESS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/barrier.h"

enum mem_type {
	MEM_NORMAL, /* cacheable memory: any access is fine */
	MEM_DEVICE, /* aligned accesses of at most 32 bits only */
};

/* A word of shared memory: the same bytes are seen elsewhere as payloads of any type. */
typedef uint32_t __attribute__((may_alias)) shm_word;

static inline uint32_t shm_load32(const void *p)
{
	return le32toh(__atomic_load_n((const shm_word *)p, __ATOMIC_RELAXED));
}

static inline void shm_store32(void *p, uint32_t v)
{
#if defined(__riscv)
	/* Up to version 12 gcc makes an atomic store an amoswap, which device memory may not bear. */
	*(volatile shm_word *)p = htole32(v);
#else
	__atomic_store_n((shm_word *)p, htole32(v), __ATOMIC_RELAXED);
#endif
}

/* Nothing after this load is read before it: for an index that announces data. */
static inline uint32_t shm_load32_acquire(const void *p)
{
#if BARRIER_EXPLICIT
	uint32_t v = shm_load32(p);

	barrier_acquire();
	return v;
#else
	return le32toh(__atomic_load_n((const shm_word *)p, __ATOMIC_ACQUIRE));
#endif
}

/* Everything before this store is visible before it: for an index that announces data or space. */
static inline void shm_store32_release(void *p, uint32_t v)
{
#if BARRIER_EXPLICIT
	barrier_release();
	shm_store32(p, v);
#else
	__atomic_store_n((shm_word *)p, htole32(v), __ATOMIC_RELEASE);
#endif
}

/* In normal memory: the one read-modify-write of all shared memory. */
static inline bool shm_swap32(void *p, uint32_t old, uint32_t v)
{
	uint32_t expected = htole32(old);
#if BARRIER_EXPLICIT
	bool done;

	barrier_release();
	done = __atomic_compare_exchange_n((shm_word *)p, &expected, htole32(v), false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	barrier_acquire();
	return done;
#else
	return __atomic_compare_exchange_n((shm_word *)p, &expected, htole32(v), false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
#endif
}

/*
 * Store @v if the word still holds @old; whether it did. On device memory, where exclusives do not
 * work, a look and a store: the caller must bear that the other side gets in between.
 */
static inline bool shm_replace32(void *p, uint32_t old, uint32_t v, enum mem_type type)
{
	if (type == MEM_NORMAL)
		return shm_swap32(p, old, v);
	if (shm_load32(p) != old)
		return false;
	shm_store32_release(p, v);
	return true;
}

/* The device variants: out of line, they are slow by nature. */
void shm_copy_to_device(void *dst, const void *src, size_t n);
void shm_copy_from_device(void *dst, const void *src, size_t n);

/* Copy @n bytes of private memory into shared memory of the given type. */
static inline void shm_copy_to(void *dst, const void *src, size_t n, enum mem_type type)
{
	if (n == 0)
		return;
	if (type == MEM_NORMAL)
		memcpy(dst, src, n);
	else
		shm_copy_to_device(dst, src, n);
}

/* Copy @n bytes out of shared memory of the given type. The copy, not the original, is to be checked. */
static inline void shm_copy_from(void *dst, const void *src, size_t n, enum mem_type type)
{
	if (n == 0)
		return;
	if (type == MEM_NORMAL)
		memcpy(dst, src, n);
	else
		shm_copy_from_device(dst, src, n);
}

#endif
