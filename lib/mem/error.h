/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How memory and doorbells tell what went wrong: one line that names the thing and the remedy, in
 * the caller's buffer.
 */
#ifndef ICBMSG_MEM_ERROR_H
#define ICBMSG_MEM_ERROR_H

#include <stdbool.h>

#define MEM_ERROR_SIZE 256u

/* Write the line; passes @ret through. */
int mem_fail(char error[MEM_ERROR_SIZE], int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Access to the file at @path was denied: tell who may, and whether a group would do. @label is how
 * the configuration names the thing; @remedy says how its owner could let a group in, where none
 * may. Returns -EACCES.
 */
int mem_fail_access(char error[MEM_ERROR_SIZE], const char *label, const char *path, bool read_only,
		    const char *remedy);

#endif
