// SPDX-License-Identifier: Apache-2.0
/*
 * A view for programs.
 */
#include <json.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/tool.h"
#include "ctl/ctl.h"
#include "ctl/inspect.h"
#include "ctl/json_add.h"
#include "ctl/records.h"
#include "ctl/state.h"

static void add_hex(struct json_object *o, const char *key, const uint8_t *data, size_t size)
{
	char *text = malloc(2 * size + 1);

	if (!text)
		tool_fail(TOOL_ERROR, "out of memory");
	text[0] = '\0';
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	json_add_text(o, key, text);
	free(text);
}

static struct json_object *buffer_object(const struct view_packet *p, uint32_t dump)
{
	const struct icbmsg_snapshot_buffer *b = &p->buffer;
	struct json_object *o = json_object_new_object();

	json_add_number(o, "size", b->size);
	json_add_bool(o, "valid", b->valid);
	json_add_bool(o, "reused", p->reused);
	if (dump > 0 && b->valid)
		add_hex(o, "data", b->data, b->size < dump ? (size_t)b->size : dump);
	return o;
}

static struct json_object *packet_object(const struct view_packet *v, uint32_t dump)
{
	const struct icbmsg_snapshot_packet *p = &v->packet;
	struct json_object *o = json_object_new_object();

	json_add_number(o, "offset", p->offset);
	json_add_number(o, "size", p->size);
	json_add_bool(o, "pending", p->pending);
	json_add_text(o, "kind", v->kind);
	if (p->control) {
		json_add_number(o, "type", p->type);
		json_add_number(o, "endpoint", p->ept);
		json_add_number(o, "block", p->block);
	}
	add_hex(o, "payload", p->data, p->size);
	if (v->has_buffer)
		json_add(o, "buffer", buffer_object(v, dump));
	return o;
}

static struct json_object *packets_array(const struct view_direction *d,
					 const struct inspect_options *options)
{
	struct json_object *array = json_object_new_array();

	for (size_t n = 0; n < d->count; n++)
		if (d->packets[n].packet.pending || !options->pending)
			json_object_array_add(array, packet_object(&d->packets[n], options->dump));
	return array;
}

static struct json_object *direction_object(const struct view_direction *d,
					    const struct icbmsg_region_layout *l,
					    const struct inspect_options *options)
{
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "writer_seen", d->writer);
	json_add_bool(o, "reader_seen", d->reader);
	json_add_number(o, "rd_idx", d->ring.rd_idx);
	json_add_number(o, "wr_idx", d->ring.wr_idx);
	json_add_bool(o, "valid", d->ring.valid);
	json_add_bool(o, "damaged", d->ring.damaged);
	json_add_number(o, "ring_len", l->ring_len);
	json_add_number(o, "used", d->ring.used);
	json_add_number(o, "free", d->ring.space);
	json_add_bool(o, "magic", d->magic);
	json_add(o, "packets", packets_array(d, options));
	return o;
}

static struct json_object *endpoints_array(const struct view *v)
{
	struct json_object *array = json_object_new_array(), *o;

	for (unsigned int a = 0; a < ICBMSG_EPT_COUNT_MAX; a++) {
		const struct view_ept *e = &v->ept[a];

		if (!e->seen)
			continue;
		o = json_object_new_object();
		json_add_number(o, "endpoint", a);
		json_add(o, "name", *e->name ? json_object_new_string(e->name) : NULL);
		json_add_bool(o, "bound", e->bound);
		json_object_array_add(array, o);
	}
	return array;
}

void inspect_print_json(const struct view *v, const struct inspect_options *options)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "role", v->layout.initiator ? "initiator" : "follower");
	json_add_text(o, "state", view_state(v));
	json_add(o, "tx", direction_object(&v->dir[ICBMSG_TX], &v->layout.tx, options));
	json_add(o, "rx", direction_object(&v->dir[ICBMSG_RX], &v->layout.rx, options));
	json_add(o, "endpoints", endpoints_array(v));
	json_add(o, "status", v->status ? state_object(v->status) : NULL);
	json_add(o, "records", v->status ? records_array(v->status) : NULL);
	if (v->no_status)
		tool_say("status: %s", v->no_status);
	ctl_print_json(o);
}
