// SPDX-License-Identifier: Apache-2.0
/*
 * See hello.h. What the daemon sends is checked like anything else that comes from outside: who
 * listens at a path need not be icbmsgd, or not of this version.
 */
#include "client/hello.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"

_Static_assert(sizeof(struct client_hello) == 24 && sizeof(struct client_welcome) == 72 &&
		       sizeof(struct client_refusal) == 8 && sizeof(struct client_answer) == 8,
	       "structs of version 1 have no padding");
_Static_assert((int)CLIENT_RING == DOORBELL_RING, "doorbells are packets of the protocol");

void hello_answer_clear(struct hello_answer *a)
{
	close_fd(&a->memory);
}

/* ------------------------------------------------------------------------------------------------
 * Our side
 */

/* Room for one descriptor that comes or goes with a packet. */
union ancillary {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

static int send_hello(int fd, int memory)
{
	struct client_hello hello = {
		.type = CLIENT_HELLO,
		.version_min = CLIENT_VERSION_MIN,
		.version_max = CLIENT_VERSION_MAX,
		.magic = CLIENT_MAGIC,
	};
	struct iovec iov = { .iov_base = &hello, .iov_len = sizeof(hello) };
	union ancillary ancillary = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (memory >= 0) {
		msg.msg_control = &ancillary;
		msg.msg_controllen = sizeof(ancillary.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(memory));
		memcpy(CMSG_DATA(c), &memory, sizeof(memory));
	}
	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* Who has hung up already may have said why: whether it has is for the reader to see. */
	return errno == EPIPE ? 0 : -errno;
}

static int limit_wait(int fd, int64_t timeout_ns)
{
	struct timeval limit = { .tv_sec = timeout_ns / 1000000000,
				 .tv_usec = timeout_ns % 1000000000 / 1000 };

	if (timeout_ns > 0)
		return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fcntl(fd, F_SETFL, O_NONBLOCK);
}

int hello_dial(const char *path, int memory, int64_t timeout_ns)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(close_fd) int fd = -1;
	int ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || limit_wait(fd, timeout_ns) < 0)
		return -errno;
	do
		ret = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	ret = send_hello(fd, memory);
	return ret < 0 ? ret : take_fd(&fd);
}

/* ------------------------------------------------------------------------------------------------
 * The daemon's answer
 */

void hello_copy_text(char out[HELLO_TEXT_SIZE], const uint8_t *text, size_t size)
{
	size_t n = size < HELLO_TEXT_SIZE ? size : HELLO_TEXT_SIZE - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = isprint(text[i]) ? (char)text[i] : '?';
	out[n] = '\0';
}

static int parse_refusal(struct hello_answer *out, const uint8_t *packet, size_t size)
{
	struct client_refusal r;

	if (size < sizeof(r))
		return -EPROTO;
	memcpy(&r, packet, sizeof(r));
	/* 0, or a number that is no errno, would read as success further on. */
	if (r.error >= 0 || r.error < -4095)
		return -EPROTO;
	out->error = r.error;
	out->version_min = r.version_min;
	out->version_max = r.version_max;
	hello_copy_text(out->text, packet + sizeof(r), size - sizeof(r));
	return 1;
}

static bool inside(const struct client_region *r, uint64_t size)
{
	return r->size > 0 && r->offset <= size && r->size <= size - r->offset;
}

static int parse_welcome(struct hello_answer *out, const uint8_t *packet, size_t size)
{
	struct client_welcome *w = &out->welcome;

	/* All of version 1's members; later ones may follow. */
	if (size < sizeof(*w))
		return -EPROTO;
	memcpy(w, packet, sizeof(*w));
	if (w->version < CLIENT_VERSION_MIN || w->version > CLIENT_VERSION_MAX)
		return -EPROTO;
	return inside(&w->to_daemon, w->size) && inside(&w->to_client, w->size) ? 1 : -EPROTO;
}

int hello_parse(struct hello_answer *out, const uint8_t *packet, size_t size)
{
	*out = (struct hello_answer){ .memory = -1 };
	if (size == 0)
		return -EPROTO;
	switch (packet[0]) {
	case CLIENT_RING:
		return size == 1 ? 0 : -EPROTO;
	case CLIENT_WELCOME:
		return parse_welcome(out, packet, size);
	case CLIENT_REFUSAL:
		return parse_refusal(out, packet, size);
	default:
		return -EPROTO;
	}
}

/* The descriptor that came with a packet; others that came along are closed. -1 if there is none. */
static int take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int first = -1, fd;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	for (size_t at = 0; CMSG_LEN(at + sizeof(fd)) <= c->cmsg_len; at += sizeof(fd)) {
		memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
		if (first < 0)
			first = fd;
		else
			close(fd);
	}
	return first;
}

/* One packet: its size with what came along in *@memory, 0 at the end, or a negative errno. */
static ssize_t receive(int fd, uint8_t packet[CLIENT_PACKET_MAX], int *memory)
{
	struct iovec iov = { .iov_base = packet, .iov_len = CLIENT_PACKET_MAX };
	union ancillary ancillary;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &ancillary,
			      .msg_controllen = sizeof(ancillary.space) };
	ssize_t n;

	/* Who refuses us without reading our hello resets the connection behind its last words. */
	for (int tries = 0; tries < 2; tries++) {
		do
			n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		while (n < 0 && errno == EINTR);
		if (n >= 0 || errno != ECONNRESET)
			break;
	}
	if (n < 0)
		return -errno;
	*memory = take_descriptor(&msg);
	return msg.msg_flags & MSG_TRUNC ? -EPROTO : n;
}

static int accept_answer(struct hello_answer *out, int *memory)
{
	if (out->error == 0 && *memory < 0)
		return -EPROTO;
	if (out->error == 0)
		out->memory = take_fd(memory);
	return 1;
}

int hello_read(int fd, struct hello_answer *out)
{
	uint8_t packet[CLIENT_PACKET_MAX];
	struct hello_answer answer;
	ssize_t n;
	int ret;

	do {
		_cleanup_(close_fd) int memory = -1;

		n = receive(fd, packet, &memory);
		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return n == -EPROTO ? -EPROTO : -ECONNRESET;
		ret = hello_parse(&answer, packet, (size_t)n);
		if (ret > 0)
			ret = accept_answer(&answer, &memory);
	} while (ret == 0);
	if (ret > 0)
		*out = answer;
	return ret;
}

/* ------------------------------------------------------------------------------------------------
 * The memory
 */

/* Sealed, no process can make an access to it raise SIGBUS. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int check_memory(const struct hello_answer *a, char error[CONFIG_ERROR_SIZE])
{
	int seals = fcntl(a->memory, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "its memory is not sealed against changes of its size");
		return -EPROTO;
	}
	if (fstat(a->memory, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size == a->welcome.size)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "its memory has %jd bytes, and is said to have %" PRIu64,
		 (intmax_t)st.st_size, a->welcome.size);
	return -EPROTO;
}

static int set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
{
	char value[CONFIG_PATH_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	return config_set(cfg, key, value);
}

static int set_region(struct icbmsg_config *cfg, const char *direction,
		      const struct client_region *r)
{
	char key[16];
	int ret;

	snprintf(key, sizeof(key), "%s-region", direction);
	ret = set(cfg, key, "%" PRIu64 " %" PRIu32, r->offset, r->size);
	if (ret < 0)
		return ret;
	snprintf(key, sizeof(key), "%s-blocks", direction);
	return set(cfg, key, "%" PRIu32, r->blocks);
}

/* What the caller may choose, and what is the same for all clients. */
static int set_rest(struct icbmsg_config *cfg, const struct icbmsg_config *options)
{
	static const char *const chosen[] = { "spin", "state-file" };
	int ret = 0;

	for (size_t i = 0; i < sizeof(chosen) / sizeof(*chosen) && ret == 0; i++) {
		const char *value = options ? config_get(options, chosen[i]) : NULL;

		if (value)
			ret = config_set(cfg, chosen[i], value);
	}
	if (ret == 0)
		ret = set(cfg, "word-size", "%u", CLIENT_WORD_SIZE);
	if (ret == 0)
		ret = set(cfg, "dcache-alignment", "%u", CLIENT_ALIGNMENT);
	return ret < 0 ? ret : config_set(cfg, "rescue-interval", "never");
}

static void free_config(struct icbmsg_config **cfg)
{
	config_free(*cfg);
}

int hello_resolve(struct config_values *out, const struct hello_answer *a, int fd,
		  const struct icbmsg_config *options, char error[CONFIG_ERROR_SIZE])
{
	_cleanup_(free_config) struct icbmsg_config *cfg = NULL;
	struct config_values v;
	int ret;

	error[0] = '\0';
	ret = check_memory(a, error);
	if (ret == 0)
		ret = config_new(&cfg);
	if (ret < 0)
		return ret;
	ret = set(cfg, "memory", "fd:%d", a->memory);
	if (ret == 0)
		ret = set(cfg, "doorbell", "socket:%d", fd);
	if (ret == 0)
		ret = set_region(cfg, "tx", &a->welcome.to_daemon);
	if (ret == 0)
		ret = set_region(cfg, "rx", &a->welcome.to_client);
	if (ret == 0)
		ret = set_rest(cfg, options);
	if (ret == 0)
		ret = config_resolve(cfg, &v, false);
	if (ret == 0 && layout_is_initiator(&v.tx_layout, &v.rx_layout))
		ret = config_fail(cfg, -EPROTO, "its regions lie the wrong way round");
	if (ret == 0)
		*out = v;
	snprintf(error, CONFIG_ERROR_SIZE, "%s", config_error(cfg));
	return ret;
}
