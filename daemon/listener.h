/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening Unix socket in the file system, made here or inherited from systemd.
 */
#ifndef ICBMSGD_LISTENER_H
#define ICBMSGD_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "keys.h"
#include "log.h"

#define SOCKET_PATH_SIZE (sizeof(((struct sockaddr_un *)0)->sun_path))

/** Who may connect: owner, group and mode of the file; -1 leaves owner or group as they are. */
struct access {
	mode_t mode;
	uid_t owner;
	gid_t group;
};

/** A new connection; the descriptor is the callee's. */
typedef void (*listener_fn)(void *user, int fd);

struct listener {
	int fd; /**< -1: not open */
	char path[SOCKET_PATH_SIZE];
	bool inherited; /**< the file is not ours to remove */
	struct event event, retry;
	struct log_limit log;
	listener_fn accepted;
	void *user;
};

/**
 * Listen on @path (which must fit a socket address) with sockets of @type; the folder must exist.
 * What lies there already is replaced: the caller has made sure that no other daemon uses it.
 * Returns 0 or a negative errno with a text in @error.
 */
int listener_open(struct listener *l, struct event_base *base, const char *path, int type,
		  const struct access *access, char error[ERROR_SIZE]);

/** Change who may connect. */
int listener_set_access(const struct listener *l, const struct access *access,
			char error[ERROR_SIZE]);

/** Stop listening and remove the file; nothing if it is not open. */
void listener_close(struct listener *l);

#endif
