// SPDX-License-Identifier: Apache-2.0
/*
 * See fake_daemon.h.
 */
#include "fake_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/set.h"

/* cmocka's assertions are for its own thread. */
#define MUST(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static void add(unsigned int *count)
{
	__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
}

unsigned int fake_count(const unsigned int *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

/* ------------------------------------------------------------------------------------------------
 * Hello
 */

int fake_make_memory(uint64_t size, unsigned int seals)
{
	int fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	MUST(fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

static uint64_t memory_size(const struct fake *f)
{
	return (uint64_t)f->shape.to_daemon + f->shape.to_client;
}

struct client_welcome fake_welcome(const struct fake *f)
{
	const struct fake_shape *s = &f->shape;

	return (struct client_welcome){
		.type = CLIENT_WELCOME,
		.version = 1,
		.size = memory_size(f),
		.to_daemon = { 0, s->to_daemon, s->blocks_to_daemon },
		.to_client = { s->to_daemon, s->to_client, s->blocks_to_client },
		.max_to_core = f->max_to_core,
		.max_from_core = UINT64_MAX,
	};
}

void fake_send(int fd, const void *packet, size_t size, int memory)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} ancillary = { 0 };
	struct iovec iov = { (void *)(uintptr_t)packet, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (memory >= 0) {
		msg.msg_control = &ancillary;
		msg.msg_controllen = sizeof(ancillary.space);
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(c), &memory, sizeof(memory));
	}
	/* The client may be gone already. */
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* Read the hello; returns the memory that came with it, or -1. */
static int read_hello(int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} ancillary;
	struct client_hello hello;
	struct iovec iov = { &hello, sizeof(hello) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &ancillary,
			      .msg_controllen = sizeof(ancillary.space) };
	int memory = -1;

	MUST(recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) == sizeof(hello));
	MUST(hello.type == CLIENT_HELLO && hello.magic == CLIENT_MAGIC);
	MUST(hello.version_min == 1 && hello.version_max == 1 && hello.features == 0);
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&memory, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(memory));
	return memory;
}

static void open_link(struct fake *f)
{
	const struct fake_shape *s = &f->shape;
	struct icbmsg_config *cfg;

	MUST(icbmsg_config_new(&cfg) == 0);
	set(cfg, "memory", "fd:%d", f->memory);
	set(cfg, "doorbell", "socket:%d", f->client);
	set(cfg, "rescue-interval", "never");
	set(cfg, "word-size", "%u", CLIENT_WORD_SIZE);
	set(cfg, "dcache-alignment", "%u", CLIENT_ALIGNMENT);
	set(cfg, "rx-region", "0 %u", s->to_daemon);
	set(cfg, "tx-region", "%u %u", s->to_daemon, s->to_client);
	set(cfg, "rx-blocks", "%u", s->blocks_to_daemon);
	set(cfg, "tx-blocks", "%u", s->blocks_to_client);
	MUST(icbmsg_open(&f->link, cfg) == 0);
	icbmsg_config_free(cfg);
}

static bool is_fit(const struct fake *f, int memory)
{
	struct stat st;

	return memory >= 0 && fcntl(memory, F_GET_SEALS) == SEALS && fstat(memory, &st) == 0 &&
	       (uint64_t)st.st_size == memory_size(f);
}

static void welcome(struct fake *f, int memory)
{
	struct client_welcome w = fake_welcome(f);

	if (memory >= 0)
		add(&f->counts.brought);
	if (is_fit(f, memory) && !f->refuses_memory) {
		add(&f->counts.taken);
		f->memory = memory;
	} else {
		if (memory >= 0)
			close(memory);
		f->memory = fake_make_memory(memory_size(f), SEALS);
	}
	/* Its first doorbell comes before the welcome. */
	open_link(f);
	fake_send(f->client, &w, sizeof(w), f->memory);
	add(&f->counts.connections);
}

/* ------------------------------------------------------------------------------------------------
 * Requests
 */

static void echo(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct fake *f = user;

	if (f->holds)
		MUST(icbmsg_hold_rx(f->link, data, &f->held[f->held_count++]) == 0);
	else
		icbmsg_send(ept, data, size, 0);
	add(&f->counts.messages);
}

static int find(const struct fake *f, const char *name)
{
	int n = 0;

	while (n < 255 && f->name[n][0] && strcmp(f->name[n], name) != 0)
		n++;
	return n;
}

static void take_register(struct fake *f, const char *name)
{
	static const struct icbmsg_ept_callbacks callbacks = { .received = echo };
	struct client_answer a = { .type = CLIENT_ANSWER };
	struct {
		struct client_answer answer;
		char text[16];
	} refusal = { .text = "because" };
	int n = find(f, name);

	a.error = f->decide ? f->decide(name) : 0;
	if (a.error > 0)
		return;
	add(&f->counts.registered);
	if (a.error == 0) {
		strcpy(f->name[n], name);
		MUST(icbmsg_ept_register(f->link, &f->ept[n], name, &callbacks, f) == 0);
		fake_send(f->client, &a, sizeof(a), -1);
	} else {
		refusal.answer = a;
		fake_send(f->client, &refusal, sizeof(a) + strlen(refusal.text), -1);
	}
}

static void take_deregister(struct fake *f, const char *name)
{
	int n = find(f, name);

	MUST(f->ept[n]);
	icbmsg_ept_deregister(f->ept[n]);
	f->ept[n] = NULL;
	add(&f->counts.deregistered);
}

static void drop_client(struct fake *f)
{
	close(f->client);
	f->client = -1;
	icbmsg_close(f->link);
	while (f->held_count > 0)
		icbmsg_release_rx(f->link, f->held[--f->held_count]);
	f->link = NULL;
	close(f->memory);
	f->memory = -1;
	memset(f->ept, 0, sizeof(f->ept));
	memset(f->name, 0, sizeof(f->name));
}

static void take_packet(struct fake *f)
{
	char packet[CLIENT_PACKET_MAX + 1];
	ssize_t n = recv(f->client, packet, CLIENT_PACKET_MAX, 0);

	if (n <= 0) {
		drop_client(f);
		return;
	}
	packet[n] = '\0';
	if (packet[0] == CLIENT_REGISTER)
		take_register(f, packet + 1);
	else if (packet[0] == CLIENT_DEREGISTER)
		take_deregister(f, packet + 1);
	else
		MUST(packet[0] == CLIENT_RING && n == 1);
}

/* ------------------------------------------------------------------------------------------------
 * Life
 */

static void take_client(struct fake *f)
{
	int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);

	MUST(fd >= 0);
	if (f->instead && f->instead(f, fd)) {
		close(fd);
		return;
	}
	MUST(f->client < 0);
	f->client = fd;
	welcome(f, read_hello(fd));
}

static void *run(void *user)
{
	struct fake *f = user;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = f->stop, .events = POLLIN },
			{ .fd = f->client < 0 ? f->listener : -1, .events = POLLIN },
			{ .fd = f->client, .events = POLLIN },
			{ .fd = f->link ? icbmsg_get_fd(f->link) : -1, .events = POLLIN },
		};

		if (poll(fds, 4, -1) < 0) {
			MUST(errno == EINTR);
			continue;
		}
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			take_client(f);
		if (fds[2].revents)
			take_packet(f);
		if (f->link)
			MUST(icbmsg_dispatch(f->link, 0) >= 0);
	}
	/* A process that dies says nothing to its memory. */
	if (f->client >= 0) {
		shutdown(f->client, SHUT_RDWR);
		drop_client(f);
	}
	return NULL;
}

void fake_init(struct fake *f)
{
	*f = (struct fake){
		.shape = { 0x4000, 0x4000, 16, 16 },
		.max_to_core = UINT64_MAX,
		.folder = "/tmp/icbmsg-fake-XXXXXX",
		.client = -1,
		.memory = -1,
	};
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/board.sock", f->folder);
}

void fake_deinit(struct fake *f)
{
	unlink(f->path);
	rmdir(f->folder);
}

void fake_start(struct fake *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	f->stop = eventfd(0, EFD_CLOEXEC);
	unlink(f->path);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listener, 16), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void fake_stop(struct fake *f)
{
	assert_int_equal(eventfd_write(f->stop, 1), 0);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	close(f->listener);
	close(f->stop);
}
