/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `icbmsg-sim restart-loop`: two cores talk without end, one of them is killed at random moments
 * and started again on the same memory. Everything sent is accounted for.
 */
#ifndef ICBMSG_SIM_RESTART_H
#define ICBMSG_SIM_RESTART_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core.h"
#include "faults.h"
#include "firmware.h"
#include "geometry.h"

/* Correct echoes on every endpoint that count as "back". */
#define RESTART_ECHOES 5u

struct restart_options {
	struct geometry geometry;
	unsigned int endpoints;
	uint64_t count;
	int64_t up_min_ns, up_max_ns;
	double cut;  /* share of starts that are killed again before they are back, 0 to 1 */
	bool forget; /* doorbells rung before the firmware listens are gone */
	struct fault_options faults;
	int64_t timeout_ns;
	bool both_lib;
	bool json;
	bool quiet;
};

/* What a side did, all its processes together. */
struct restart_counts {
	_Atomic uint64_t sent;
	_Atomic uint64_t refused; /* not taken, because the link was lost meanwhile */
	_Atomic uint64_t received;
	_Atomic uint64_t echoes;
	_Atomic uint64_t unknown; /* as the library reports them when an endpoint is lost */
	_Atomic uint64_t lost;    /* of them, those that indeed never arrived */
	_Atomic uint64_t damaged; /* content that is not what was sent */
	_Atomic uint64_t repeated;
	_Atomic uint64_t skipped; /* not the next one in order */
	/* Of the library, by its own count: doorbells of all its processes. */
	_Atomic uint64_t bells_rung;
	_Atomic uint64_t rescues;
	_Atomic uint64_t bells_lost;
	/* And of the last process. */
	_Atomic uint64_t noticed;
	_Atomic uint64_t bad_packets, bad_blocks, bad_endpoints, bad_releases;
};

/* Memory that the parent and all cores share; it outlives the cores. */
struct restart_shared {
	struct core_status status[2];
	struct restart_counts counts[2];
	/* By receiver and endpoint: process of the sender << 32 | number that comes next, or how
	 * many of its messages have come. */
	_Atomic uint64_t next[2][FIRMWARE_ENDPOINTS_MAX];
	_Atomic uint64_t arrived[2][FIRMWARE_ENDPOINTS_MAX];
	/* By side: own process << 32 | the other one, once all endpoints had their echoes, and when */
	_Atomic uint64_t back[2];
	_Atomic int64_t back_ns[2];
	_Atomic uint64_t errors; /* what this process of the firmware would have logged */
	_Atomic bool lenient;    /* memory is being corrupted: count, but go on */
	_Atomic bool draining;   /* answer, but begin nothing new */
	_Atomic bool quiet[2];   /* everything of this side is answered and given back */
};

/* One process of a core. */
struct restart_core {
	struct core core;
	struct restart_shared *shared;
	uint32_t process; /* counts all that were started, from 1 */
	bool forget;
	bool corrupted; /* at some time: sent and received cannot be balanced */
};

/* restart_lib.c, restart_firmware.c: be the core until the parent hangs up. An exit status. */
int restart_lib_run(const struct restart_core *core);
int restart_firmware_run(const struct restart_core *core);

/* What came of a run. */
struct restart_result {
	uint64_t killed;
	uint64_t done; /* restarts that were waited for, and came back */
	uint64_t cut;  /* starts that were killed before they were back, on purpose */
	double *times; /* seconds from start to back, one for each of @done */
	uint64_t errors,
		errors_max; /* what the firmware would have logged: sum, most of one start */
	bool recovered;     /* after the corruption the link came back */
	double seconds;
};

/* restart_run.c: processes, memory and doorbells. */
struct restart_run {
	const struct restart_options *options;
	struct restart_shared *shared;
	struct restart_result result;
	struct faults faults;
	pid_t pid[2];
	uint32_t process[2];
	uint32_t processes;
	int64_t started[2]; /* when */
	int memory_fd;
	int signal_fd;
	int stop[2]; /* a pipe; closing [1] ends the cores */
	int done_fd;
	int bell[2]; /* eventfds that the sides wait on */
	uint64_t random;
	int status; /* SIM_OK while all is well */
};

int restart_open(struct restart_run *r);
void restart_close(struct restart_run *r);
int restart_start(struct restart_run *r, enum side side);
void restart_kill(struct restart_run *r, enum side side);
/* Relay doorbells and see after the cores until @done says so or @until has come; true: done. */
bool restart_watch(struct restart_run *r, bool (*done)(const struct restart_run *r), int64_t until);
/* Hang up and wait for the cores' ends. */
void restart_end(struct restart_run *r);
uint64_t restart_random(struct restart_run *r, uint64_t below);
void restart_failed(struct restart_run *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* restart_loop.c: the course of it. An exit status. */
int restart_loop(struct restart_run *r);

/* restart_report.c */
void restart_summary(const struct restart_run *r);
void restart_json(const struct restart_run *r);

int restart_main(int argc, char **argv);

#endif
