// SPDX-License-Identifier: Apache-2.0
/*
 * Everything as JSON.
 */
#include "report.h"

#include <json.h>

#include "exported.h"
#include "instance.h"
#include "link.h"
#include "ring.h"
#include "subscriber.h"

/* More than the library has; those of a later one that are beyond are not told. */
#define COUNTERS_MAX 256

static void add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

static void add_number(struct json_object *o, const char *key, uint64_t value)
{
	add(o, key, json_object_new_uint64(value));
}

static void add_bool(struct json_object *o, const char *key, bool value)
{
	add(o, key, json_object_new_boolean(value));
}

static void add_text(struct json_object *o, const char *key, const char *value)
{
	add(o, key, json_object_new_string(value));
}

static uint64_t count_library(const struct exported *e)
{
	const struct subscriber *s;
	uint64_t count = 0;

	TAILQ_FOREACH(s, &e->subscribers, in_export)
		count += !s->ended && s->ops->is_library;
	return count;
}

static struct json_object *list_endpoint(const struct exported *e)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", e->name);
	add_text(o, "socket", e->listener.path);
	add_bool(o, "bound", e->bound);
	add_number(o, "clients", e->client_count);
	add_number(o, "library_clients", count_library(e));
	add_bool(o, "exclusive", e->settings.exclusive);
	add_text(o, "policy", settings_policy_name(e->settings.policy));
	add_bool(o, "blocking", pool_is_blocking(&e->pool));
	add_bool(o, "on_demand", e->on_demand);
	return o;
}

static struct json_object *list_instance(const struct instance *i)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const struct exported *e;
	struct icbmsg_stats stats;

	icbmsg_get_stats(i->link, &stats, sizeof(stats));
	add_text(o, "name", i->name);
	add_text(o, "state", icbmsg_link_state_name(stats.state));
	add_bool(o, "initiator", i->layout.initiator);
	add_number(o, "max_send", icbmsg_max_size(i->link));
	add_number(o, "max_receive", icbmsg_max_rx_size(i->link));
	add_number(o, "restarts", stats.restarts);
	add_bool(o, "stalled", i->stalled);
	add_text(o, "library_socket", i->library.path);
	TAILQ_FOREACH(e, &i->exports, next)
		json_object_array_add(list, list_endpoint(e));
	add(o, "endpoints", list);
	return o;
}

struct json_object *report_list(const struct server *s)
{
	struct json_object *list = json_object_new_array();
	const struct instance *i;

	TAILQ_FOREACH(i, &s->instances, next)
		json_object_array_add(list, list_instance(i));
	return list;
}

/* Everything that the library counts, by its names. */
static struct json_object *link_stats(const struct instance *i)
{
	struct json_object *o = json_object_new_object();
	struct icbmsg_counter_info info;
	struct icbmsg_stats stats;
	uint64_t values[COUNTERS_MAX];
	int count = icbmsg_counter_read(i->link, values, COUNTERS_MAX);

	icbmsg_get_stats(i->link, &stats, sizeof(stats));
	add_text(o, "state", icbmsg_link_state_name(stats.state));
	for (int n = 0; n < count; n++)
		if (icbmsg_counter_info((size_t)n, &info) == 0)
			add_number(o, info.name, values[n]);
	return o;
}

static struct json_object *delivery(const struct delivery_stats *stats, uint64_t queued)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "offered", stats->offered);
	for (int f = 0; f < FATE_COUNT; f++)
		add_number(o, fate_name((enum fate)f), stats->fates[f]);
	add_number(o, "queued", queued);
	add_number(o, "bytes", stats->bytes);
	return o;
}

static struct json_object *to_core(const struct input_stats *stats)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "messages", stats->messages);
	add_number(o, "bytes", stats->bytes);
	add_number(o, "empty", stats->empty);
	add_number(o, "oversize", stats->oversize);
	add_number(o, "discarded", stats->discarded);
	return o;
}

static struct json_object *from_core(const struct exported_stats *stats)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "messages", stats->messages);
	add_number(o, "bytes", stats->bytes);
	add_number(o, "empty", stats->empty);
	add_number(o, "no_client", stats->no_client);
	add_number(o, "errors", stats->errors);
	return o;
}

static struct json_object *backlog(const struct pool *p)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "queued", p->queued);
	add_number(o, "bytes", p->bytes);
	add_number(o, "held", p->held);
	add_number(o, "held_blocks", p->held_blocks);
	add_bool(o, "blocking", pool_is_blocking(p));
	add_number(o, "blocked", p->blocked);
	return o;
}

static struct json_object *client_counts(const struct exported *e)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "connected", e->client_count);
	add_number(o, "ever", e->stats.clients);
	add_number(o, "refused", e->stats.refused);
	add_number(o, "refused_busy", e->stats.refused_busy);
	return o;
}

static struct json_object *stats_endpoint(const struct exported *e)
{
	struct json_object *o = json_object_new_object(), *input = to_core(&e->stats.input);

	add_text(o, "name", e->name);
	add(o, "from_core", from_core(&e->stats));
	add(o, "delivery", delivery(&e->pool.stats, e->pool.queued));
	add(o, "backlog", backlog(&e->pool));
	add_number(input, "unknown", e->stats.unknown);
	add(o, "to_core", input);
	add(o, "clients", client_counts(e));
	add_number(o, "unbound", e->stats.unbound);
	return o;
}

static struct json_object *stats_instance(const struct instance *i)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const struct exported *e;
	const struct subscriber *s;
	uint64_t waiting = 0;

	TAILQ_FOREACH(s, &i->waiters, in_waiters)
		waiting++;
	add_text(o, "name", i->name);
	add(o, "link", link_stats(i));
	add_number(o, "waiting", waiting);
	add_number(o, "waits", i->waits);
	TAILQ_FOREACH(e, &i->exports, next)
		json_object_array_add(list, stats_endpoint(e));
	add(o, "endpoints", list);
	return o;
}

struct json_object *report_stats(const struct server *s)
{
	struct json_object *list = json_object_new_array();
	const struct instance *i;

	TAILQ_FOREACH(i, &s->instances, next)
		json_object_array_add(list, stats_instance(i));
	return list;
}

struct json_object *report_io_uring(const struct server *s)
{
	const struct ring_stats *stats = ring_stats(s->ring);
	struct json_object *o = json_object_new_object();

	add_bool(o, "used", ring_is_used(s->ring));
	add_number(o, "operations", stats->operations);
	add_number(o, "submissions", stats->submissions);
	add_number(o, "plain", stats->plain);
	return o;
}

struct json_object *report_limits(const struct server *s)
{
	const struct limits *l = &s->limits;
	const struct {
		enum limit limit;
		uint64_t used, max;
	} rows[] = {
		{ LIMIT_CLIENTS, l->clients, l->max_clients },
		{ LIMIT_CLIENTS_PER_UID, limits_most(l, LIMIT_CLIENTS_PER_UID),
		  l->max_clients_per_uid },
		{ LIMIT_BYTES, l->bytes, l->max_bytes },
		{ LIMIT_BYTES_PER_UID, limits_most(l, LIMIT_BYTES_PER_UID), l->max_bytes_per_uid },
		{ LIMIT_LIBRARY, l->library, l->max_library },
		{ LIMIT_LIBRARY_PER_UID, limits_most(l, LIMIT_LIBRARY_PER_UID),
		  l->max_library_per_uid },
		{ LIMIT_LIBRARY_BYTES, l->library_bytes, l->max_library_bytes },
		{ LIMIT_LIBRARY_BYTES_PER_UID, limits_most(l, LIMIT_LIBRARY_BYTES_PER_UID),
		  l->max_library_bytes_per_uid },
		{ LIMIT_HELD, l->held, l->max_held },
		{ LIMIT_HELD_PER_UID, limits_most(l, LIMIT_HELD_PER_UID), l->max_held_per_uid },
	};
	struct json_object *o = json_object_new_object(), *row;

	for (size_t n = 0; n < sizeof(rows) / sizeof(*rows); n++) {
		row = json_object_new_object();
		add_number(row, "used", rows[n].used);
		add_number(row, "max", rows[n].max);
		add_number(row, "refused", l->hit[rows[n].limit]);
		add(o, limit_name(rows[n].limit), row);
	}
	return o;
}

static struct json_object *client_object(const struct subscriber *s)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "id", s->id);
	add_text(o, "kind", s->ops->is_library ? "library" : "socket");
	if (s->ops->is_library)
		add_number(o, "connection", link_ept_of(s)->client->id);
	add_text(o, "instance", s->exported->instance->name);
	add_text(o, "endpoint", s->exported->name);
	add(o, "pid", json_object_new_int64(s->pid));
	add_number(o, "uid", s->uid);
	add_text(o, "state", s->ops->state(s));
	add_bool(o, "waiting", s->waiting);
	add_number(o, "queued", s->outbox.count);
	add_number(o, "held", s->outbox.held);
	add_number(o, "bytes", s->outbox.bytes);
	add(o, "delivery", delivery(&s->outbox.stats, s->outbox.count));
	add(o, "to_core", to_core(&s->input));
	return o;
}

struct json_object *report_clients(const struct server *server)
{
	struct json_object *list = json_object_new_array();
	const struct instance *i;
	const struct exported *e;
	const struct subscriber *s;

	TAILQ_FOREACH(i, &server->instances, next)
		TAILQ_FOREACH(e, &i->exports, next)
			TAILQ_FOREACH(s, &e->subscribers, in_export)
				if (!s->ended)
					json_object_array_add(list, client_object(s));
	return list;
}

static struct json_object *connection_object(const struct link_client *c)
{
	struct json_object *o = json_object_new_object();
	const struct link_ept *p;
	uint64_t count = 0;

	TAILQ_FOREACH(p, &c->epts, in_client)
		count++;
	add_number(o, "id", c->id);
	add_text(o, "instance", c->instance->name);
	add(o, "pid", json_object_new_int64(c->pid));
	add_number(o, "uid", c->uid);
	add_number(o, "endpoints", count);
	add_number(o, "memory", c->link ? link_shape_size(&c->shape) : 0);
	add_number(o, "outstanding", c->outstanding);
	add_bool(o, "waiting", c->pending);
	return o;
}

struct json_object *report_connections(const struct server *s)
{
	struct json_object *list = json_object_new_array();
	const struct instance *i;
	const struct link_client *c;

	TAILQ_FOREACH(i, &s->instances, next)
		TAILQ_FOREACH(c, &i->links, in_instance)
			json_object_array_add(list, connection_object(c));
	return list;
}
