/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `icbmsg-sim serve`: an ivshmem server, where plain processes and QEMU's guests meet.
 */
#ifndef ICBMSG_SIM_SERVE_H
#define ICBMSG_SIM_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bus.h"

struct serve_options {
	const char *path; /* of the socket */
	uint64_t size;    /* of the memory */
	unsigned int vectors;
	mode_t mode; /* of the socket */
	bool verbose;
	bool banner;
	bool json;
};

/* A listening socket and the file that it is reached by. */
struct serve_socket {
	const char *path;
	int fd;
	dev_t device; /* the file's: it is removed only while it is ours */
	ino_t inode;
};

/*
 * serve_socket.c: take the place of a server that is gone, and of nothing else. An exit status,
 * having said why.
 */
int serve_socket_open(struct serve_socket *s, const char *path, mode_t mode);
void serve_socket_close(struct serve_socket *s);

/* serve_run.c: serve until a signal comes. An exit status. */
int serve_run(const struct serve_options *o, struct bus *bus, int listener, int signal_fd);

int serve_main(int argc, char **argv);

#endif
