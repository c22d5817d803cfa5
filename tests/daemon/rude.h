/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to a daemon's socket for library clients that do not keep to client/protocol.h: wrong
 * packets, wrong descriptors, too many of both, or none. Each function returns when the daemon has
 * ended the connection, or has answered and the connection was closed here.
 */
#ifndef ICBMSG_TESTS_RUDE_H
#define ICBMSG_TESTS_RUDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUDE_FDS_MAX 253u /* SCM_MAX_FD: of one packet */

/* A connection without a hello; with one that is as it should be, answered by a welcome. */
int rude_connect(const char *rundir);
int rude_greet(const char *rundir);

/* Send a packet with descriptors; false if the daemon has ended the connection already. */
bool rude_put(int fd, const void *packet, size_t size, const int *fds, size_t count);

/* The memory that comes with a welcome for a hello that brings @fd; -1 if it is refused. */
int rude_memory(const char *rundir, int fd);

/* Read to the end of the connection and close it. */
void rude_await_end(int fd);

void rude_silence(const char *rundir, unsigned int connections);
void rude_truncated_hellos(const char *rundir);
void rude_wrong_hellos(const char *rundir);
void rude_garbage(const char *rundir, unsigned int rounds, uint32_t seed);
void rude_descriptors(const char *rundir);
void rude_pipelining(const char *rundir);
void rude_names(const char *rundir);
void rude_comings_and_goings(const char *rundir, unsigned int rounds);

/* Asks and asks, and never reads an answer. */
void rude_deafness(const char *rundir);

#endif
