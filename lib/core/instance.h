/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open instance: a protocol link, its memory and doorbell, and what several threads need to use
 * it together. One lock guards everything here; it is not held while a message is filled, an
 * endpoint's callback runs or a thread sleeps. It is held while the log callback runs, a doorbell
 * is rung, and a message in device memory is copied out for delivery.
 */
#ifndef ICBMSG_CORE_INSTANCE_H
#define ICBMSG_CORE_INSTANCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/config.h"
#include "core/state.h"
#include "icbmsg.h"
#include "mem/doorbell.h"
#include "mem/memory.h"
#include "proto/proto.h"

struct icbmsg_ept {
	struct icbmsg *link;
	int slot;              /* in the session */
	uint32_t registration; /* changes when it is deregistered: a waiter's thread compares */
	struct icbmsg_ept_callbacks callbacks;
	void *user;
};

struct backend_ops;

/* Memory that the link has left, for those who hold buffers in it. */
struct retired {
	struct retired *next;
	bool held; /* a caller may have a buffer in it; else a thread may just have looked at it */
	struct memory memory;
};

struct icbmsg {
	pthread_mutex_t lock;

	/* The way to the other side, if it is not the memory alone; NULL otherwise. */
	const struct backend_ops *backend;
	void *backend_data;
	int backend_fd; /* polls readable when there is something to collect; -1: none */

	struct memory memory;
	struct retired *retired;
	uint32_t moves;        /* to other memory: tells whose a block is */
	size_t max_tx, max_rx; /* largest messages, bytes; read without the lock */
	struct doorbell doorbell;
	struct state state;
	struct session *session; /* in state */
	struct proto_link link;
	struct icbmsg_ept ept[SESSION_EPT_MAX];

	/* Waiting: one thread polls the descriptors for everybody, the others wait for `changed`. */
	pthread_cond_t changed;
	unsigned int waiters; /* threads in `changed` */
	unsigned int inside;  /* threads in a call that may let go of the lock */
	bool polling;         /* some thread polls */
	bool more;            /* the last pump left something unread */
	bool closing;
	int64_t spin;    /* ns to look at the memory before sleeping */
	int64_t tick_at; /* when timer_fd will be readable; CLOCK_MONOTONIC ns, DEADLINE_NEVER */
	int kick_fd;     /* wakes the polling thread */
	int timer_fd;    /* ticks at the rescue interval */
	int ready_fd;   /* readable while events are queued: for users of the pollable descriptor */
	bool ready;     /* ready_fd is readable */
	uint32_t spins; /* that found something, since the doorbell was looked at */
	int poll_fd;    /* epoll over doorbell, timer and ready_fd */
	bool fd_used;   /* the pollable descriptor was asked for */

	/* While the link comes up: ns from the last look to the next, and when that is. */
	int64_t glance, glance_at;

	/* Rescue (protocol.md section 6) */
	int64_t rescue_interval; /* ns; 0: no doorbell is ever lost here */
	int64_t rescue_at;       /* when silence has lasted long enough; CLOCK_MONOTONIC ns */
	uint32_t rescue_progress;
	bool rescued;       /* rung again since the last progress */
	uint32_t fruitless; /* rescues in a row */

	/* Answering restarts of the other side; how far that has come is in the session. */
	uint8_t phase;       /* the session's at the end of the last pump */
	bool backing_off;    /* the next announcement waits for session.retry_at */
	bool storm_told;     /* of this row of restarts */
	int64_t up_at;       /* when the link came up; CLOCK_MONOTONIC ns */
	uint64_t up_packets; /* read before that */

	/* What woke us, and was it worth it? */
	bool rung_elsewhere; /* the program takes the rings, and has us look */
	uint64_t rung;       /* doorbells received since the last pump */
	bool ticked;         /* the timer has made us look since the last pump */
	bool news;           /* something new was found since a doorbell was judged last */

	/* Delivery */
	bool dispatching;
	pthread_t dispatcher;
	struct icbmsg_ept *in_callback; /* whose callback runs */
	uint64_t callbacks;             /* ever run: tells one from the next */
	struct session_event current;   /* DATA: the buffer being delivered, */
	uint32_t current_generation;    /* and in which session it came */
	uint8_t *bounce;                /* device memory: where messages are copied for delivery */
	uint32_t holds;                 /* sum of all holds, those of sessions past included */
	bool closed;                    /* waits for the last hold */

	icbmsg_log_fn log;
	void *log_user;
};

int instance_open(struct icbmsg **out, struct icbmsg_config *cfg);

/* The same with values that config_resolve() has checked; @cfg is for the text of errors. */
int instance_open_values(struct icbmsg **out, struct icbmsg_config *cfg,
			 const struct config_values *v);

int instance_close(struct icbmsg *i);

/* Lay the link's regions out in the instance's memory. */
void instance_place(struct icbmsg *i, const struct config_values *v);

/* Free what is left of an instance that is closed and not held any more. */
void instance_free(struct icbmsg *i);

static inline size_t instance_max_tx(const struct icbmsg *i)
{
	return __atomic_load_n(&i->max_tx, __ATOMIC_RELAXED);
}

static inline size_t instance_max_rx(const struct icbmsg *i)
{
	return __atomic_load_n(&i->max_rx, __ATOMIC_RELAXED);
}

/* Enter a call that may sleep or copy: locks; -ESHUTDOWN (unlocked) if the instance is closing. */
int instance_enter(struct icbmsg *i);

/* The same, but also while it is closing: the instance stays until this call is through. */
int instance_enter_closing(struct icbmsg *i);

/* Ring if a doorbell is due, and unlock. */
void instance_leave(struct icbmsg *i);

/*
 * Tell whoever waits what has changed in the link since the last time, and answer a lost one;
 * returns a mask of enum proto_change.
 */
unsigned int instance_settle(struct icbmsg *i);

/* Read what has arrived and wake whom it concerns; returns a mask of enum proto_change. */
unsigned int instance_pump(struct icbmsg *i);

void instance_set_log(struct icbmsg *i, icbmsg_log_fn fn, void *user);
void instance_log(struct icbmsg *i, enum icbmsg_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void instance_get_layout(struct icbmsg *i, struct icbmsg_layout *out, size_t size);
void instance_get_stats(struct icbmsg *i, struct icbmsg_stats *out, size_t size);
size_t instance_get_counters(struct icbmsg *i, uint64_t *values, size_t max);

size_t instance_get_records(struct icbmsg *i, struct icbmsg_record *records, size_t max);

/* The public form of a pair of layouts, in memory of @type. */
void layout_to_public(struct icbmsg_layout *out, size_t size, const struct layout_region *tx,
		      const struct layout_region *rx, enum mem_type type);

#endif
