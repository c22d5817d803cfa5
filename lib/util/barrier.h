/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory barriers between this process and the other domain.
 *
 * The other domain can be a microcontroller that shares memory with Linux but sits outside its
 * inner shareable domain, where the barriers that C11 fences compile to (dmb ish) do not reach. On
 * Arm the outer shareable variants are used instead; elsewhere the compiler's own fences are right.
 * Everything that orders shared memory goes through these three; tests/build/barriers.bats looks at
 * what compilers make of them.
 *
 * BARRIER_EXPLICIT: an ordered access is a relaxed one and a barrier. Otherwise the compiler's own
 * ordered accesses reach as far.
 */
#ifndef ICBMSG_UTIL_BARRIER_H
#define ICBMSG_UTIL_BARRIER_H

#if defined(__aarch64__) || defined(__arm__) || defined(__riscv)
#define BARRIER_EXPLICIT 1
#else
#define BARRIER_EXPLICIT 0
#endif

#if defined(__aarch64__)

/* Loads before it are complete before any access after it. */
static inline void barrier_acquire(void)
{
	__asm__ volatile("dmb oshld" ::: "memory");
}

/* All accesses before it are visible before any store after it. */
static inline void barrier_release(void)
{
	__asm__ volatile("dmb osh" ::: "memory");
}

/* Additionally orders earlier stores before later loads (Dekker's pattern, protocol.md section 6). */
static inline void barrier_full(void)
{
	__asm__ volatile("dmb osh" ::: "memory");
}

#elif defined(__arm__)

static inline void barrier_acquire(void)
{
	__asm__ volatile("dmb osh" ::: "memory");
}

static inline void barrier_release(void)
{
	__asm__ volatile("dmb osh" ::: "memory");
}

static inline void barrier_full(void)
{
	__asm__ volatile("dmb osh" ::: "memory");
}

#elif defined(__riscv)

static inline void barrier_acquire(void)
{
	__asm__ volatile("fence ir, iorw" ::: "memory");
}

static inline void barrier_release(void)
{
	__asm__ volatile("fence iorw, ow" ::: "memory");
}

static inline void barrier_full(void)
{
	__asm__ volatile("fence iorw, iorw" ::: "memory");
}

#else

static inline void barrier_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void barrier_release(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void barrier_full(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif

#endif
