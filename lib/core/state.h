/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a session lives: in private memory, or in a file (key `state-file`) that outlasts the
 * process, so that its flight recorder can be read after a crash.
 */
#ifndef ICBMSG_CORE_STATE_H
#define ICBMSG_CORE_STATE_H

#include "core/config.h"
#include "icbmsg.h"
#include "proto/session.h"

struct state {
	struct session *session;
	int fd; /* of the file, locked; -1 for private memory */
};

/*
 * Make room for a session; @path "" for private memory. The content is for session_init() to judge.
 * Errors: -EBUSY if another process uses the file, those of open(2); the text is in @cfg.
 */
int state_open(struct state *st, const char *path, struct icbmsg_config *cfg);
void state_close(struct state *st);

/* Let others have the file; the session goes on in private memory, where it was. */
void state_release(struct state *st);

/* What a state-file holds, which may be in use, or be its owner's last word. */
struct state_copy {
	bool in_use;
	struct session session;
};

/* Copy the state-file of a configuration. The errors are those of icbmsg_load_records(). */
int state_load(struct state_copy *out, struct icbmsg_config *cfg);

/* The flight recorder in public form: the newest @max entries, oldest first; how many. */
size_t state_records(const struct session *s, struct icbmsg_record *records, size_t max);

/* From the state-file of a configuration: icbmsg_load_records(). */
int state_load_records(struct icbmsg_config *cfg, struct icbmsg_record *records, size_t max);

#endif
