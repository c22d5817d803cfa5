// SPDX-License-Identifier: Apache-2.0
/*
 * One key names a pair of doorbells where both ends are Linux programs; on boards what rings us and
 * what we ring are apart, and mailboxes want registers written.
 */
#include "core/config_doorbell.h"

#include <string.h>

#include "core/config_register.h"
#include "core/config_text.h"

#define POLL_MIN (10 * NS_PER_US)

static bool parse_eventfds(struct doorbell_spec *out, const char *text)
{
	int rx, tx;

	if (!text_take_fd(&rx, &text) || !text_take_prefix(&text, ",") ||
	    !text_take_fd(&tx, &text) || *text != '\0' || rx == tx)
		return false;
	out->in.kind = DOORBELL_IN_EVENTFD;
	out->in.fd = rx;
	out->out.kind = DOORBELL_OUT_EVENTFD;
	out->out.fd = tx;
	return true;
}

/* Rings only: who owns the socket reads it. */
static bool parse_socket(struct doorbell_spec *out, const char *text)
{
	int fd;

	if (!text_take_fd(&fd, &text) || *text != '\0')
		return false;
	out->in.kind = DOORBELL_IN_ELSEWHERE;
	out->in.fd = -1;
	out->out.kind = DOORBELL_OUT_SOCKET;
	out->out.fd = fd;
	return true;
}

/* DURATION, or MIN..MAX */
static bool parse_interval(struct doorbell_in_spec *out, const char *text)
{
	int64_t min, max;

	if (!text_take_duration(&min, &text, POLL_MIN))
		return false;
	max = min;
	if (text_take_prefix(&text, "..") && !text_take_duration(&max, &text, min))
		return false;
	if (*text != '\0')
		return false;
	out->interval_ns = min;
	out->interval_max_ns = max;
	return true;
}

/* How to look where nobody rings. */
static bool parse_poll(struct doorbell_in_spec *out, const char *text)
{
	struct doorbell_in_spec spec = { .kind = DOORBELL_IN_POLL,
					 .interval_ns = DOORBELL_POLL_DEFAULT_NS,
					 .interval_max_ns = DOORBELL_POLL_DEFAULT_NS };

	if (strcmp(text, "poll:busy") == 0)
		spec.kind = DOORBELL_IN_BUSY;
	else if (strcmp(text, "poll") != 0 &&
		 (!text_take_prefix(&text, "poll:") || !parse_interval(&spec, text)))
		return false;
	out->kind = spec.kind;
	out->interval_ns = spec.interval_ns;
	out->interval_max_ns = spec.interval_max_ns;
	return true;
}

static bool take_peer(int *out, const char **text)
{
	uint64_t peer;

	if (text_take_prefix(text, "any")) {
		*out = IVSHMEM_ANY;
		return true;
	}
	if (!text_take_digits(&peer, text, 10) || peer > IVSHMEM_ID_MAX)
		return false;
	*out = (int)peer;
	return true;
}

/* "" or :PEER or :PEER,VECTOR */
static bool parse_target(struct ivshmem_target *out, const char *text)
{
	uint64_t vector = 0;

	*out = (struct ivshmem_target){ .peer = IVSHMEM_ANY };
	if (*text == '\0')
		return true;
	if (!text_take_prefix(&text, ":") || !take_peer(&out->peer, &text))
		return false;
	if (text_take_prefix(&text, ",") && !text_take_digits(&vector, &text, 10))
		return false;
	out->vector = (uint16_t)vector;
	return *text == '\0' && vector <= IVSHMEM_VECTOR_MAX;
}

static bool parse_ivshmem(struct doorbell_spec *out, const char *text)
{
	out->in.kind = DOORBELL_IN_IVSHMEM;
	out->out.kind = DOORBELL_OUT_IVSHMEM;
	return parse_target(&out->target, text);
}

bool config_parse_doorbell(void *out, const char *text)
{
	struct doorbell_spec *spec = out;

	if (text_take_prefix(&text, "eventfd:"))
		return parse_eventfds(spec, text);
	if (text_take_prefix(&text, "socket:"))
		return parse_socket(spec, text);
	if (text_take_prefix(&text, "ivshmem"))
		return parse_ivshmem(spec, text);
	if (!parse_poll(&spec->in, text))
		return false;
	spec->out.kind = DOORBELL_OUT_NOBODY;
	return true;
}

static bool parse_one_eventfd(int *out, const char *text, char why[CONFIG_WHY_SIZE])
{
	int fd;

	if (!text_take_fd(&fd, &text) || *text != '\0')
		return config_why(why, "eventfd: takes the number of one descriptor");
	*out = fd;
	return true;
}

static bool parse_uio(struct doorbell_in_spec *out, const char *name, char why[CONFIG_WHY_SIZE])
{
	size_t n = strlen(name);

	if (n == 0 || n >= sizeof(out->name))
		return config_why(why, "uio: takes the name or number of a UIO device");
	if (strchr(name, '/'))
		return config_why(why, "an interrupt belongs to a whole device, so write uio:%.*s",
				  (int)strcspn(name, "/"), name);
	out->kind = DOORBELL_IN_UIO;
	memcpy(out->name, name, n + 1);
	return true;
}

bool config_parse_doorbell_in(void *out, const char *text, char why[CONFIG_WHY_SIZE])
{
	struct doorbell_in_spec *in = &((struct doorbell_spec *)out)->in;

	if (text_take_prefix(&text, "uio:"))
		return parse_uio(in, text, why);
	if (text_take_prefix(&text, "eventfd:")) {
		in->kind = DOORBELL_IN_EVENTFD;
		return parse_one_eventfd(&in->fd, text, why);
	}
	if (strcmp(text, "ivshmem") == 0) {
		in->kind = DOORBELL_IN_IVSHMEM;
		return true;
	}
	return parse_poll(in, text) ||
	       config_why(why, "uio:DEVICE, eventfd:NUMBER, ivshmem, poll, poll:10us to poll:1m, "
			       "poll:MIN..MAX or poll:busy");
}

bool config_parse_doorbell_out(void *out, const char *text, char why[CONFIG_WHY_SIZE])
{
	struct doorbell_out_spec *spec = &((struct doorbell_spec *)out)->out;

	if (text_take_prefix(&text, "register:")) {
		spec->kind = DOORBELL_OUT_REGISTER;
		return config_parse_registers(&spec->ring, text, why);
	}
	if (text_take_prefix(&text, "eventfd:")) {
		spec->kind = DOORBELL_OUT_EVENTFD;
		return parse_one_eventfd(&spec->fd, text, why);
	}
	if (text_take_prefix(&text, "ivshmem")) {
		spec->kind = DOORBELL_OUT_IVSHMEM;
		return parse_target(&((struct doorbell_spec *)out)->target, text) ||
		       config_why(why, "ivshmem, ivshmem:PEER or ivshmem:PEER,VECTOR");
	}
	if (strcmp(text, "none") != 0)
		return config_why(why, "register:PLACE ACTION VALUE, eventfd:NUMBER, "
				       "ivshmem[:PEER[,VECTOR]] or none");
	spec->kind = DOORBELL_OUT_NOBODY;
	return true;
}

bool config_parse_doorbell_setup(void *out, const char *text, char why[CONFIG_WHY_SIZE])
{
	return config_parse_registers(&((struct doorbell_spec *)out)->setup, text, why);
}

bool config_parse_doorbell_ack(void *out, const char *text, char why[CONFIG_WHY_SIZE])
{
	return config_parse_registers(&((struct doorbell_spec *)out)->in.ack, text, why);
}
