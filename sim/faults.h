/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that can go wrong between two cores on purpose: options, the same for all subcommands,
 * and what a parent does in its loop. All that is random comes from one seed; scheduling still
 * differs from run to run.
 */
#ifndef ICBMSG_SIM_FAULTS_H
#define ICBMSG_SIM_FAULTS_H

#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "core.h"
#include "corrupt.h"
#include "geometry.h"
#include "relay.h"
#include "stall.h"

struct json_object;

struct fault_options {
	struct relay_rules rules;
	int64_t stall_ns;
	double stall;     /* share of doorbells that stop a core, 0 to below 1 */
	uint64_t corrupt; /* writes per second; 0 = none */
	unsigned int corrupt_what;
	int64_t duration_ns; /* of the corruption; 0: as long as the command goes on */
	int64_t rescue_ns;   /* of libicbmsg; 0: its default */
	uint64_t seed;
	bool seed_given;
};

/* Options, for a struct option array; their values start at FAULT_OPTION. */
enum {
	FAULT_OPTION = GEOMETRY_OPTION_END,
	FAULT_DROP = FAULT_OPTION,
	FAULT_DELAY,
	FAULT_MERGE,
	FAULT_STALL,
	FAULT_CORRUPT,
	FAULT_CORRUPT_WHAT,
	FAULT_DURATION,
	FAULT_RESCUE,
	FAULT_SEED,
	FAULT_OPTION_END,
};

/* clang-format off */
#define FAULT_OPTIONS                                                                              \
	{ "drop-doorbells", required_argument, NULL, FAULT_DROP },                                 \
	{ "delay-doorbells", required_argument, NULL, FAULT_DELAY },                               \
	{ "merge-doorbells", optional_argument, NULL, FAULT_MERGE },                               \
	{ "stall", required_argument, NULL, FAULT_STALL },                                         \
	{ "corrupt", optional_argument, NULL, FAULT_CORRUPT },                                     \
	{ "corrupt-what", required_argument, NULL, FAULT_CORRUPT_WHAT },                           \
	{ "duration", required_argument, NULL, FAULT_DURATION },                                   \
	{ "rescue-interval", required_argument, NULL, FAULT_RESCUE },                              \
	{ "seed", required_argument, NULL, FAULT_SEED }

#define FAULT_HELP                                                                                 \
	"      --drop-doorbells P           lose P percent of both sides' doorbells (0)\n"         \
	"      --delay-doorbells DUR        each doorbell arrives up to DUR late, in order\n"      \
	"      --merge-doorbells[=DUR]      doorbells within DUR arrive as one, at its end (1ms)\n" \
	"      --stall DUR:P                P percent of the doorbells stop a core for DUR\n"      \
	"      --corrupt[=RATE]             write into both regions so many times a second (200)\n" \
	"      --corrupt-what KIND,...      indices, rings, headers, payload or all (all)\n"       \
	"      --duration DUR               of the corruption (while there is something to do)\n"  \
	"      --rescue-interval DUR        of libicbmsg (1ms if doorbells are dropped, else 50ms)\n" \
	"      --seed S                     of all that is random (another one each time)\n"
/* clang-format on */

/* Take option @c with @arg. False if it is none of the above; a wrong value is a usage error. */
bool fault_option(struct fault_options *o, int c, const char *arg);

/* All options are there: check them, fill in defaults and choose a seed. */
void fault_check(struct fault_options *o, const char *command);

/* Whether doorbells get lost, late or merged. */
bool fault_doorbells(const struct fault_options *o);

/* Whether there is anything to relay doorbells for. */
bool fault_relays(const struct fault_options *o);

/* Where random numbers are drawn from, besides the cores' own. */
enum fault_stream {
	FAULT_STREAM_RELAY_A = 1,
	FAULT_STREAM_RELAY_B,
	FAULT_STREAM_STALL,
	FAULT_STREAM_CORRUPT,
	FAULT_STREAM_COURSE, /* of the command itself */
};

struct faults {
	const struct fault_options *options;
	bool relayed;
	struct relay relay[2]; /* by the side that rings */
	struct stall stall;
	struct corrupt corrupt;
};

/*
 * Set up what @o wants. Only doorbells and stalls: @bell are the eventfds that the sides wait on,
 * @in those that they ring, which are taken over (NULL: made here). @pid: as in struct stall.
 * 0, or -1, having said why; faults_close() in both cases.
 */
int faults_open(struct faults *f, const struct fault_options *o, const int bell[2], const int in[2],
		const pid_t *pid);
/* Not open: faults_close() is allowed. */
void faults_init(struct faults *f, const struct fault_options *o);
void faults_close(struct faults *f);

/* What core @side is to ring so that the other one, which waits on @direct, hears it. */
int faults_bell(const struct faults *f, enum side side, int direct);

/* What a loop has to poll, behind its own. */
#define FAULTS_POLLFDS 2

/*
 * Sleep until something of @fds happens, a fault is due, or it is @until (INT64_MAX: never). The
 * last FAULTS_POLLFDS of the @count @fds are filled in here. SIM_OK, or SIM_ERROR, having said why.
 */
int faults_sleep(const struct faults *f, struct pollfd *fds, nfds_t count, int64_t until);

/* Do what is due. */
void faults_work(struct faults *f, int64_t now);

/* Both cores may go on, and nothing is written any more: they are to end. */
void faults_end(struct faults *f);

/* faults_report.c: what libicbmsg on @core did about it */
void faults_rescues(const char *core, const struct core_bells *bells, FILE *out);

/* Lines for people and members of @object for programs. */
void faults_summary(const struct faults *f, FILE *out);
void faults_json(const struct faults *f, struct json_object *object);

#endif
