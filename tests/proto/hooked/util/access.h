/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/util/access.h with a hook before every access: what is compiled against this one can be
 * stopped, interleaved with others, or killed between any two accesses to shared memory. Copies
 * are made word by word. Private memory is copied so as well, which does no harm.
 */
#ifndef ICBMSG_TESTS_HOOKED_ACCESS_H
#define ICBMSG_TESTS_HOOKED_ACCESS_H

#include "../../../../lib/util/access.h"

void hook_access(void);

static inline uint32_t hooked_load32(const void *p)
{
	hook_access();
	return shm_load32_acquire(p);
}

static inline void hooked_store32(void *p, uint32_t v)
{
	hook_access();
	shm_store32_release(p, v);
}

static inline bool hooked_replace32(void *p, uint32_t old, uint32_t v, enum mem_type type)
{
	hook_access();
	return shm_replace32(p, old, v, type);
}

static inline void *hooked_memcpy(void *dst, const void *src, size_t n)
{
	for (size_t at = 0, part; at < n; at += part) {
		part = n - at < 4 ? n - at : 4;
		hook_access();
		memcpy((uint8_t *)dst + at, (const uint8_t *)src + at, part);
	}
	return dst;
}

#define shm_load32 hooked_load32
#define shm_load32_acquire hooked_load32
#define shm_store32 hooked_store32
#define shm_store32_release hooked_store32
#define shm_replace32 hooked_replace32
#undef memcpy
#define memcpy hooked_memcpy

#endif
