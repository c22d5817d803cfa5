/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `icbmsg-sim transfer`: two cores in processes of their own send each other files. The parent
 * makes memory and doorbells, watches, makes things go wrong on purpose, and compares in the end.
 */
#ifndef ICBMSG_SIM_TRANSFER_H
#define ICBMSG_SIM_TRANSFER_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core.h"
#include "digest.h"
#include "faults.h"
#include "geometry.h"

struct transfer_options {
	const char *a_to_b;
	const char *b_to_a;
	const char *out;
	struct geometry geometry;
	struct fault_options faults;
	unsigned int endpoints;
	bool both_lib;
	bool json;
	bool quiet;
	bool progress; /* also where stderr is no terminal */
	bool banner;
};

/* One file on its way. */
struct transfer_file {
	const char *label; /* "A->B" */
	const char *from;  /* path as given */
	char to[PATH_MAX];
	char part[PATH_MAX]; /* where it grows before it is verified; "" = gone */
	uint64_t size;
	int in_fd;
	int out_fd;
	char sent_digest[DIGEST_SIZE];
	char received_digest[DIGEST_SIZE];
	bool identical;
	uint64_t chunks;  /* of STREAM_CHUNK bytes, the last one of any */
	uint64_t damaged; /* of them, those that did not arrive as they were sent */
};

struct transfer {
	const struct transfer_options *options;
	struct transfer_file file[2]; /* by the side that sends it */
	struct core_status *status;   /* two of them, shared with the cores */
	pid_t pid[2];
	int memory_fd;
	int bell[2]; /* by side: the eventfd it waits on */
	struct faults faults;
	uint64_t reboots; /* of the firmware, because nothing moved while memory was corrupted */
	double seconds;
};

/* transfer_files.c: returns 0 or an exit status, having said why. */
int transfer_open_files(struct transfer *t);
/* Whoever corrupts memory gets damaged files, which is then no error. */
int transfer_verify(struct transfer *t);
void transfer_close_files(struct transfer *t); /* what was not verified is removed */

/* transfer_run.c: both cores from start to end. An exit status, 128 + n after signal n. */
int transfer_run(struct transfer *t);

/* What the parent knows while they run. */
struct transfer_watch {
	struct transfer *t;
	sigset_t mask; /* of signals, before */
	int signal_fd;
	int stop[2]; /* a pipe; closing [1] ends the cores */
	int done_fd; /* rung by a core that has everything */
	int64_t started;
	uint64_t moved; /* while memory is corrupted: bytes sent, and since when so many */
	int64_t moved_at;
	unsigned int in_vain; /* reboots since */
	int status;
};

/* transfer_cores.c: start core @side. SIM_OK, or SIM_ERROR, having said why. */
int transfer_start_core(struct transfer_watch *w, enum side side);
/* Kill core @side, whatever it does. */
void transfer_kill_core(struct transfer_watch *w, enum side side);
/* See who has ended. */
void transfer_reap(struct transfer_watch *w);
const char *transfer_core_name(const struct transfer_watch *w, int side);

/*
 * transfer_corrupt.c: while memory is, or was, corrupted. Whether everything is sent and nothing
 * more will come; a firmware that stands still before that is restarted.
 */
bool transfer_settled(struct transfer_watch *w, int64_t now);

/* transfer_report.c */
void transfer_progress(const struct transfer *t, double seconds, bool last);
void transfer_summary(const struct transfer *t);
void transfer_json(const struct transfer *t, int status);

int transfer_main(int argc, char **argv);

#endif
