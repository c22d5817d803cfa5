/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated core: a process of its own with the shared memory, two doorbells, a file to send and
 * one to receive into. Core A runs libicbmsg, core B the firmware model or libicbmsg.
 */
#ifndef ICBMSG_SIM_CORE_H
#define ICBMSG_SIM_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "geometry.h"
#include "traffic.h"

enum core_state { CORE_STARTING, CORE_BOUND, CORE_DONE, CORE_FAILED };

/* As libicbmsg counts; the firmware knows the first only. */
struct core_bells {
	uint64_t rung;
	uint64_t rescues; /* of them, because nothing had moved */
	uint64_t lost;    /* of the rescues, those that helped */
};

/* What a core tells its parent, in memory that both share. */
struct core_status {
	_Atomic uint32_t state;    /* enum core_state */
	_Atomic uint64_t sent;     /* bytes of the file that are on their way */
	_Atomic uint64_t received; /* bytes of the file that are written */
	_Atomic uint64_t moved;    /* bytes of messages sent */
	_Atomic bool sent_all;
	/* For the parent when the core has ended. A core that is started again counts on. */
	struct traffic_counters counters;
	struct core_bells bells;
	char error[STREAM_ERROR_SIZE];
};

struct core {
	enum side side;
	const struct geometry *geometry;
	bool peer_is_library;
	unsigned int endpoints;
	uint64_t seed;
	int64_t rescue_ns; /* 0: the library's default */
	bool corrupted;    /* memory is: what comes may be anything, count it and go on */
	int memory_fd;
	int bell_rx; /* eventfds */
	int bell_tx;
	int stop_fd; /* hangs up when the core is to end */
	int done_fd; /* eventfd, rung when all is sent and received */
	int send_fd;
	uint64_t send_size;
	int receive_fd;
	uint64_t receive_size;
	struct core_status *status;
};

/* Endpoint @i has this name on both sides. */
#define CORE_EPT_NAME "part%u"
#define CORE_EPT_NAME_SIZE 16u

/*
 * Be that core until stop_fd hangs up: whoever is done still has to answer, as the other side's
 * last message or doorbell may be lost. Returns an exit status; the reason is in the status.
 */
int core_lib_run(const struct core *core);
int core_firmware_run(const struct core *core);

/* The library's end of the link, as @core says. 0 or a negative errno, noted. */
struct icbmsg;
int core_lib_open(const struct core *core, struct icbmsg **link);

/* Pieces both use. */

/* Note a failure, once, and return the exit status for it. */
int core_fail(const struct core *core, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Set up streams and traffic. 0 or a negative errno, noted. */
int core_traffic_init(const struct core *core, struct traffic *t, const struct traffic_port *port,
		      void *owner, size_t max_size);

/* Tell the parent how far things are. */
void core_progress(const struct core *core, const struct traffic *t);

/*
 * One turn of the application: send, give back, see whether everything is done. Returns 1 if
 * something moved, 0 if the core may sleep until a doorbell comes, or a negative errno, noted.
 */
int core_turn(const struct core *core, struct traffic *t);

/* Everything is sent and received: note that and tell the parent. */
void core_done(const struct core *core, const struct traffic *t);

/* Is the core to end? From then on the other side may have left already. */
bool core_stopped(const struct core *core);

/* Sleep until @fd or the stop descriptor says something. False if the core is to end. */
bool core_sleep(const struct core *core, int fd);

#endif
