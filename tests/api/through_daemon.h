/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a link as a client of icbmsgd sees it: a daemon that owns this end's side of the
 * memory and of the doorbells, and a connection to it. The daemon is a real process; it has to end
 * as it should, with every descriptor that its clients cost given back.
 */
#ifndef ICBMSG_TESTS_THROUGH_DAEMON_H
#define ICBMSG_TESTS_THROUGH_DAEMON_H

#include <stddef.h>
#include <sys/types.h>

#include "icbmsg.h"

struct through;

/*
 * The sections of endpoints in the daemons' configurations, of an instance "ends". By default every
 * endpoint may be used, and nothing that is sent is dropped.
 */
extern const char *through_endpoints;

/*
 * Start a daemon on the link that @cfg describes, with the @count descriptors @fds that @cfg names
 * by number. Returns when it is ready.
 */
struct through *through_start(struct icbmsg_config *cfg, const int *fds, size_t count);

/* Connect to it. */
struct icbmsg *through_connect(struct through *t);

/* The rundir. */
const char *through_dir(const struct through *t);

/*
 * Descriptors that it has open beyond those that it had before its first client and those of
 * exported endpoints.
 */
unsigned int through_fds(const struct through *t);

/* Give the daemon time to do all that it could do when it was asked. */
void through_turn(struct through *t);

/* Messages from the other side that the daemon delivered to nobody, of all endpoints. */
unsigned int through_dropped(struct through *t);

/* How much of a limit of its configuration, "max-clients" for example, is used. */
unsigned int through_used(struct through *t, const char *limit);

/* Stop it and free @t; what went wrong in it fails the test. It waits for no client. */
void through_stop(struct through *t);

#endif
