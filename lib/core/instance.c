// SPDX-License-Identifier: Apache-2.0
/*
 * Opening and closing an instance; what all calls share.
 */
#include "core/instance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/wait.h"
#include "util/cleanup.h"

void instance_log(struct icbmsg *i, enum icbmsg_log_level level, const char *format, ...)
{
	char line[256];
	va_list ap;

	if (!i->log)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	i->log(i->log_user, level, line);
}

void instance_set_log(struct icbmsg *i, icbmsg_log_fn fn, void *user)
{
	pthread_mutex_lock(&i->lock);
	i->log = fn;
	i->log_user = user;
	pthread_mutex_unlock(&i->lock);
}

static void log_complaint(void *user, const char *line)
{
	instance_log(user, ICBMSG_LOG_WARNING, "%s", line);
}

static int enter(struct icbmsg *i, const bool *shut)
{
	pthread_mutex_lock(&i->lock);
	if (*shut) {
		pthread_mutex_unlock(&i->lock);
		return -ESHUTDOWN;
	}
	i->inside++;
	i->link.now_ns = clock_coarse();
	return 0;
}

int instance_enter(struct icbmsg *i)
{
	return enter(i, &i->closing);
}

int instance_enter_closing(struct icbmsg *i)
{
	return enter(i, &i->closed);
}

void instance_leave(struct icbmsg *i)
{
	if (i->link.changed)
		instance_settle(i);
	/* Under the lock: once it is dropped with nobody inside, the instance may be gone. */
	wait_ring(i);
	i->inside--;
	if (i->closing && i->inside == 0)
		pthread_cond_broadcast(&i->changed);
	pthread_mutex_unlock(&i->lock);
}

/* Restarts in a row, with no link in between, that are answered at once; then every 10 ms to 1 s. */
#define STORM_FREE 8u
#define STORM_DELAY_MIN INT64_C(10000000)
#define STORM_DELAY_MAX INT64_C(1000000000)

static int64_t storm_delay(uint32_t storm)
{
	int64_t delay = STORM_DELAY_MIN;

	if (storm < STORM_FREE)
		return 0;
	for (storm -= STORM_FREE; storm > 0 && delay < STORM_DELAY_MAX; storm--)
		delay *= 2;
	return delay < STORM_DELAY_MAX ? delay : STORM_DELAY_MAX;
}

/* The other side started anew, or broke: announce ourselves again, but not all the time. */
static void announce_again(struct icbmsg *i)
{
	int64_t now = clock_now();

	if (now < i->restart_at)
		return;
	i->link.ops->start(&i->link);
	i->restart_at = now + storm_delay(i->storm);
	i->storm++;
}

static void report_phase(struct icbmsg *i)
{
	uint8_t phase = i->session->phase;

	if (phase == i->phase)
		return;
	i->phase = phase;
	if (phase == PHASE_UP) {
		i->storm = 0;
		i->restart_at = 0;
		instance_log(i, ICBMSG_LOG_INFO, "the link to the other side is up");
	} else if (phase == PHASE_LOST) {
		instance_log(i, ICBMSG_LOG_WARNING,
			     "the link is lost: the other side restarted or broke the protocol");
	}
}

unsigned int instance_settle(struct icbmsg *i)
{
	unsigned int changed = i->link.changed;

	i->link.changed = 0;
	report_phase(i);
	if (i->phase == PHASE_LOST)
		announce_again(i);
	if (changed & (PROTO_EVENTS | PROTO_FREED | PROTO_LINK))
		wait_notify(i);
	return changed;
}

unsigned int instance_pump(struct icbmsg *i)
{
	i->link.now_ns = clock_coarse();
	i->link.ops->pump(&i->link);
	i->more = i->link.changed & PROTO_MORE;
	return instance_settle(i);
}

_Static_assert((int)PROTO_REASON_RESTART == (int)ICBMSG_UNBOUND_PEER_RESTART &&
		       (int)PROTO_REASON_ERROR == (int)ICBMSG_UNBOUND_PROTOCOL_ERROR,
	       "reasons pass through as numbers");

static uint8_t *region_begin(const struct icbmsg *i, const struct config_region *region,
			     const struct layout_region *layout)
{
	return i->memory.base + region->offset + (layout->begin - region->address);
}

static void init_link(struct icbmsg *i, const struct config_values *v, const struct proto_ops *ops)
{
	struct proto_link *l = &i->link;

	l->ops = ops;
	l->s = i->session;
	l->tx = v->tx_layout;
	l->rx = v->rx_layout;
	l->type = i->memory.type;
	l->tx_begin = region_begin(i, &v->tx, &l->tx);
	l->rx_begin = region_begin(i, &v->rx, &l->rx);
	l->log = log_complaint;
	l->log_user = i;
	l->now_ns = clock_coarse();
	ops->init(l);
}

/* Memory, doorbell and descriptors; what was opened is left to instance_free() on errors. */
static int acquire(struct icbmsg *i, struct icbmsg_config *cfg, const struct config_values *v)
{
	char error[MEM_ERROR_SIZE] = "";
	int ret;

	ret = state_open(&i->state, v->state_file, cfg);
	if (ret < 0)
		return ret;
	i->session = i->state.session;
	ret = memory_map(&i->memory, &v->memory, false, error);
	if (ret < 0)
		return config_fail(cfg, ret, "%s", error);
	ret = memory_claim(&i->memory, v->tx.offset, v->tx.size);
	if (ret < 0)
		return config_fail(cfg, ret,
				   "memory: another program has this side of the link open (its "
				   "tx-region is this one's); a link serves one program at a time");
	ret = doorbell_open(&i->doorbell, &v->doorbell, error);
	if (ret < 0)
		return config_fail(cfg, ret, "%s", error);
	ret = wait_init(i);
	if (ret < 0)
		return config_fail(cfg, ret, "cannot make the descriptors for waiting: %s",
				   strerror(-ret));
	if (i->memory.type == MEM_DEVICE) {
		i->bounce = malloc(v->rx_layout.max_payload);
		if (!i->bounce)
			return config_fail(cfg, -ENOMEM, "not enough memory for a message");
	}
	return 0;
}

static void free_instance(struct icbmsg **i)
{
	instance_free(*i);
}

static struct icbmsg *allocate(const struct config_values *v)
{
	struct icbmsg *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->kick_fd = i->timer_fd = i->ready_fd = i->poll_fd = -1;
	i->doorbell.rx_fd = i->doorbell.tx_fd = -1;
	i->state.fd = -1;
	i->rescue_interval = v->rescue_interval_ns;
	i->spin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? v->spin_ns : 0;
	pthread_mutex_init(&i->lock, NULL);
	wait_init_condition(&i->changed);
	return i;
}

int instance_open(struct icbmsg **out, struct icbmsg_config *cfg)
{
	_cleanup_(free_instance) struct icbmsg *i = NULL;
	struct config_values v;
	int ret;

	ret = config_resolve(cfg, &v, false);
	if (ret < 0)
		return ret;
	i = allocate(&v);
	if (!i)
		return config_fail(cfg, -ENOMEM, "not enough memory for an instance");
	ret = acquire(i, cfg, &v);
	if (ret < 0)
		return ret;
	init_link(i, &v, proto_find(v.wire));
	i->link.ops->start(&i->link);
	i->rescue_at = clock_now() + i->rescue_interval;
	wait_ring(i);
	*out = i;
	i = NULL;
	return 0;
}

void instance_free(struct icbmsg *i)
{
	if (!i)
		return;
	wait_deinit(i);
	doorbell_close(&i->doorbell);
	memory_unmap(&i->memory);
	pthread_cond_destroy(&i->changed);
	pthread_mutex_destroy(&i->lock);
	state_close(&i->state);
	free(i->bounce);
	free(i);
}

int instance_close(struct icbmsg *i)
{
	pthread_mutex_lock(&i->lock);
	if (i->in_callback && pthread_equal(i->dispatcher, pthread_self())) {
		pthread_mutex_unlock(&i->lock);
		return -EDEADLK;
	}
	i->closing = true;
	wait_notify(i);
	while (i->inside > 0) {
		i->waiters++;
		pthread_cond_wait(&i->changed, &i->lock);
		i->waiters--;
	}
	i->closed = true;
	if (i->holds > 0) {
		/* The mapping stays for the held buffers; icbmsg_release_rx() frees the rest. */
		wait_deinit(i);
		doorbell_close(&i->doorbell);
		state_release(&i->state);
		memory_disown(&i->memory);
		pthread_mutex_unlock(&i->lock);
		return 0;
	}
	pthread_mutex_unlock(&i->lock);
	instance_free(i);
	return 0;
}
