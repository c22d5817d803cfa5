// SPDX-License-Identifier: Apache-2.0
/*
 * Conclusions from packets and buffers of a snapshot.
 */
#include "ctl/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Control messages (protocol.md section 4). */
enum kind {
	KIND_DATA = 0,
	KIND_RELEASE_DATA = 1,
	KIND_BOUND = 2,
	KIND_RELEASE_BOUND = 3,
};

const char *view_type_name(uint8_t type)
{
	static const char *const names[] = { "DATA", "RELEASE_DATA", "BOUND", "RELEASE_BOUND" };

	return type <= KIND_RELEASE_BOUND ? names[type] : "unknown";
}

static const char *kind_name(const struct icbmsg_snapshot_packet *p)
{
	if (p->magic)
		return "magic";
	return p->control ? view_type_name(p->type) : "unknown";
}

static bool is(const struct icbmsg_snapshot_packet *p, enum kind kind)
{
	return p->control && p->type == kind;
}

static bool names_buffer(const struct icbmsg_snapshot_packet *p)
{
	return is(p, KIND_DATA) || is(p, KIND_BOUND);
}

static size_t count_packets(const struct icbmsg_snapshot *s, enum icbmsg_direction dir)
{
	struct icbmsg_snapshot_packet p;
	size_t n = 0;

	while (icbmsg_snapshot_get_packet(s, dir, n, &p) == 0)
		n++;
	return n;
}

/* Newest first: a block that a newer packet names holds that one's content. */
static void find_buffers(struct view_direction *d, const struct icbmsg_snapshot *s,
			 enum icbmsg_direction dir)
{
	bool named[256] = { false };

	for (size_t n = d->count; n-- > 0;) {
		struct view_packet *v = &d->packets[n];

		if (!names_buffer(&v->packet))
			continue;
		v->has_buffer = icbmsg_snapshot_get_buffer(s, dir, v->packet.block, &v->buffer) ==
				0;
		v->reused = named[v->packet.block];
		named[v->packet.block] = true;
	}
}

static int init_direction(struct view_direction *d, const struct icbmsg_snapshot *s,
			  enum icbmsg_direction dir)
{
	icbmsg_snapshot_get_ring(s, dir, &d->ring);
	d->count = count_packets(s, dir);
	d->packets = calloc(d->count ? d->count : 1, sizeof(*d->packets));
	if (!d->packets)
		return -ENOMEM;
	for (size_t n = 0; n < d->count; n++) {
		struct view_packet *v = &d->packets[n];

		icbmsg_snapshot_get_packet(s, dir, n, &v->packet);
		v->kind = kind_name(&v->packet);
		d->magic |= v->packet.magic;
		d->reader |= !v->packet.pending;
	}
	/* Both start at 0, where a ring comes by again, but not without leaving packets. */
	d->writer = d->ring.valid && (d->ring.wr_idx != 0 || d->count > 0);
	d->reader |= d->ring.valid && d->ring.rd_idx != 0;
	find_buffers(d, s, dir);
	return 0;
}

void view_escape(char out[VIEW_NAME_SIZE], const char *name, size_t length)
{
	char *at = out;

	for (size_t i = 0; i < length && i < ICBMSG_EPT_NAME_MAX; i++) {
		uint8_t c = (uint8_t)name[i];

		if (c >= ' ' && c < 0x7f && c != '\\')
			*at++ = (char)c;
		else
			at += sprintf(at, "\\x%02x", c);
	}
	*at = '\0';
}

/* A name as a BOUND buffer holds it, printable; false if this cannot be one. */
static bool read_name(char out[VIEW_NAME_SIZE], const struct icbmsg_snapshot_buffer *b)
{
	size_t size = b->size > ICBMSG_EPT_NAME_MAX ? ICBMSG_EPT_NAME_MAX + 1 : (size_t)b->size;
	size_t length = size ? strnlen((const char *)b->data, size) : 0;

	if (length == 0 || length == size)
		return false;
	for (size_t i = 0; i < length; i++)
		if (b->data[i] < ' ' || b->data[i] == 0x7f)
			return false;
	view_escape(out, (const char *)b->data, length);
	return true;
}

/* Only the initiator announces, and only its peer confirms: the rest does not name endpoints. */
static void see_ept(struct view *v, const struct view_packet *p, bool initiator)
{
	struct view_ept *e = &v->ept[p->packet.ept];
	char name[VIEW_NAME_SIZE];

	if (is(&p->packet, KIND_RELEASE_BOUND) || is(&p->packet, KIND_DATA)) {
		e->seen = true;
		e->bound |= !p->packet.pending;
	} else if (is(&p->packet, KIND_BOUND) && initiator) {
		e->seen = true;
		if (p->has_buffer && p->buffer.valid && !p->reused && read_name(name, &p->buffer))
			memcpy(e->name, name, sizeof(e->name));
	}
}

static void find_endpoints(struct view *v)
{
	for (int dir = ICBMSG_TX; dir <= ICBMSG_RX; dir++) {
		const struct view_direction *d = &v->dir[dir];
		bool initiator = v->layout.initiator == (dir == ICBMSG_TX);

		for (size_t n = 0; n < d->count; n++)
			if (d->packets[n].packet.ept < ICBMSG_EPT_COUNT_MAX)
				see_ept(v, &d->packets[n], initiator);
	}
}

int view_init(struct view *out, const struct icbmsg_snapshot *snapshot,
	      const struct icbmsg_layout *layout)
{
	int ret;

	*out = (struct view){ .layout = *layout };
	ret = init_direction(&out->dir[ICBMSG_TX], snapshot, ICBMSG_TX);
	if (ret == 0)
		ret = init_direction(&out->dir[ICBMSG_RX], snapshot, ICBMSG_RX);
	if (ret == 0)
		find_endpoints(out);
	else
		view_deinit(out);
	return ret;
}

void view_deinit(struct view *v)
{
	free(v->dir[ICBMSG_TX].packets);
	free(v->dir[ICBMSG_RX].packets);
	v->dir[ICBMSG_TX].packets = NULL;
	v->dir[ICBMSG_RX].packets = NULL;
}

const char *view_state(const struct view *v)
{
	const struct view_direction *tx = &v->dir[ICBMSG_TX], *rx = &v->dir[ICBMSG_RX];

	if (!tx->writer && !rx->writer)
		return "no side has announced itself";
	if (!rx->writer)
		return "this side is there, the other has not announced itself";
	if (!tx->writer)
		return "the other side is there, this one has not announced itself";
	if (!tx->reader && !rx->reader)
		return "both sides have announced themselves, none has read the other";
	if (!tx->reader)
		return "the other side has not read anything yet";
	if (!rx->reader)
		return "this side has not read anything yet";
	return "both sides have been there and have read each other";
}
