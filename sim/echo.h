/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `icbmsg-sim echo`: a firmware core for other tools to talk to. It is core B; the tool is core A.
 */
#ifndef ICBMSG_SIM_ECHO_H
#define ICBMSG_SIM_ECHO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bus_client.h"
#include "faults.h"
#include "geometry.h"

enum echo_mode { ECHO_ECHO, ECHO_SINK, ECHO_SOURCE };

struct echo_options {
	struct geometry geometry;
	struct fault_options faults;
	const char **endpoint; /* names */
	unsigned int endpoints;
	enum echo_mode mode;
	uint32_t size;        /* of a source's messages */
	const char *shm;      /* NULL: a memfd, or memory_fd */
	int memory_fd;        /* -1: none given */
	const char *ivshmem;  /* socket of a server, or NULL */
	int bell_rx, bell_tx; /* -1: none given */
	int64_t poll_ns;      /* 0: eventfds */
	const char *poll;     /* as given */
	const char *print_config;
	const char *record; /* file, or NULL */
	const char *instance;
	bool banner;
	bool json;
	char **command; /* NULL: none */
};

/* Where the core and the tool meet. */
struct echo_link {
	const struct echo_options *options;
	int memory_fd;
	void *map;
	bool created;         /* the shm object is ours to remove */
	int bell_rx, bell_tx; /* rung by the tool, rung for it; -1 when polling */
	int wake_fd; /* this core waits on it: bell_rx, a timer, or what faults leave of it */
	int ring_fd; /* this core rings it, likewise; -1 when polling */
	struct faults faults;
	struct bus_client bus; /* with --ivshmem: bell_tx is passed on to it */
	int config_fd;         /* with a command: its configuration */
};

/* echo_link.c. An exit status, having said why. */
int echo_link_open(struct echo_link *l, const struct echo_options *o);
void echo_link_close(struct echo_link *l);
/* The configuration section for the tool's side. */
void echo_link_print(const struct echo_link *l, FILE *out);
/* What the ivshmem server's news and this core's rings for it come through. */
#define ECHO_BUS_POLLFDS 2
struct pollfd;
void echo_link_poll_bus(const struct echo_link *l, struct pollfd fds[ECHO_BUS_POLLFDS]);
void echo_link_work_bus(struct echo_link *l, const struct pollfd fds[ECHO_BUS_POLLFDS]);
/* Whether anything goes wrong on purpose. */
bool echo_link_faulty(const struct echo_link *l);
/* The line of --banner, if it is wanted. */
void echo_link_banner(const struct echo_link *l);

/* echo_command.c: start the command. Its process number, or -1, having said why. */
pid_t echo_command_start(const struct echo_link *l);

/* echo_run.c: be the core until a signal comes or the command ends. An exit status. */
int echo_run(struct echo_link *l, int signal_fd);

int echo_main(int argc, char **argv);

#endif
