// SPDX-License-Identifier: Apache-2.0
/*
 * Opening and closing an instance; what all calls share.
 */
#include "core/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/backend.h"
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

static bool in_storm(const struct session *s)
{
	return s->storm > STORM_FREE;
}

/* Not yet: the other side restarts all the time. Somebody has to look when the time has come. */
static void back_off(struct icbmsg *i)
{
	struct session *s = i->session;

	wait_tick_at(i, s->retry_at);
	if (i->backing_off)
		return;
	i->backing_off = true;
	s->count.backoffs++;
	if (i->storm_told)
		return;
	i->storm_told = true;
	s->count.storms++;
	instance_log(i, ICBMSG_LOG_WARNING,
		     "the other side restarted or broke the protocol %" PRIu32
		     " times in a row: from now on it is answered after a while, at most %" PRId64
		     " ms",
		     s->storm, STORM_DELAY_MAX / 1000000);
}

/* The other side started anew, or broke: announce ourselves again, but not all the time. */
static void announce_again(struct icbmsg *i)
{
	struct session *s = i->session;
	int64_t now = clock_now();

	if (now < s->retry_at) {
		back_off(i);
		return;
	}
	i->backing_off = false;
	i->link.ops->start(&i->link);
	s->retry_at = now + storm_delay(s->storm);
	s->storm++;
}

/* A link that works ends a row of restarts: something was read, or it has been up for a while. */
static void end_storm(struct icbmsg *i)
{
	struct session *s = i->session;

	if (s->count.rx_packets == i->up_packets && clock_now() - i->up_at < STORM_DELAY_MAX)
		return;
	if (in_storm(s))
		instance_log(i, ICBMSG_LOG_INFO, "the link to the other side is up, and works");
	i->storm_told = false;
	s->storm = 0;
	s->retry_at = 0;
}

static void report_up(struct icbmsg *i)
{
	i->up_at = clock_now();
	i->up_packets = i->session->count.rx_packets;
	if (!in_storm(i->session))
		instance_log(i, ICBMSG_LOG_INFO, "the link to the other side is up");
}

static void report_phase(struct icbmsg *i)
{
	const struct session *s = i->session;
	uint8_t before = i->phase;

	i->phase = s->phase;
	if (before == PHASE_UP && s->storm > 0)
		end_storm(i);
	if (s->phase == before)
		return;
	if (s->phase == PHASE_UP)
		report_up(i);
	else if (s->phase == PHASE_LOST && before == PHASE_UP && !in_storm(s))
		instance_log(i, ICBMSG_LOG_WARNING,
			     "the link is lost: the other side restarted or broke the protocol");
}

/* Seldom, and so kept out of the hot path. A lost link has a storm of at least 1 once answered. */
static __attribute__((noinline)) void settle_phase(struct icbmsg *i)
{
	report_phase(i);
	if (i->phase == PHASE_LOST)
		announce_again(i);
}

unsigned int instance_settle(struct icbmsg *i)
{
	unsigned int changed = i->link.changed;

	i->link.changed = 0;
	if (i->session->phase != i->phase || i->session->storm > 0)
		settle_phase(i);
	/* Also who waits on the descriptor, where another thread's look has left something. */
	if (changed & (PROTO_EVENTS | PROTO_FREED | PROTO_LINK | PROTO_MORE))
		wait_notify(i);
	return changed;
}

/*
 * A doorbell is spurious if nothing new was found since the one before: what it told of can have
 * been found by a look that somebody else took. @found: by the look that the timer asked for.
 */
static void judge_wakeup(struct icbmsg *i, bool found)
{
	struct counters *c = &i->session->count;

	if (i->rung > 0) {
		c->doorbells_spurious += i->news ? 0 : i->rung;
		i->news = false;
	} else if (found && doorbell_is_rung(&i->doorbell)) {
		c->rx_rescues++;
	}
	i->rung = 0;
	i->ticked = false;
}

unsigned int instance_pump(struct icbmsg *i)
{
	struct session *s = i->session;
	uint32_t rd = s->rx_rd;
	bool more = i->more, soon = i->rung > 0 || s->phase == PHASE_LOST;
	unsigned int changed;

	i->link.now_ns = clock_coarse();
	s->count.pumps++;
	i->link.ops->pump(&i->link);
	/* Was it a restart, or the end of the daemon? */
	if (s->phase == PHASE_LOST && i->backend)
		i->rung += i->backend->collect(i);
	i->more = i->link.changed & PROTO_MORE;
	i->news |= s->rx_rd != rd || i->link.changed;
	if (i->doorbell.in.adapts)
		doorbell_looked(&i->doorbell, i->rung,
				i->rung > 0 ? i->news : s->rx_rd != rd || i->link.changed);
	if (i->rung > 0 || i->ticked)
		judge_wakeup(i, s->rx_rd != rd && !more);
	changed = instance_settle(i);
	if (s->phase < PHASE_UP || i->glance > 0)
		wait_glance(i, soon || changed & PROTO_LINK);
	return changed;
}

_Static_assert((int)PROTO_REASON_RESTART == (int)ICBMSG_UNBOUND_PEER_RESTART &&
		       (int)PROTO_REASON_ERROR == (int)ICBMSG_UNBOUND_PROTOCOL_ERROR &&
		       (int)PROTO_REASON_GONE == (int)ICBMSG_UNBOUND_DAEMON_GONE,
	       "reasons pass through as numbers");

static uint8_t *region_begin(const struct icbmsg *i, const struct config_region *region,
			     const struct layout_region *layout)
{
	return i->memory.base + region->offset + (layout->begin - region->address);
}

void instance_place(struct icbmsg *i, const struct config_values *v)
{
	struct proto_link *l = &i->link;

	l->tx = v->tx_layout;
	l->rx = v->rx_layout;
	l->type = i->memory.type;
	l->tx_begin = region_begin(i, &v->tx, &l->tx);
	l->rx_begin = region_begin(i, &v->rx, &l->rx);
	backend_limit(i, UINT64_MAX, UINT64_MAX);
}

static void init_link(struct icbmsg *i, const struct config_values *v, const struct proto_ops *ops)
{
	struct proto_link *l = &i->link;

	l->ops = ops;
	l->s = i->session;
	l->peer_is_library = v->peer_is_library;
	instance_place(i, v);
	l->log = log_complaint;
	l->log_user = i;
	l->now_ns = clock_coarse();
	ops->init(l);
}

static int open_doorbell(struct icbmsg *i, const struct config_values *v, char *error)
{
	const struct doorbell_host host = { .count = &i->session->count.doorbell,
					    .log = log_complaint,
					    .user = i };
	struct doorbell_spec spec = v->doorbell;
	int ret = 0;

	/* Peers of a bus that is there for its memory only need not ring us. */
	if (doorbell_needs_bus(&spec))
		ret = doorbell_join_bus(&spec, i->memory.bus, error);
	else
		memory_leave_bus(&i->memory);
	return ret < 0 ? ret : doorbell_open(&i->doorbell, &spec, &host, error);
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
	ret = open_doorbell(i, v, error);
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
	i->doorbell = DOORBELL_CLOSED;
	i->backend_fd = -1;
	i->state.fd = -1;
	i->rescue_interval = v->rescue_interval_ns;
	i->rung_elsewhere = v->doorbell.in.kind == DOORBELL_IN_ELSEWHERE;
	i->spin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? v->spin_ns : 0;
	pthread_mutex_init(&i->lock, NULL);
	wait_init_condition(&i->changed);
	return i;
}

int instance_open_values(struct icbmsg **out, struct icbmsg_config *cfg,
			 const struct config_values *v)
{
	_cleanup_(free_instance) struct icbmsg *i = allocate(v);
	int ret;

	if (!i)
		return config_fail(cfg, -ENOMEM, "not enough memory for an instance");
	ret = acquire(i, cfg, v);
	if (ret < 0)
		return ret;
	init_link(i, v, proto_find(v->wire));
	i->link.ops->start(&i->link);
	i->rescue_at = clock_now() + i->rescue_interval;
	wait_ring(i);
	wait_glance(i, true);
	*out = i;
	i = NULL;
	return 0;
}

int instance_open(struct icbmsg **out, struct icbmsg_config *cfg)
{
	struct config_values v;
	int ret = config_resolve(cfg, &v, false);

	return ret < 0 ? ret : instance_open_values(out, cfg, &v);
}

void instance_free(struct icbmsg *i)
{
	if (!i)
		return;
	backend_detach(i);
	if (i->backend)
		i->backend->free(i);
	backend_free_retired(i);
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
	i->link.ops->stop(&i->link);
	wait_ring(i);
	if (i->holds > 0) {
		/* The mapping stays for the held buffers; icbmsg_release_rx() frees the rest. */
		backend_detach(i);
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
