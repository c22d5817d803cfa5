/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound release of resources, so that an error path cannot forget what was already opened.
 * Use: `_cleanup_(free_ptr) char *text = NULL;` and `take_fd(&fd)` to hand a resource on.
 */
#ifndef ICBMSG_UTIL_CLEANUP_H
#define ICBMSG_UTIL_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void free_ptr(void *p)
{
	void *memory;

	/* @p points to a pointer of some type; void * is another one. */
	memcpy(&memory, p, sizeof(memory));
	free(memory);
}

/* These two do not touch errno. Negative descriptors are "none". */
static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void close_file(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	*f = NULL;
	errno = saved;
}

static inline int take_fd(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

#endif
