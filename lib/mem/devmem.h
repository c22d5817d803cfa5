/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/mem: physical memory by address. Its refusals have many reasons and two numbers; what can be
 * found out about them is told.
 */
#ifndef ICBMSG_MEM_DEVMEM_H
#define ICBMSG_MEM_DEVMEM_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/error.h"
#include "mem/window.h"

/*
 * Map @size bytes at physical address @address, which need not be on a page. @sync: with O_SYNC,
 * uncached where Linux would cache it otherwise. @label begins the message. @root: a folder to take
 * for "/", for tests; NULL otherwise.
 * Returns a descriptor (CLOEXEC; the mapping does not need it) or a negative errno with a text.
 */
int devmem_map(struct window *w, uint64_t address, uint64_t size, bool sync, bool read_only,
	       const char *label, const char *root, char error[MEM_ERROR_SIZE]);

#endif
