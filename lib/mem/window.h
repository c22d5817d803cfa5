/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mapped piece of a file that need not begin or end on a page: shared memory of a device, or its
 * registers.
 */
#ifndef ICBMSG_MEM_WINDOW_H
#define ICBMSG_MEM_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window {
	uint8_t *base; /* NULL: not mapped */
	size_t size;   /* bytes from there */
	void *pages;   /* what is mapped for it, for window_unmap() */
	size_t length;
};

/*
 * Map @size > 0 bytes of @fd, @lead bytes behind the file's offset @at, shared, for reading and
 * (unless @read_only) writing. @at need not be a multiple of a page, unless the driver counts its
 * maps by it: then @lead is the offset in one of them.
 * Returns 0, -EOVERFLOW if the end is beyond any file's, or mmap(2)'s errno, negative.
 */
int window_map(struct window *w, int fd, uint64_t at, uint64_t lead, uint64_t size, bool read_only);

/* Also allowed on one that is not mapped. */
void window_unmap(struct window *w);

#endif
