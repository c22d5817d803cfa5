// SPDX-License-Identifier: Apache-2.0
/*
 * Asking the daemon without waiting.
 */
#include "cat/query.h"

#include <errno.h>
#include <json.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/service.h"

void query_init(struct query *q, const char *path)
{
	*q = (struct query){ .path = path, .fd = -1 };
}

static void hang_up(struct query *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	text_consume(&q->answer, q->answer.size);
}

void query_deinit(struct query *q)
{
	hang_up(q);
	text_deinit(&q->answer);
}

/* A request is small, and the first on its connection: it fits. */
static int send_request(int fd, struct json_object *request)
{
	struct text line = { 0 };
	ssize_t n;

	text_add_string(&line, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
	text_add_char(&line, '\n');
	n = send(fd, line.data, line.size, MSG_NOSIGNAL);
	n = n == (ssize_t)line.size ? 0 : n < 0 ? -errno : -EIO;
	text_deinit(&line);
	return (int)n;
}

int query_ask(struct query *q, struct json_object *request)
{
	int ret;

	hang_up(q);
	q->fd = service_connect(q->path, SOCK_STREAM | SOCK_NONBLOCK);
	ret = q->fd < 0 ? q->fd : send_request(q->fd, request);
	json_object_put(request);
	if (ret < 0)
		hang_up(q);
	return ret;
}

static int parse(struct query *q, struct json_object **answer)
{
	text_add_char(&q->answer, '\0');
	*answer = json_tokener_parse(q->answer.data);
	return *answer ? 1 : -EPROTO;
}

int query_take(struct query *q, struct json_object **answer)
{
	char buffer[8192];
	ssize_t n = 1;
	int ret = 0;

	if (q->fd < 0)
		return -ENOTCONN;
	while (n > 0 && ret == 0) {
		n = recv(q->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n > 0)
			text_add(&q->answer, buffer, (size_t)n);
		if (n > 0 && buffer[n - 1] == '\n')
			ret = parse(q, answer);
	}
	if (n == 0)
		ret = -ECONNRESET;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		ret = -errno;
	if (ret != 0)
		hang_up(q);
	return ret;
}

int query_ask_and_wait(struct query *q, struct json_object *request, struct json_object **answer)
{
	int ret = query_ask(q, request);

	while (ret == 0) {
		struct pollfd fd = { .fd = q->fd, .events = POLLIN };

		poll(&fd, 1, -1);
		ret = query_take(q, answer);
	}
	return ret < 0 ? ret : 0;
}
