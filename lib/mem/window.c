// SPDX-License-Identifier: Apache-2.0
#include "mem/window.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int window_map(struct window *w, int fd, uint64_t at, uint64_t lead, uint64_t size, bool read_only)
{
	uint64_t skip = at % (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t length, end;
	void *pages;

	at -= skip;
	if (__builtin_add_overflow(lead, skip, &lead) ||
	    __builtin_add_overflow(lead, size, &length) ||
	    __builtin_add_overflow(at, length, &end) || end > INT64_MAX || length > SIZE_MAX)
		return -EOVERFLOW;
	pages = mmap(NULL, (size_t)length, read_only ? PROT_READ : PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, (off_t)at);
	if (pages == MAP_FAILED)
		return -errno;
	*w = (struct window){
		.base = (uint8_t *)pages + lead,
		.size = (size_t)size,
		.pages = pages,
		.length = (size_t)length,
	};
	return 0;
}

void window_unmap(struct window *w)
{
	if (w->base)
		munmap(w->pages, w->length);
	*w = (struct window){ 0 };
}
