// SPDX-License-Identifier: Apache-2.0
/*
 * The only file whose symbols leave the shared library: the public names over lib/core.
 */
#include "icbmsg.h"

#include <errno.h>

#include "client/connect.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/endpoint.h"
#include "core/instance.h"
#include "core/receive.h"
#include "core/send.h"
#include "core/state.h"
#include "core/status.h"
#include "core/snapshot.h"
#include "core/wait.h"

#pragma GCC visibility push(default)

const char *icbmsg_version(void)
{
	return ICBMSG_VERSION;
}

/* Configuration */

int icbmsg_config_new(struct icbmsg_config **cfg)
{
	return cfg ? config_new(cfg) : -EINVAL;
}

void icbmsg_config_free(struct icbmsg_config *cfg)
{
	config_free(cfg);
}

int icbmsg_config_load(struct icbmsg_config *cfg, const char *path, const char *instance)
{
	return cfg && path ? config_load(cfg, path, instance) : -EINVAL;
}

int icbmsg_config_set(struct icbmsg_config *cfg, const char *key, const char *value)
{
	return cfg && key && value ? config_set(cfg, key, value) : -EINVAL;
}

const char *icbmsg_config_get(const struct icbmsg_config *cfg, const char *key)
{
	return cfg && key ? config_get(cfg, key) : NULL;
}

const char *icbmsg_config_origin(const struct icbmsg_config *cfg, const char *key)
{
	return cfg && key ? config_origin(cfg, key) : NULL;
}

const char *icbmsg_config_remarks(const struct icbmsg_config *cfg)
{
	return config_remarks(cfg);
}

const char *icbmsg_config_key(unsigned int n, const char **fallback)
{
	return config_key_name(n, fallback);
}

int icbmsg_config_scan(struct icbmsg_config *cfg, const char *path, icbmsg_config_item_fn fn,
		       void *user)
{
	return cfg && path && fn ? config_scan(cfg, path, fn, user) : -EINVAL;
}

const char *icbmsg_config_error(const struct icbmsg_config *cfg)
{
	return cfg ? config_error(cfg) : "";
}

int icbmsg_config_layout(struct icbmsg_config *cfg, struct icbmsg_layout *layout, size_t size)
{
	struct config_values v;
	int ret;

	if (!cfg || !layout)
		return -EINVAL;
	ret = config_resolve(cfg, &v, true);
	if (ret == 0)
		layout_to_public(layout, size, &v.tx_layout, &v.rx_layout, MEM_NORMAL);
	return ret;
}

int icbmsg_config_check(struct icbmsg_config *cfg)
{
	struct config_values v;

	return cfg ? config_resolve(cfg, &v, false) : -EINVAL;
}

/* Instance */

int icbmsg_open(struct icbmsg **link, struct icbmsg_config *cfg)
{
	return link && cfg ? instance_open(link, cfg) : -EINVAL;
}

int icbmsg_connect(struct icbmsg **link, struct icbmsg_config *cfg, const char *target)
{
	return link && cfg ? connect_instance(link, cfg, target) : -EINVAL;
}

int icbmsg_close(struct icbmsg *link)
{
	return link ? instance_close(link) : 0;
}

int icbmsg_get_fd(struct icbmsg *link)
{
	return link ? wait_get_fd(link) : -EINVAL;
}

int icbmsg_dispatch(struct icbmsg *link, int64_t timeout_ns)
{
	return link ? receive_dispatch(link, timeout_ns) : -EINVAL;
}

size_t icbmsg_max_size(const struct icbmsg *link)
{
	return instance_max_tx(link);
}

size_t icbmsg_max_rx_size(const struct icbmsg *link)
{
	return instance_max_rx(link);
}

void icbmsg_get_layout(struct icbmsg *link, struct icbmsg_layout *layout, size_t size)
{
	instance_get_layout(link, layout, size);
}

void icbmsg_set_log(struct icbmsg *link, icbmsg_log_fn fn, void *user)
{
	instance_set_log(link, fn, user);
}

void icbmsg_get_stats(struct icbmsg *link, struct icbmsg_stats *stats, size_t size)
{
	instance_get_stats(link, stats, size);
}

const char *icbmsg_link_state_name(enum icbmsg_link_state state)
{
	switch (state) {
	case ICBMSG_LINK_WAITING:
		return "waiting";
	case ICBMSG_LINK_UP:
		return "up";
	case ICBMSG_LINK_BACKING_OFF:
		return "backing off";
	case ICBMSG_LINK_HELD:
		return "held";
	case ICBMSG_LINK_CLOSED:
		return "closed";
	}
	return "unknown";
}

size_t icbmsg_counter_count(void)
{
	return counters_count();
}

int icbmsg_counter_info(size_t n, struct icbmsg_counter_info *info)
{
	return info ? counters_info(n, info) : -EINVAL;
}

int icbmsg_counter_read(struct icbmsg *link, uint64_t *values, size_t max)
{
	return link && values ? (int)instance_get_counters(link, values, max) : -EINVAL;
}

int icbmsg_get_records(struct icbmsg *link, struct icbmsg_record *records, size_t max)
{
	return link && records ? (int)instance_get_records(link, records, max) : -EINVAL;
}

int icbmsg_load_records(struct icbmsg_config *cfg, struct icbmsg_record *records, size_t max)
{
	return cfg && records ? state_load_records(cfg, records, max) : -EINVAL;
}

int icbmsg_status_new(struct icbmsg_status **status, struct icbmsg *link)
{
	return status && link ? status_new(status, link) : -EINVAL;
}

int icbmsg_status_load(struct icbmsg_status **status, struct icbmsg_config *cfg)
{
	return status && cfg ? status_load(status, cfg) : -EINVAL;
}

void icbmsg_status_free(struct icbmsg_status *status)
{
	status_free(status);
}

int icbmsg_status_get_link(const struct icbmsg_status *status, struct icbmsg_link_status *link)
{
	return status && link ? status_get_link(status, link), 0 : -EINVAL;
}

int icbmsg_status_get_ept(const struct icbmsg_status *status, size_t n,
			  struct icbmsg_ept_status *ept)
{
	return status && ept ? status_get_ept(status, n, ept) : -EINVAL;
}

int icbmsg_status_get_counters(const struct icbmsg_status *status, uint64_t *values, size_t max)
{
	return status && values ? (int)counters_read(status_session(status), values, max) : -EINVAL;
}

int icbmsg_status_get_records(const struct icbmsg_status *status, struct icbmsg_record *records,
			      size_t max)
{
	return status && records ? (int)state_records(status_session(status), records, max) :
				   -EINVAL;
}

/* Endpoints */

const char *icbmsg_ept_state_name(enum icbmsg_ept_state state)
{
	switch (state) {
	case ICBMSG_EPT_UNUSED:
		return "unused";
	case ICBMSG_EPT_UNBOUND:
		return "unbound";
	case ICBMSG_EPT_ANNOUNCED:
		return "announced";
	case ICBMSG_EPT_BOUND:
		return "bound";
	}
	return "unknown";
}

const char *icbmsg_unbound_reason_name(enum icbmsg_unbound_reason reason)
{
	switch (reason) {
	case ICBMSG_UNBOUND_PEER_RESTART:
		return "the other side restarted";
	case ICBMSG_UNBOUND_PROTOCOL_ERROR:
		return "the other side broke the protocol";
	case ICBMSG_UNBOUND_DAEMON_GONE:
		return "icbmsgd is gone";
	}
	return "unknown reason";
}

int icbmsg_ept_register(struct icbmsg *link, struct icbmsg_ept **ept, const char *name,
			const struct icbmsg_ept_callbacks *callbacks, void *user)
{
	return link && ept && name ? endpoint_register(link, ept, name, callbacks, user) : -EINVAL;
}

void icbmsg_ept_deregister(struct icbmsg_ept *ept)
{
	if (ept)
		endpoint_deregister(ept);
}

int icbmsg_ept_wait_bound(struct icbmsg_ept *ept, int64_t timeout_ns)
{
	return ept ? endpoint_wait_bound(ept, timeout_ns) : -EINVAL;
}

bool icbmsg_ept_is_bound(struct icbmsg_ept *ept)
{
	return ept && endpoint_is_bound(ept);
}

const char *icbmsg_ept_name(const struct icbmsg_ept *ept)
{
	return endpoint_session(ept)->name;
}

void *icbmsg_ept_user(const struct icbmsg_ept *ept)
{
	return ept->user;
}

struct icbmsg *icbmsg_ept_link(const struct icbmsg_ept *ept)
{
	return ept->link;
}

/* Sending */

int icbmsg_send(struct icbmsg_ept *ept, const void *data, size_t size, int64_t timeout_ns)
{
	return ept && (data || size == 0) ? send_copy(ept, data, size, timeout_ns, NULL) : -EINVAL;
}

int icbmsg_send_tracked(struct icbmsg_ept *ept, const void *data, size_t size, int64_t timeout_ns,
			struct icbmsg_tx *tx)
{
	if (!ept || !tx || (!data && size > 0))
		return -EINVAL;
	return send_copy(ept, data, size, timeout_ns, tx);
}

int icbmsg_get_tx_buffer(struct icbmsg_ept *ept, size_t *size, int64_t timeout_ns, void **data)
{
	return ept && size && data ? send_get_buffer(ept, size, timeout_ns, data) : -EINVAL;
}

int icbmsg_send_nocopy(struct icbmsg_ept *ept, void *data, size_t size)
{
	return ept && data ? send_nocopy(ept, data, size, NULL) : -EINVAL;
}

int icbmsg_send_nocopy_tracked(struct icbmsg_ept *ept, void *data, size_t size,
			       struct icbmsg_tx *tx)
{
	return ept && data && tx ? send_nocopy(ept, data, size, tx) : -EINVAL;
}

int icbmsg_tx_state(struct icbmsg *link, struct icbmsg_tx tx)
{
	return link ? send_get_fate(link, tx) : -EINVAL;
}

int icbmsg_drop_tx_buffer(struct icbmsg *link, void *data)
{
	return link && data ? send_drop_buffer(link, data) : -EINVAL;
}

/* Receiving */

int icbmsg_hold_rx(struct icbmsg *link, const void *data, struct icbmsg_rx *rx)
{
	return link && data && rx ? receive_hold(link, data, rx) : -EINVAL;
}

int icbmsg_release_rx(struct icbmsg *link, struct icbmsg_rx rx)
{
	return link ? receive_release(link, rx) : -EINVAL;
}

bool icbmsg_rx_is_current(struct icbmsg *link, struct icbmsg_rx rx)
{
	return receive_is_current(link, rx);
}

int icbmsg_next_event(struct icbmsg *link, struct icbmsg_event *event, int64_t timeout_ns)
{
	return link && event ? receive_next_event(link, event, timeout_ns) : -EINVAL;
}

/* Looking inside */

int icbmsg_snapshot_new(struct icbmsg_snapshot **snapshot, struct icbmsg_config *cfg)
{
	return snapshot && cfg ? snapshot_new(snapshot, cfg) : -EINVAL;
}

void icbmsg_snapshot_free(struct icbmsg_snapshot *snapshot)
{
	snapshot_free(snapshot);
}

int icbmsg_snapshot_get_ring(const struct icbmsg_snapshot *snapshot, enum icbmsg_direction dir,
			     struct icbmsg_snapshot_ring *ring)
{
	const struct snapshot_region *r = snapshot ? snapshot_get_region(snapshot, dir) : NULL;

	if (!r || !ring)
		return -EINVAL;
	*ring = r->ring;
	return 0;
}

int icbmsg_snapshot_get_packet(const struct icbmsg_snapshot *snapshot, enum icbmsg_direction dir,
			       size_t n, struct icbmsg_snapshot_packet *packet)
{
	const struct snapshot_region *r = snapshot ? snapshot_get_region(snapshot, dir) : NULL;

	return r && packet ? snapshot_region_packet(r, n, packet) : -EINVAL;
}

int icbmsg_snapshot_get_buffer(const struct icbmsg_snapshot *snapshot, enum icbmsg_direction dir,
			       uint32_t block, struct icbmsg_snapshot_buffer *buffer)
{
	const struct snapshot_region *r = snapshot ? snapshot_get_region(snapshot, dir) : NULL;

	return r && buffer ? snapshot_region_buffer(r, block, buffer) : -EINVAL;
}

int icbmsg_event_done(struct icbmsg *link)
{
	return link ? receive_event_done(link) : -EINVAL;
}

#pragma GCC visibility pop
