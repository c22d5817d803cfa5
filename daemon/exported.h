/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exported endpoint: a socket that any program may connect to, and the fan-out of what the other
 * core sends to all that have.
 */
#ifndef ICBMSGD_EXPORTED_H
#define ICBMSGD_EXPORTED_H

#include <event2/event_struct.h>
#include <icbmsg.h>

#include "instance.h"
#include "listener.h"
#include "outbox.h"

/** The kernel keeps that much of a socket's buffer from the largest packet. */
#define SOCKET_OVERHEAD 32u

/** What clients have sent. */
struct input_stats {
	uint64_t messages, bytes; /**< given to the link */
	uint64_t empty;           /**< packets without a byte: dropped */
	uint64_t oversize;  /**< larger than the link carries: dropped, the client disconnected */
	uint64_t discarded; /**< not sent, because their client was disconnected */
};

struct exported_stats {
	uint64_t messages, bytes; /**< from the other core */
	uint64_t empty;           /**< of these, without a byte: for library clients only */
	uint64_t no_client;       /**< of these, with nobody to give them to: dropped */
	uint64_t errors;          /**< the other core sent what reaches outside its region */
	uint64_t unbound;         /**< times the endpoint was lost */
	uint64_t unknown;         /**< sent messages whose fate was not known then */
	uint64_t clients;         /**< ever connected */
	uint64_t refused;         /**< connections, because of a limit */
	uint64_t refused_busy;    /**< connections, because the endpoint is exclusive */
	struct input_stats input; /**< of all clients together */
};

struct exported {
	TAILQ_ENTRY(exported) next;
	struct instance *instance;
	char name[NAME_SIZE];
	struct endpoint_settings settings;
	bool on_demand;
	struct icbmsg_ept *ept;
	bool bound;
	struct pool pool;
	struct listener listener;
	struct event spill;
	TAILQ_HEAD(, forwarding) forwardings; /**< of library clients */
	TAILQ_HEAD(, subscriber) subscribers; /**< ended ones included, until they are freed */
	uint32_t client_count;                /**< of these, not ended */
	struct exported_stats stats;
	struct log_limit log;
};

/**
 * Register the endpoint and open its socket.
 * Returns 0 or a negative errno with a text in @error.
 */
int exported_open(struct exported **out, struct instance *i, const char *name,
		  const struct endpoint_settings *settings, char error[ERROR_SIZE]);

/**
 * The exported endpoint called @name, which is opened if a section of the configuration allows it.
 * @uid: who wants it; for the log. Returns 0 or a negative errno (-ENOENT: no section) with a text
 * in @error.
 */
int exported_provide(struct exported **out, struct instance *i, const char *name, uid_t uid,
		     char error[ERROR_SIZE]);

/** Clients get an end of file. No client may be at work, and ended ones must have been freed. */
void exported_close(struct exported *e);

/** No new clients; those there are end when they have sent and got everything. */
void exported_drain(struct exported *e);

/** Change what can change while it is open. */
int exported_set(struct exported *e, const struct endpoint_settings *settings,
		 char error[ERROR_SIZE]);

/** Where the socket is: false if that is no path a socket can have; @out says it all the same. */
bool exported_path(char out[SOCKET_PATH_SIZE], const char *rundir, const char *instance,
		   const char *name, const struct endpoint_settings *settings);

/* Events of the link. */
void exported_bound(struct exported *e);
void exported_unbound(struct exported *e, const struct icbmsg_unbound *info);
void exported_received(struct exported *e, const void *data, size_t size);
void exported_error(struct exported *e, const char *message);

/** Sending has shown that the link is lost, before the event that says so. */
void exported_lost(struct exported *e);

/** The messages that are held longest have changed: set the timer. */
void exported_arm_spill(struct exported *e);

#endif
