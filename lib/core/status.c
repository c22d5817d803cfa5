// SPDX-License-Identifier: Apache-2.0
/*
 * See status.h. Numbers from a file are bounded before anything is indexed with them.
 */
#include "core/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"
#include "core/instance.h"

struct icbmsg_status {
	struct state_copy copy;
};

int status_new(struct icbmsg_status **out, struct icbmsg *i)
{
	struct icbmsg_status *status = malloc(sizeof(*status));

	if (!status)
		return -ENOMEM;
	status->copy.in_use = true;
	pthread_mutex_lock(&i->lock);
	status->copy.session = *i->session;
	pthread_mutex_unlock(&i->lock);
	*out = status;
	return 0;
}

/* Other bytes than 0 and 1 are no value of a bool that may be read. */
static void tame_bool(bool *b)
{
	uint8_t byte;

	memcpy(&byte, b, sizeof(byte));
	*b = byte != 0;
}

static void tame(struct session *s)
{
	tame_bool(&s->initiator);
	for (uint32_t slot = 0; slot < SESSION_EPT_MAX; slot++) {
		tame_bool(&s->ept[slot].registered);
		s->ept[slot].name[SESSION_NAME_MAX] = '\0';
	}
}

int status_load(struct icbmsg_status **out, struct icbmsg_config *cfg)
{
	struct icbmsg_status *status = malloc(sizeof(*status));
	int ret;

	if (!status)
		return config_fail(cfg, -ENOMEM, "not enough memory for a session");
	ret = state_load(&status->copy, cfg);
	if (ret < 0) {
		free(status);
		return ret;
	}
	tame(&status->copy.session);
	*out = status;
	return 0;
}

void status_free(struct icbmsg_status *status)
{
	free(status);
}

const struct session *status_session(const struct icbmsg_status *status)
{
	return &status->copy.session;
}

void status_get_link(const struct icbmsg_status *status, struct icbmsg_link_status *out)
{
	const struct session *s = &status->copy.session;

	*out = (struct icbmsg_link_status){
		.state = counters_link_state(s),
		.open = status->copy.in_use,
		.initiator = s->initiator,
		.session = s->generation,
		.restarts_in_a_row = s->storm,
	};
	if (out->state == ICBMSG_LINK_BACKING_OFF && s->retry_at > 0)
		out->retry_ns = (uint64_t)s->retry_at;
}

static enum icbmsg_ept_state ept_state(const struct session_ept *e)
{
	switch (e->state) {
	case EPT_BOUND:
		return ICBMSG_EPT_BOUND;
	case EPT_ANNOUNCED:
		return ICBMSG_EPT_ANNOUNCED;
	default:
		return e->registered ? ICBMSG_EPT_UNBOUND : ICBMSG_EPT_UNUSED;
	}
}

static uint32_t queued_for(const struct session *s, size_t slot)
{
	uint32_t queued = s->event_tail - s->event_head, count = 0;

	if (queued > SESSION_EVENTS)
		queued = SESSION_EVENTS;
	for (uint32_t n = 0; n < queued; n++) {
		const struct session_event *ev = &s->events[(s->event_head + n) % SESSION_EVENTS];

		count += ev->kind == EVENT_DATA && ev->ept == slot;
	}
	return count;
}

int status_get_ept(const struct icbmsg_status *status, size_t n, struct icbmsg_ept_status *out)
{
	const struct session *s = &status->copy.session;
	const struct session_ept *e;

	if (n >= s->ept_count || n >= SESSION_EPT_MAX)
		return -ENOENT;
	e = &s->ept[n];
	*out = (struct icbmsg_ept_status){
		.name = e->name,
		.state = ept_state(e),
		.registered = e->registered,
		.has_address = s->initiator || e->state == EPT_BOUND,
		.queued = queued_for(s, n),
		.tx_messages = e->tx_messages,
		.tx_bytes = e->tx_bytes,
		.rx_messages = e->rx_messages,
		.rx_bytes = e->rx_bytes,
	};
	if (out->has_address)
		out->address = e->address;
	return 0;
}
