/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one user, and all together, may take of the daemon: connections, bytes that wait for slow
 * clients, received buffers that are held for them. Who a client is tells SO_PEERCRED.
 */
#ifndef ICBMSGD_QUOTA_H
#define ICBMSGD_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct daemon_settings;

enum limit {
	LIMIT_NONE,
	LIMIT_CLIENTS,
	LIMIT_CLIENTS_PER_UID,
	LIMIT_BYTES,
	LIMIT_BYTES_PER_UID,
	LIMIT_HELD,
	LIMIT_HELD_PER_UID,
	LIMIT_LIBRARY,
	LIMIT_LIBRARY_PER_UID,
	LIMIT_LIBRARY_BYTES,
	LIMIT_LIBRARY_BYTES_PER_UID,
	LIMIT_MEMORY, /**< the system's */
	LIMIT_COUNT,
};

/** What one user takes at the moment. */
struct account {
	LIST_ENTRY(account) next;
	uid_t uid;
	uint32_t clients;
	uint32_t held;          /**< messages in held buffers, once per client that they wait for */
	uint64_t bytes;         /**< of messages in the daemon's memory, once per client */
	uint32_t library;       /**< of @clients, those that use libicbmsg */
	uint64_t library_bytes; /**< of memory shared with them */
};

struct limits {
	uint32_t max_clients, max_clients_per_uid;
	uint32_t max_held, max_held_per_uid;
	uint64_t max_bytes, max_bytes_per_uid;
	uint32_t max_library, max_library_per_uid;
	uint64_t max_library_bytes, max_library_bytes_per_uid;

	uint32_t clients;
	uint32_t library; /**< of these */
	uint64_t library_bytes;
	uint32_t held;                 /**< buffers */
	uint64_t bytes;                /**< sum over all users */
	LIST_HEAD(, account) accounts; /**< of users that have clients */
	uint64_t hit[LIMIT_COUNT];     /**< how often each limit said no */
};

void limits_init(struct limits *l);

/** Take over what [daemon] says; what is above a new limit already stays. */
void limits_set(struct limits *l, const struct daemon_settings *settings);

/** The key of [daemon] that sets a limit. */
const char *limit_name(enum limit limit);

/**
 * One client more of @uid, which may be one that uses libicbmsg. Returns LIMIT_NONE with *@out
 * written, to be given to limits_leave(), or the limit that says no.
 */
enum limit limits_enter(struct limits *l, uid_t uid, bool library, struct account **out);
void limits_leave(struct limits *l, struct account *account, bool library);

/** Count that @limit made somebody lose something; returns it. */
enum limit limits_refused(struct limits *l, enum limit limit);

/** Whether @bytes more may wait for a client of @account. */
enum limit limits_check_bytes(const struct limits *l, const struct account *account,
			      uint64_t bytes);
void limits_add_bytes(struct limits *l, struct account *account, uint64_t bytes);
void limits_sub_bytes(struct limits *l, struct account *account, uint64_t bytes);

/** Take @bytes of memory to be shared with a client, if no limit says no (counted). */
enum limit limits_add_memory(struct limits *l, struct account *account, uint64_t bytes);
void limits_sub_memory(struct limits *l, struct account *account, uint64_t bytes);

/** The most that one user takes of a limit per user. */
uint64_t limits_most(const struct limits *l, enum limit limit);

/** Whether one more held message may wait for a client of @account; @fresh: one more buffer. */
enum limit limits_check_held(const struct limits *l, const struct account *account, bool fresh);

#endif
