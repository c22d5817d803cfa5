// SPDX-License-Identifier: Apache-2.0
/*
 * The first two packets of a library client's connection: what both sides speak, and the memory.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* What every version of a hello has: type, versions, magic. */
#define HELLO_MIN 8u

static void send_refusal(int fd, int error, const char *why)
{
	struct {
		struct client_refusal head;
		char text[CLIENT_PACKET_MAX - sizeof(struct client_refusal)];
	} packet = {
		.head = { .type = CLIENT_REFUSAL,
			  .version_min = CLIENT_VERSION_MIN,
			  .version_max = CLIENT_VERSION_MAX,
			  .error = error },
	};
	int length = snprintf(packet.text, sizeof(packet.text), "%s", why);

	if (length >= (int)sizeof(packet.text))
		length = sizeof(packet.text) - 1;
	send(fd, &packet, sizeof(packet.head) + (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void refuse(struct link_client *c, int error, const char *why)
{
	send_refusal(c->fd, error, why);
	link_end_badly(c, why);
}

static void describe(char why[ERROR_SIZE], enum limit limit)
{
	if (limit == LIMIT_MEMORY)
		snprintf(why, ERROR_SIZE, "out of memory");
	else
		snprintf(why, ERROR_SIZE, "%s is reached; raise it in [daemon]", limit_name(limit));
}

/* In the place of the one that has had the longest time. */
static void keep_refused(struct instance *i, int fd)
{
	int *place = &i->refused[i->refused_next++ % REFUSED_KEPT];

	if (*place >= 0)
		close(*place);
	*place = fd;
}

void link_refuse(struct instance *i, int fd, const struct ucred *peer, enum limit limit)
{
	char why[ERROR_SIZE];

	describe(why, limit);
	send_refusal(fd, limit == LIMIT_MEMORY ? -ENOMEM : -EDQUOT, why);
	log_limited(&i->log, "%s: process %d of user %u is refused: %s", i->name, (int)peer->pid,
		    (unsigned int)peer->uid, why);
	/* Closed at once, its hello would fail before it reads this. */
	shutdown(fd, SHUT_WR);
	keep_refused(i, fd);
}

/* The highest version that both speak, 0 if there is none. */
static uint8_t choose_version(const struct client_hello *hello)
{
	uint8_t highest = hello->version_max;

	if (highest > CLIENT_VERSION_MAX)
		highest = CLIENT_VERSION_MAX;
	return highest >= hello->version_min && highest >= CLIENT_VERSION_MIN ? highest : 0;
}

static int send_welcome(const struct link_client *c, uint8_t version)
{
	const struct link_shape *s = &c->shape;
	struct client_welcome welcome = {
		.type = CLIENT_WELCOME,
		.version = version,
		.size = link_shape_size(s),
		.to_daemon = { .offset = 0, .size = s->to_daemon, .blocks = s->to_daemon_blocks },
		.to_client = { .offset = s->to_daemon,
			       .size = s->to_client,
			       .blocks = s->to_client_blocks },
		.max_to_core = icbmsg_max_size(c->instance->link),
		.max_from_core = icbmsg_max_rx_size(c->instance->link),
	};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = { .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS,
			  .cmsg_len = CMSG_LEN(sizeof(int)) },
	};
	struct iovec iov = { .iov_base = &welcome, .iov_len = sizeof(welcome) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.bytes) };

	memcpy(CMSG_DATA(&control.head), &c->memory_fd, sizeof(int));
	return sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Memory for @c: what it has brought in @fd, if that is as it should be, or new. */
static int take_memory(struct link_client *c, int fd)
{
	int own;

	if (fd >= 0 && link_memory_is_ours(fd, &c->shape)) {
		c->memory_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	own = link_memory_new(&c->shape);
	if (own < 0)
		return own;
	c->memory_fd = own;
	return 0;
}

static void welcome(struct link_client *c, uint8_t version)
{
	char error[ERROR_SIZE];

	/* Before the link rings for the first time. */
	if (send_welcome(c, version) < 0)
		link_end(c, "it has closed the connection");
	else if (link_open(c, error) < 0)
		link_end_badly(c, error);
	else
		log_debug("%s: library client %ju: process %d of user %u, version %u",
			  c->instance->name, (uintmax_t)c->id, (int)c->pid, (unsigned int)c->uid,
			  version);
}

static void admit(struct link_client *c, const struct client_hello *hello, uint8_t version, int fd)
{
	struct limits *limits = &c->instance->server->limits;
	enum limit limit;
	char why[ERROR_SIZE];
	int ret;

	c->shape = link_shape_for(c->instance, hello->to_daemon, hello->to_client);
	limit = limits_add_memory(limits, c->account, link_shape_size(&c->shape));
	if (limit != LIMIT_NONE) {
		if (fd >= 0)
			close(fd);
		describe(why, limit);
		refuse(c, -EDQUOT, why);
		return;
	}
	ret = take_memory(c, fd);
	if (ret == 0) {
		welcome(c, version);
		return;
	}
	limits_sub_memory(limits, c->account, link_shape_size(&c->shape));
	snprintf(why, sizeof(why), "no memory for a library client: %s", strerror(-ret));
	refuse(c, ret, why);
}

void link_hello(struct link_client *c, const void *packet, size_t size, int fd)
{
	struct client_hello hello = { 0 };
	uint8_t version;

	memcpy(&hello, packet, size < sizeof(hello) ? size : sizeof(hello));
	version = choose_version(&hello);
	if (size >= HELLO_MIN && hello.type == CLIENT_HELLO && hello.magic == CLIENT_MAGIC &&
	    hello.version_min <= hello.version_max && version > 0) {
		admit(c, &hello, version, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (size < HELLO_MIN || hello.type != CLIENT_HELLO || hello.magic != CLIENT_MAGIC)
		link_end_badly(c, "its first packet is no hello");
	else
		refuse(c, -EPROTONOSUPPORT,
		       "this icbmsgd and the program's libicbmsg have no version of the client "
		       "protocol in common; update the older one");
}
