/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source of memory consists of; for the files in mem that are one. A new source is a member
 * of enum memory_kind, what it needs in the spec, a file with its vtable, and a line in memory.c's
 * table.
 */
#ifndef ICBMSG_MEM_MEMORY_SOURCE_H
#define ICBMSG_MEM_MEMORY_SOURCE_H

#include "mem/memory.h"

#define MEMORY_LABEL_SIZE 96u

/* What is being mapped and where complaints go. */
struct memory_attempt {
	const struct memory_spec *spec;
	bool read_only;
	bool created;                  /* SHM: by us, just now */
	char label[MEMORY_LABEL_SIZE]; /* how the configuration names the object */
	char *error;
};

struct memory_source {
	enum mem_type type; /* safe for all that comes from this source */

	/* What the configuration calls the object: @out has MEMORY_LABEL_SIZE bytes. */
	void (*label)(char *out, const struct memory_spec *spec);

	/*
	 * Map size bytes of the object: window and at are left in @m, and type where the object
	 * knows better than the source. Returns the descriptor that stands for the object, for the
	 * caller to lock and close, or a negative errno with a text.
	 */
	int (*map)(struct memory *m, struct memory_attempt *a);
};

extern const struct memory_source memory_shm, memory_fd, memory_file, memory_devmem, memory_uio;
extern const struct memory_source memory_ivshmem, memory_ivshmem_pci;

/* PREFIX and the name; a long one is cut in the middle of a message, never at the end of it. */
void memory_label(char *out, const char *prefix, const char *name);

/* Who needs the memory, for messages. */
static inline const char *memory_user(const struct memory_attempt *a)
{
	return a->spec->user ? a->spec->user : "the regions";
}

/* Write the label and then the text into the caller's error; passes @ret through. */
int memory_fail(const struct memory_attempt *a, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Map an object in a file system: see that it is large enough, grow it if it is empty, and reserve
 * its space. Takes @fd over; returns it, or a negative errno with a text.
 */
int memory_map_object(struct memory *m, const struct memory_attempt *a, int fd);

#endif
