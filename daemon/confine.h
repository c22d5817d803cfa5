/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least privilege: once everything is open the daemon gives up what it will not need, so that who
 * takes it over has little. Four layers, each where the kernel has it: capabilities, no new
 * privileges, files (Landlock), system calls (seccomp). Operations of an io_uring are no system
 * calls: a ring is restricted where it is made.
 */
#ifndef ICBMSGD_CONFINE_H
#define ICBMSGD_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "settings.h"

struct server;

/** A file, or a folder with all below it, that stays within reach. */
struct confine_path {
	const char *path; /**< nothing happens if it does not exist */
	enum confine_access {
		CONFINE_READ,  /**< read files and folders */
		CONFINE_WRITE, /**< and write files that are there */
		CONFINE_MAKE,  /**< and make and remove files, folders and sockets */
	} access;
};

/* The layers. Each returns 0, or a negative errno if the kernel does not have it or refuses. */

/** Keep only the capabilities of @keep (a mask of 1 << CAP_*), and none of them inheritable. */
int confine_capabilities(uint64_t keep);

/** No set-user-ID program can give anything back. Also needed by the next two without root. */
int confine_privileges(void);

/** Only @paths, @count of them; no TCP, no signals to others where the kernel can forbid them. */
int confine_files(const struct confine_path *paths, unsigned int count);

/** Only the system calls of an event loop over sockets and memory; all others fail with EPERM. */
int confine_calls(void);

/**
 * All of them, as [daemon] confine says. What is missing is logged.
 * Returns 0, or a negative errno with a text in @error if confine = yes and a layer is missing.
 */
int confine(const struct server *s, char error[ERROR_SIZE]);

/** A remedy to be added to a message about @ret, "" if confinement cannot be its cause. */
const char *confine_hint(int ret);

#endif
