// SPDX-License-Identifier: Apache-2.0
/*
 * What comes over a client's socket. Input: the size of the daemon's answer (one byte), the answer,
 * then packets, each behind its size. A welcome is taken up over real memory, as far as it makes
 * sense, by an instance with two endpoints that it asks for; whatever the packets are, it can be used
 * and closed.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/hello.h"
#include "client/link.h"
#include "core/endpoint.h"
#include "core/receive.h"
#include "core/send.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define MEMORY_MAX (1u << 20)
#define NOWHERE "/nonexistent/fuzz.sock"

static void check_refusal(const struct hello_answer *a)
{
	CHECK(a->error < 0 && a->error >= -4095);
	CHECK(strlen(a->text) < HELLO_TEXT_SIZE);
	for (const char *p = a->text; *p; p++)
		CHECK(*p >= ' ' && *p <= '~');
}

static void check_region(const struct client_welcome *w, const struct config_region *r)
{
	CHECK(r->size > 0 && r->size <= w->size && r->offset <= w->size - r->size);
}

static int make_memory(uint64_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0);
	return fd;
}

static struct icbmsg *open_link(const struct config_values *v, int fd, const struct hello_answer *a)
{
	struct icbmsg_config *cfg;
	struct icbmsg_ept *ept;
	struct icbmsg *link;

	CHECK(config_new(&cfg) == 0);
	CHECK(instance_open_values(&link, cfg, v) == 0);
	config_free(cfg);
	/* Registered before there is a daemon to ask: it is asked for them one after the other. */
	endpoint_register(link, &ept, "a", NULL, NULL);
	endpoint_register(link, &ept, "b", NULL, NULL);
	CHECK(link_begin(link, NOWHERE, fd, a) == 0);
	return link;
}

/* The packets reach the library in pairs, so that batches of them are read, too. */
static void feed(struct icbmsg *link, int fd, struct input *in)
{
	uint8_t packet[255];

	for (int n = 1; in->size > 0; n++) {
		size_t size = take8(in);

		for (size_t i = 0; i < size; i++)
			packet[i] = take8(in);
		send(fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n % 2 == 0)
			CHECK(receive_dispatch(link, 0) >= 0);
	}
	CHECK(receive_dispatch(link, 0) >= 0);
}

static void use(struct hello_answer *a, struct input *in)
{
	char error[CONFIG_ERROR_SIZE];
	struct config_values v;
	int pair[2], ret;

	a->memory = make_memory(a->welcome.size);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	ret = hello_resolve(&v, a, pair[0], NULL, error);
	CHECK(ret == 0 || error[0]);
	if (ret == 0) {
		struct icbmsg *link;

		check_region(&a->welcome, &v.tx);
		check_region(&a->welcome, &v.rx);
		link = open_link(&v, pair[0], a);
		feed(link, pair[1], in);
		CHECK(instance_close(link) == 0);
	} else {
		close(pair[0]);
	}
	close(pair[1]);
	hello_answer_clear(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t length = take8(&in);
	uint8_t *packet = take_memory(&in, length);
	struct hello_answer answer;
	int ret = hello_parse(&answer, packet, length);

	CHECK(ret == 1 || ret == 0 || ret == -EPROTO);
	CHECK(answer.memory == -1);
	if (ret == 1 && answer.error)
		check_refusal(&answer);
	else if (ret == 1 && answer.welcome.size <= MEMORY_MAX)
		use(&answer, &in);
	free(packet);
	return 0;
}
