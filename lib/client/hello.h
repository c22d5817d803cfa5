/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning of a connection to icbmsgd: reaching its socket, our hello, and what it answers.
 */
#ifndef ICBMSG_CLIENT_HELLO_H
#define ICBMSG_CLIENT_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "client/protocol.h"
#include "core/config.h"

#define HELLO_TEXT_SIZE 256u

/* How long the daemon may take for an answer, here and later: far longer than a busy one needs. */
#define HELLO_TIMEOUT_NS INT64_C(5000000000)

struct hello_answer {
	/* 0: welcome, else the daemon's reason, or -EPROTONOSUPPORT, with its line of text. */
	int error;
	char text[HELLO_TEXT_SIZE];
	uint8_t version_min, version_max; /* of a refusal: what the daemon speaks */
	struct client_welcome welcome;
	int memory; /* of a welcome: its descriptor, the caller's; else -1 */
};

void hello_answer_clear(struct hello_answer *a);

/*
 * Connect to the socket at @path and say hello, with @memory of an earlier connection unless it is
 * -1. Waits up to @timeout_ns where many connect at once; 0: never.
 * Returns a descriptor or a negative errno of socket(2), connect(2) or sendmsg(2).
 */
int hello_dial(const char *path, int memory, int64_t timeout_ns);

/*
 * Read the daemon's answer, if it is there; never waits.
 * Returns 1 with *@out written, 0 if it is not there, or a negative errno: -ECONNRESET if the
 * connection has ended without one, -EPROTO if what came is none.
 */
int hello_read(int fd, struct hello_answer *out);

/*
 * Understand an answer of @size bytes, for hello_read(): 1, 0 for a packet that is none but may
 * come before it, or -EPROTO. Writes all of *@out but its memory.
 */
int hello_parse(struct hello_answer *out, const uint8_t *packet, size_t size);

/*
 * What an instance needs to use the memory that a welcome came with: everything is checked, the
 * memory's size and seals included, but what is in it. @fd: the connection. @options: the caller's
 * configuration, of which `spin` and `state-file` count.
 * Returns 0 or a negative errno with one line in @error.
 */
int hello_resolve(struct config_values *out, const struct hello_answer *a, int fd,
		  const struct icbmsg_config *options, char error[CONFIG_ERROR_SIZE]);

/* Copy @size bytes of text for a person's eyes: one line, printable. */
void hello_copy_text(char out[HELLO_TEXT_SIZE], const uint8_t *text, size_t size);

#endif
