// SPDX-License-Identifier: Apache-2.0
/*
 * The main loop of `icbmsg-sim serve`: signals, clients that come, read, and go.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args.h"
#include "serve.h"

/* When the system has no descriptor to spare, or wants some received first. */
#define RETRY_MS 10

#define ACCEPTS_PER_TURN 64

struct serve {
	const struct serve_options *options;
	struct bus *bus;
	int listener;
	int signal_fd;
	bool retry; /* something could not be done now */
	bool full;  /* the last client was refused, and it was told */
	int status; /* -1: going on */
};

enum { FD_SIGNAL, FD_LISTENER, FD_CLIENTS };

static void say(const struct serve *s, unsigned int id, const char *what)
{
	if (s->options->verbose)
		tool_say("peer %u %s, %u present", id, what, s->bus->counts.present);
}

static void leave(struct serve *s, unsigned int id)
{
	bus_leave(s->bus, id);
	say(s, id, "left");
}

static void refuse(struct serve *s, int ret)
{
	if (!s->full && ret == -EBUSY)
		tool_say("a client was refused: there are %u already", BUS_CLIENTS_MAX);
	else if (!s->full)
		tool_say("a client was refused: %s; raise the limit of open files", strerror(-ret));
	s->full = true;
}

static void accept_all(struct serve *s)
{
	int fd = -1, n, id;

	for (n = 0; n < ACCEPTS_PER_TURN; n++) {
		fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			break;
		id = bus_join(s->bus, fd);
		if (id < 0) {
			refuse(s, id);
			continue;
		}
		s->full = false;
		say(s, (unsigned int)id, "joined");
	}
	/* Out of descriptors: the connection stays in the queue and would wake us for ever. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		refuse(s, -errno);
		s->retry = true;
	}
}

/* News for one are made by what happens to others: all are asked. */
static void tell_all(struct serve *s)
{
	unsigned int id;
	int ret;

	for (id = 0; id < BUS_CLIENTS_MAX; id++) {
		if (s->bus->member[id].fd < 0)
			continue;
		ret = bus_tell(s->bus, id);
		if (ret == -ETOOMANYREFS)
			s->retry = true;
		else if (ret < 0)
			leave(s, id);
	}
}

static void read_signals(struct serve *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			s->status = SIM_SIGNAL + (int)info.ssi_signo;
}

/* While something is to be tried again later, what would say "now" is not asked. */
static nfds_t collect(const struct serve *s, struct pollfd *fds, unsigned int *ids)
{
	nfds_t n = FD_CLIENTS;
	unsigned int id;

	fds[FD_SIGNAL] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	fds[FD_LISTENER] = (struct pollfd){ .fd = s->retry ? -1 : s->listener, .events = POLLIN };
	for (id = 0; id < BUS_CLIENTS_MAX; id++) {
		short writable = s->retry || !bus_pending(s->bus, id) ? 0 : POLLOUT;

		if (s->bus->member[id].fd < 0)
			continue;
		fds[n] =
			(struct pollfd){ .fd = s->bus->member[id].fd, .events = POLLIN | writable };
		ids[n++] = id;
	}
	return n;
}

static int turn(struct serve *s)
{
	struct pollfd fds[FD_CLIENTS + BUS_CLIENTS_MAX];
	unsigned int ids[FD_CLIENTS + BUS_CLIENTS_MAX];
	nfds_t i, n = collect(s, fds, ids);

	if (poll(fds, n, s->retry ? RETRY_MS : -1) < 0 && errno != EINTR)
		return sim_fail_errno("poll");
	s->retry = false;
	if (fds[FD_SIGNAL].revents)
		read_signals(s);
	for (i = FD_CLIENTS; i < n; i++)
		if (fds[i].revents & ~POLLOUT && !bus_listen(s->bus, ids[i]))
			leave(s, ids[i]);
	accept_all(s);
	tell_all(s);
	return SIM_OK;
}

int serve_run(const struct serve_options *o, struct bus *bus, int listener, int signal_fd)
{
	struct serve s = {
		.options = o,
		.bus = bus,
		.listener = listener,
		.signal_fd = signal_fd,
		.status = -1,
	};

	while (s.status < 0)
		if (turn(&s) != SIM_OK)
			return SIM_ERROR;
	return s.status;
}
