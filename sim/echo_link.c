// SPDX-License-Identifier: Apache-2.0
/*
 * Memory and doorbells between the echoing core and a tool. Unrelated programs meet in POSIX shared
 * memory and poll, or at an ivshmem server and ring; eventfds have to be inherited otherwise, from
 * whoever started both or by a command that is started here.
 */
#include "echo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "args.h"
#include "parent.h"
#include "util/cleanup.h"

static int open_shm(struct echo_link *l, const char *name)
{
	l->memory_fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (l->memory_fd >= 0) {
		l->created = true;
		return SIM_OK;
	}
	if (errno == EEXIST)
		l->memory_fd = shm_open(name, O_RDWR, 0);
	if (l->memory_fd < 0) {
		tool_say("--shm \"%s\": %s%s", name, strerror(errno),
			 errno == EINVAL ?
				 "; a name has no / but one in front, write for example demo" :
				 "");
		return SIM_ERROR;
	}
	tool_say("--shm %s is there already: what lies in it is read as a restarted core reads it",
		 name);
	return SIM_OK;
}

/* Empty memory grows; what is too small belongs to something else. */
static int size_memory(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return sim_fail_errno("shared memory");
	if (st.st_size == 0 && ftruncate(fd, (off_t)size) < 0)
		return sim_fail_errno("shared memory");
	if (st.st_size != 0 && (uint64_t)st.st_size < size) {
		tool_say("the shared memory has %lld bytes but the regions need %llu; correct the "
			 "regions, or remove it if it is left over",
			 (long long)st.st_size, (unsigned long long)size);
		return SIM_ERROR;
	}
	return SIM_OK;
}

static int open_memory(struct echo_link *l)
{
	const struct echo_options *o = l->options;
	uint64_t size = geometry_memory_size(&o->geometry);
	int status = SIM_OK;

	if (o->memory_fd >= 0) {
		l->memory_fd = fcntl(o->memory_fd, F_DUPFD_CLOEXEC, 0);
		if (l->memory_fd < 0)
			return sim_fail_errno("--memory-fd: the descriptor is not open here");
	} else if (o->shm) {
		status = open_shm(l, o->shm);
	} else if (o->ivshmem) {
		status = bus_client_open(&l->bus, o->ivshmem, o->poll_ns > 0);
		l->memory_fd = take_fd(&l->bus.memory_fd);
	} else {
		l->memory_fd = memfd_create("icbmsg-sim", MFD_CLOEXEC);
	}
	if (status != SIM_OK)
		return status;
	if (l->memory_fd < 0)
		return sim_fail_errno("shared memory");
	status = size_memory(l->memory_fd, size);
	if (status != SIM_OK)
		return status;
	l->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, l->memory_fd, 0);
	if (l->map == MAP_FAILED) {
		l->map = NULL;
		return sim_fail_errno("mapping the shared memory");
	}
	return SIM_OK;
}

static int open_timer(struct echo_link *l, int64_t ns)
{
	struct timespec interval = { .tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS };
	struct itimerspec when = { .it_interval = interval, .it_value = interval };

	l->wake_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->wake_fd < 0 || timerfd_settime(l->wake_fd, 0, &when, NULL) < 0)
		return sim_fail_errno("a timer");
	return SIM_OK;
}

static int open_bells(struct echo_link *l)
{
	const struct echo_options *o = l->options;

	if (o->bell_rx >= 0) {
		l->bell_rx = fcntl(o->bell_rx, F_DUPFD_CLOEXEC, 0);
		l->bell_tx = fcntl(o->bell_tx, F_DUPFD_CLOEXEC, 0);
	} else {
		l->bell_rx = o->ivshmem ? take_fd(&l->bus.bell) : parent_bell();
		l->bell_tx = parent_bell();
	}
	if (l->bell_rx >= 0 && l->bell_tx >= 0)
		return SIM_OK;
	if (o->bell_rx < 0)
		return SIM_ERROR;
	return sim_fail_errno("--db-rx-fd, --db-tx-fd: not both are open here");
}

/* This core's ends of the doorbells, with or without faults in between. */
static int connect_bells(struct echo_link *l)
{
	const struct fault_options *o = &l->options->faults;
	bool relayed = fault_relays(o);
	int in[2] = { -1, -1 }, bell[2];

	l->wake_fd = relayed ? parent_bell() : fcntl(l->bell_rx, F_DUPFD_CLOEXEC, 0);
	if (l->wake_fd < 0)
		return SIM_ERROR;
	bell[SIDE_A] = l->bell_tx;
	bell[SIDE_B] = l->wake_fd;
	if (relayed) {
		in[SIDE_A] = fcntl(l->bell_rx, F_DUPFD_CLOEXEC, 0);
		in[SIDE_B] = parent_bell();
	}
	if (faults_open(&l->faults, o, bell, in, NULL) < 0)
		return SIM_ERROR;
	l->ring_fd = faults_bell(&l->faults, SIDE_B, l->bell_tx);
	return SIM_OK;
}

enum { FD_NEWS, FD_RINGS };

void echo_link_poll_bus(const struct echo_link *l, struct pollfd fds[ECHO_BUS_POLLFDS])
{
	bool rings = l->options->ivshmem && l->options->poll_ns == 0;

	fds[FD_NEWS] = (struct pollfd){ .fd = l->bus.socket, .events = POLLIN };
	fds[FD_RINGS] = (struct pollfd){ .fd = rings ? l->bell_tx : -1, .events = POLLIN };
}

void echo_link_work_bus(struct echo_link *l, const struct pollfd fds[ECHO_BUS_POLLFDS])
{
	uint64_t count;

	if (fds[FD_NEWS].revents)
		bus_client_work(&l->bus);
	if (fds[FD_RINGS].revents && read(l->bell_tx, &count, sizeof(count)) > 0)
		bus_client_ring(&l->bus);
}

bool echo_link_faulty(const struct echo_link *l)
{
	const struct fault_options *o = &l->options->faults;

	return fault_relays(o) || o->corrupt > 0;
}

/* The other side may be started in another folder. */
static void print_memory(const struct echo_link *l, FILE *out)
{
	const struct echo_options *o = l->options;
	_cleanup_(free_ptr) char *path = o->ivshmem ? realpath(o->ivshmem, NULL) : NULL;

	if (o->ivshmem)
		fprintf(out, "memory = ivshmem:%s\n", path ? path : o->ivshmem);
	else if (o->shm)
		fprintf(out, "memory = shm:%s\n", o->shm);
	else
		fprintf(out, "memory = fd:%d\n", o->memory_fd >= 0 ? o->memory_fd : l->memory_fd);
}

void echo_link_print(const struct echo_link *l, FILE *out)
{
	const struct echo_options *o = l->options;
	struct geometry_setting settings[GEOMETRY_SETTINGS];
	size_t i;

	fprintf(out,
		"# The other end of an " SIM_NAME " echo, for icbmsg-cat --direct and others.\n");
	fprintf(out, "[instance %s]\n", o->instance);
	print_memory(l, out);
	if (o->poll)
		fprintf(out, "doorbell = poll:%s\n", o->poll);
	else if (o->ivshmem)
		fprintf(out, "doorbell = ivshmem\n");
	else if (o->bell_rx >= 0)
		fprintf(out, "doorbell = eventfd:%d,%d\n", o->bell_tx, o->bell_rx);
	else
		fprintf(out, "doorbell = eventfd:%d,%d\n", l->bell_tx, l->bell_rx);
	if (o->faults.rescue_ns > 0)
		fprintf(out, "rescue-interval = %" PRId64 "us\n", o->faults.rescue_ns / 1000);
	geometry_settings(&o->geometry, SIDE_A, settings);
	for (i = 0; i < GEOMETRY_SETTINGS; i++)
		fprintf(out, "%s = %s\n", settings[i].key, settings[i].value);
}

void echo_link_banner(const struct echo_link *l)
{
	const struct echo_options *o = l->options;
	FILE *f = o->command ? stderr : stdout;
	unsigned int i;

	if (!o->banner)
		return;
	fprintf(f, SIM_NAME ": ready:");
	for (i = 0; i < o->endpoints; i++)
		fprintf(f, " %s", o->endpoint[i]);
	if (o->shm)
		fprintf(f, " at shm:%s", o->shm);
	if (o->ivshmem)
		fprintf(f, " at ivshmem:%s as peer %" PRId64, o->ivshmem, l->bus.id);
	if (o->poll)
		fprintf(f, ", polling every %s", o->poll);
	fputc('\n', f);
	fflush(f);
}

/* In a memfd, read through /proc/self/fd: nothing is left over, however the programs end. */
static int make_config(struct echo_link *l)
{
	FILE *f;
	int fd;

	l->config_fd = memfd_create("icbmsg.conf", MFD_CLOEXEC);
	fd = l->config_fd < 0 ? -1 : fcntl(l->config_fd, F_DUPFD_CLOEXEC, 0);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		close_fd(&fd);
		return sim_fail_errno("the configuration");
	}
	echo_link_print(l, f);
	return fclose(f) == 0 ? SIM_OK : sim_fail_errno("the configuration");
}

int echo_link_open(struct echo_link *l, const struct echo_options *o)
{
	int status;

	*l = (struct echo_link){
		.options = o,
		.memory_fd = -1,
		.bell_rx = -1,
		.bell_tx = -1,
		.wake_fd = -1,
		.ring_fd = -1,
		.config_fd = -1,
	};
	faults_init(&l->faults, &o->faults);
	bus_client_init(&l->bus);
	status = open_memory(l);
	if (status == SIM_OK && o->poll_ns > 0)
		status = open_timer(l, o->poll_ns);
	else if (status == SIM_OK)
		status = open_bells(l);
	if (status == SIM_OK && o->poll_ns == 0)
		status = connect_bells(l);
	if (status == SIM_OK && o->faults.corrupt > 0 &&
	    corrupt_open(&l->faults.corrupt, l->memory_fd, &o->geometry) < 0)
		status = SIM_ERROR;
	if (status == SIM_OK && o->command)
		status = make_config(l);
	return status;
}

void echo_link_close(struct echo_link *l)
{
	if (l->map)
		munmap(l->map, geometry_memory_size(&l->options->geometry));
	if (l->created)
		shm_unlink(l->options->shm);
	faults_close(&l->faults);
	bus_client_close(&l->bus);
	close_fd(&l->memory_fd);
	close_fd(&l->bell_rx);
	close_fd(&l->bell_tx);
	close_fd(&l->wake_fd);
	close_fd(&l->config_fd);
}
