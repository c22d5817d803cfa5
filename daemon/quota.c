// SPDX-License-Identifier: Apache-2.0
/*
 * Counting per user and in total.
 */
#include "quota.h"

#include <stdlib.h>

#include "settings.h"

void limits_init(struct limits *l)
{
	*l = (struct limits){ 0 };
	LIST_INIT(&l->accounts);
}

void limits_set(struct limits *l, const struct daemon_settings *settings)
{
	l->max_clients = settings->max_clients;
	l->max_clients_per_uid = settings->max_clients_per_uid;
	l->max_held = settings->max_held;
	l->max_held_per_uid = settings->max_held_per_uid;
	l->max_bytes = settings->max_bytes;
	l->max_bytes_per_uid = settings->max_bytes_per_uid;
	l->max_library = settings->max_library_clients;
	l->max_library_per_uid = settings->max_library_clients_per_uid;
	l->max_library_bytes = settings->max_library_bytes;
	l->max_library_bytes_per_uid = settings->max_library_bytes_per_uid;
}

const char *limit_name(enum limit limit)
{
	static const char *const names[LIMIT_COUNT] = {
		[LIMIT_NONE] = "none",
		[LIMIT_CLIENTS] = "max-clients",
		[LIMIT_CLIENTS_PER_UID] = "max-clients-per-uid",
		[LIMIT_BYTES] = "max-bytes",
		[LIMIT_BYTES_PER_UID] = "max-bytes-per-uid",
		[LIMIT_HELD] = "max-held",
		[LIMIT_HELD_PER_UID] = "max-held-per-uid",
		[LIMIT_LIBRARY] = "max-library-clients",
		[LIMIT_LIBRARY_PER_UID] = "max-library-clients-per-uid",
		[LIMIT_LIBRARY_BYTES] = "max-library-bytes",
		[LIMIT_LIBRARY_BYTES_PER_UID] = "max-library-bytes-per-uid",
		[LIMIT_MEMORY] = "memory",
	};

	return names[limit];
}

enum limit limits_refused(struct limits *l, enum limit limit)
{
	l->hit[limit]++;
	return limit;
}

static struct account *find(struct limits *l, uid_t uid)
{
	struct account *a;

	LIST_FOREACH(a, &l->accounts, next)
		if (a->uid == uid)
			return a;
	a = calloc(1, sizeof(*a));
	if (a) {
		a->uid = uid;
		LIST_INSERT_HEAD(&l->accounts, a, next);
	}
	return a;
}

static enum limit check_client(const struct limits *l, const struct account *a, bool library)
{
	if (l->clients >= l->max_clients)
		return LIMIT_CLIENTS;
	if (a->clients >= l->max_clients_per_uid)
		return LIMIT_CLIENTS_PER_UID;
	if (library && l->library >= l->max_library)
		return LIMIT_LIBRARY;
	if (library && a->library >= l->max_library_per_uid)
		return LIMIT_LIBRARY_PER_UID;
	return LIMIT_NONE;
}

static void forget_unused(struct account *a)
{
	if (a->clients > 0)
		return;
	LIST_REMOVE(a, next);
	free(a);
}

enum limit limits_enter(struct limits *l, uid_t uid, bool library, struct account **out)
{
	enum limit limit;
	struct account *a;

	a = find(l, uid);
	if (!a)
		return limits_refused(l, LIMIT_MEMORY);
	limit = check_client(l, a, library);
	if (limit != LIMIT_NONE) {
		forget_unused(a);
		return limits_refused(l, limit);
	}
	a->clients++;
	l->clients++;
	a->library += library;
	l->library += library;
	*out = a;
	return LIMIT_NONE;
}

void limits_leave(struct limits *l, struct account *account, bool library)
{
	l->clients--;
	l->library -= library;
	account->clients--;
	account->library -= library;
	forget_unused(account);
}

enum limit limits_add_memory(struct limits *l, struct account *account, uint64_t bytes)
{
	if (l->library_bytes + bytes > l->max_library_bytes)
		return limits_refused(l, LIMIT_LIBRARY_BYTES);
	if (account->library_bytes + bytes > l->max_library_bytes_per_uid)
		return limits_refused(l, LIMIT_LIBRARY_BYTES_PER_UID);
	l->library_bytes += bytes;
	account->library_bytes += bytes;
	return LIMIT_NONE;
}

void limits_sub_memory(struct limits *l, struct account *account, uint64_t bytes)
{
	l->library_bytes -= bytes;
	account->library_bytes -= bytes;
}

enum limit limits_check_bytes(const struct limits *l, const struct account *account, uint64_t bytes)
{
	if (bytes > l->max_bytes || l->bytes > l->max_bytes - bytes)
		return LIMIT_BYTES;
	if (bytes > l->max_bytes_per_uid || account->bytes > l->max_bytes_per_uid - bytes)
		return LIMIT_BYTES_PER_UID;
	return LIMIT_NONE;
}

void limits_add_bytes(struct limits *l, struct account *account, uint64_t bytes)
{
	l->bytes += bytes;
	account->bytes += bytes;
}

void limits_sub_bytes(struct limits *l, struct account *account, uint64_t bytes)
{
	l->bytes -= bytes;
	account->bytes -= bytes;
}

static uint64_t taken(const struct account *a, enum limit limit)
{
	switch (limit) {
	case LIMIT_CLIENTS_PER_UID:
		return a->clients;
	case LIMIT_BYTES_PER_UID:
		return a->bytes;
	case LIMIT_HELD_PER_UID:
		return a->held;
	case LIMIT_LIBRARY_PER_UID:
		return a->library;
	default:
		return a->library_bytes;
	}
}

uint64_t limits_most(const struct limits *l, enum limit limit)
{
	const struct account *a;
	uint64_t most = 0;

	LIST_FOREACH(a, &l->accounts, next)
		if (taken(a, limit) > most)
			most = taken(a, limit);
	return most;
}

enum limit limits_check_held(const struct limits *l, const struct account *account, bool fresh)
{
	if (fresh && l->held >= l->max_held)
		return LIMIT_HELD;
	if (account->held >= l->max_held_per_uid)
		return LIMIT_HELD_PER_UID;
	return LIMIT_NONE;
}
