/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other process of a measurement: forked, pinned to the second CPU, gone with this one.
 */
#ifndef ICBMSG_TOOLS_BENCH_PAIR_H
#define ICBMSG_TOOLS_BENCH_PAIR_H

#include <sys/types.h>

#include "bench/bench.h"

/** Run @fn in another process; it exits with 0 when @fn returns. */
pid_t pair_start(const struct bench_settings *s, void (*fn)(void *arg), void *arg);

/** Wait until the other process has ended; the program fails if it did. */
void pair_finish(pid_t pid);

/** Fail with @what and why the other process may be to blame, which is ended. */
_Noreturn void pair_fail(pid_t pid, const char *what);

/** Choose two CPUs and pin this process to the first. */
void pair_choose_cpus(struct bench_settings *s);

/** Zeroed memory that both processes see. */
void *pair_memory(size_t size);
void pair_memory_free(void *memory, size_t size);

static inline void pair_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
