/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `icbmsg-sim transfer`: two cores in processes of their own send each other files. The parent
 * makes memory and doorbells, watches, loses doorbells on purpose, and compares in the end.
 */
#ifndef ICBMSG_SIM_TRANSFER_H
#define ICBMSG_SIM_TRANSFER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core.h"
#include "digest.h"
#include "geometry.h"

struct transfer_options {
	const char *a_to_b;
	const char *b_to_a;
	const char *out;
	struct geometry geometry;
	unsigned int endpoints;
	double drop; /* share of doorbells that get lost, 0 to 1 */
	uint64_t seed;
	int64_t rescue_ns; /* 0: the library's default */
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
};

struct transfer {
	const struct transfer_options *options;
	struct transfer_file file[2]; /* by the side that sends it */
	struct core_status *status;   /* two of them, shared with the cores */
	pid_t pid[2];
	int memory_fd;
	int bell[2][2]; /* by side: the eventfd it waits on, the one it rings */
	uint64_t bells_relayed;
	uint64_t bells_dropped;
	double seconds;
};

/* transfer_files.c: returns 0 or an exit status, having said why. */
int transfer_open_files(struct transfer *t);
int transfer_verify(struct transfer *t);
void transfer_close_files(struct transfer *t); /* what was not verified is removed */

/* transfer_run.c: both cores from start to end. An exit status, 128 + n after signal n. */
int transfer_run(struct transfer *t);

/* transfer_report.c */
void transfer_progress(const struct transfer *t, double seconds, bool last);
void transfer_summary(const struct transfer *t);
void transfer_json(const struct transfer *t, int status);

int transfer_main(int argc, char **argv);

#endif
