// SPDX-License-Identifier: Apache-2.0
/*
 * See jitter.h. The linker leads calls here (--wrap, see CMakeLists.txt).
 */
#include "jitter.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_uint disturb_one_in, lose_one_in, threads;

void jitter_disturb(unsigned int n)
{
	atomic_store(&disturb_one_in, n);
}

void jitter_lose_doorbells(unsigned int n)
{
	atomic_store(&lose_one_in, n);
}

static uint32_t next_random(void)
{
	static _Thread_local uint32_t random;

	if (random == 0)
		random = 1 + 2654435761u * atomic_fetch_add(&threads, 1);
	random = random * 1664525u + 1013904223u;
	return random >> 8;
}

static int one_in(atomic_uint *n)
{
	uint32_t every = atomic_load_explicit(n, memory_order_relaxed);

	return every > 0 && next_random() % every == 0;
}

/* Mostly give the CPU to another thread, now and then for so long that many get their turn. */
static void disturb(void)
{
	struct timespec pause = { .tv_nsec = 1 };

	if (!one_in(&disturb_one_in))
		return;
	if (next_random() % 8) {
		sched_yield();
		return;
	}
	pause.tv_nsec += next_random() % 200000;
	nanosleep(&pause, NULL);
}

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);
int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
void *__real_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	disturb();
	return __real_pthread_mutex_lock(lock);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	int ret = __real_pthread_mutex_unlock(lock);

	disturb();
	return ret;
}

/* With the lock held: whoever is woken finds others in between. */
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	int ret;

	disturb();
	ret = __real_pthread_cond_wait(cond, lock);
	disturb();
	return ret;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until)
{
	int ret;

	disturb();
	ret = __real_pthread_cond_timedwait(cond, lock, until);
	disturb();
	return ret;
}

int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set)
{
	int ret;

	disturb();
	ret = __real_ppoll(fds, n, timeout, set);
	disturb();
	return ret;
}

/* The library writes to doorbells only (eventfd_write(3) is a call of its own). */
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	disturb();
	if (size == sizeof(uint64_t) && one_in(&lose_one_in))
		return (ssize_t)size;
	return __real_write(fd, data, size);
}

/* ------------------------------------------------------------------------------------------------
 * One map of a file for all who map it
 */

static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map {
	void *base;
	size_t size;
	dev_t dev;
	ino_t ino;
	unsigned int users;
} maps[4];

/* By address, or by file; with neither a free one. */
static struct map *find_map(const void *base, const struct stat *st)
{
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		struct map *m = &maps[i];
		int same_file = st && m->dev == st->st_dev && m->ino == st->st_ino;

		if (base || st ? m->users && (m->base == base || same_file) : !m->users)
			return m;
	}
	return NULL;
}

static void *share(size_t size, int prot, int fd, const struct stat *st)
{
	struct map *m = find_map(NULL, st);
	void *base;

	if (m && m->size == size) {
		m->users++;
		return m->base;
	}
	base = __real_mmap(NULL, size, prot, MAP_SHARED, fd, 0);
	m = m ? NULL : find_map(NULL, NULL);
	if (base != MAP_FAILED && m)
		*m = (struct map){ base, size, st->st_dev, st->st_ino, 1 };
	return base;
}

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct stat st;
	void *base;

	if (addr || flags != MAP_SHARED || prot != (PROT_READ | PROT_WRITE) || offset != 0 ||
	    fstat(fd, &st) < 0)
		return __real_mmap(addr, size, prot, flags, fd, offset);
	__real_pthread_mutex_lock(&maps_lock);
	base = share(size, prot, fd, &st);
	__real_pthread_mutex_unlock(&maps_lock);
	return base;
}

int __wrap_munmap(void *addr, size_t size)
{
	struct map *m;
	int ret = 0;

	__real_pthread_mutex_lock(&maps_lock);
	m = find_map(addr, NULL);
	if (!m || --m->users == 0)
		ret = __real_munmap(addr, size);
	__real_pthread_mutex_unlock(&maps_lock);
	return ret;
}
