// SPDX-License-Identifier: Apache-2.0
/*
 * A view for people.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "ctl/inspect.h"
#include "ctl/records.h"
#include "ctl/state.h"

#define DUMP_LINE 16u
#define PAYLOAD_SHOWN 16u /* bytes of a packet that is no control message */

static void print_ring(const struct view_direction *d, const struct icbmsg_region_layout *l,
		       const char *name, const char *writer)
{
	const struct icbmsg_snapshot_ring *r = &d->ring;

	printf("\n%s region at 0x%" PRIx64 ", %" PRIu32 " bytes, written by %s\n", name, l->begin,
	       l->total, writer);
	if (!r->valid) {
		printf("  indices   read 0x%" PRIx32 ", write 0x%" PRIx32
		       ": not valid (multiples of 4 below %" PRIu32 ")\n",
		       r->rd_idx, r->wr_idx, l->ring_len);
		return;
	}
	printf("  indices   read %" PRIu32 ", write %" PRIu32 ": %" PRIu32 " of %" PRIu32
	       " bytes used, %" PRIu32 " free\n",
	       r->rd_idx, r->wr_idx, r->used, l->ring_len, r->space);
	printf("  magic     %s\n", d->magic ? "seen" : "not in the ring (any more)");
	if (r->damaged)
		printf("  damaged   what is pending is not packets up to the write index\n");
}

static void print_dump(const struct icbmsg_snapshot_buffer *b, uint32_t limit)
{
	uint32_t size = b->size < limit ? (uint32_t)b->size : limit;

	for (uint32_t line = 0; line < size; line += DUMP_LINE) {
		uint32_t n = size - line < DUMP_LINE ? size - line : DUMP_LINE;

		printf("            %04" PRIx32 " ", line);
		for (uint32_t i = 0; i < DUMP_LINE; i++)
			if (i < n)
				printf(" %02x", b->data[line + i]);
			else
				printf("   ");
		printf("  ");
		for (uint32_t i = 0; i < n; i++)
			putchar(b->data[line + i] < 0x7f && isprint(b->data[line + i]) ?
					b->data[line + i] :
					'.');
		putchar('\n');
	}
	if (b->size > size)
		printf("            ... %" PRIu64 " bytes more\n", b->size - size);
}

static void print_buffer(const struct view_packet *p)
{
	if (!p->has_buffer)
		printf(": the region has no such block");
	else if (!p->buffer.valid)
		printf(": %" PRIu64 " bytes would end outside the region", p->buffer.size);
	else if (p->reused)
		printf(": used again since");
	else
		printf(": %" PRIu64 " bytes", p->buffer.size);
}

static void print_payload(const struct icbmsg_snapshot_packet *p)
{
	for (uint32_t i = 0; i < p->size && i < PAYLOAD_SHOWN; i++)
		printf(" %02x", p->data[i]);
	if (p->size > PAYLOAD_SHOWN)
		printf(" ... (%" PRIu32 " bytes)", p->size);
}

static void print_packet(const struct view_packet *v, const struct inspect_options *options)
{
	const struct icbmsg_snapshot_packet *p = &v->packet;
	bool names = v->has_buffer || (p->control && (p->type == 0 || p->type == 2));

	printf("  %-8s  %6" PRIu32 "  %s", p->pending ? "pending" : "consumed", p->offset, v->kind);
	if (p->control ? p->type > 3 : !p->magic)
		print_payload(p);
	else if (p->control && p->type == 1)
		printf(" block %u", p->block);
	else if (p->control)
		printf(" endpoint %u block %u", p->ept, p->block);
	if (names)
		print_buffer(v);
	putchar('\n');
	if (names && v->has_buffer && v->buffer.valid && !v->reused && options->dump > 0)
		print_dump(&v->buffer, options->dump);
}

static void print_packets(const struct view_direction *d, const struct inspect_options *options)
{
	for (size_t n = 0; n < d->count; n++)
		if (d->packets[n].packet.pending || !options->pending)
			print_packet(&d->packets[n], options);
}

static void print_endpoints(const struct view *v)
{
	bool heading = false;

	for (unsigned int a = 0; a < ICBMSG_EPT_COUNT_MAX; a++) {
		const struct view_ept *e = &v->ept[a];

		if (!e->seen)
			continue;
		if (!heading)
			printf("\nendpoints seen\n");
		heading = true;
		printf("  %3u  %s%s\n", a, *e->name ? e->name : "(name not in memory any more)",
		       e->bound ? ", bound" : ", announced");
	}
}

void inspect_print_text(const struct view *v, const struct inspect_options *options)
{
	const struct view_direction *tx = &v->dir[ICBMSG_TX], *rx = &v->dir[ICBMSG_RX];

	printf("link: %s\n", view_state(v));
	printf("role of this side: %s\n", v->layout.initiator ? "initiator" : "follower");
	print_ring(tx, &v->layout.tx, "tx", "this side");
	print_packets(tx, options);
	print_ring(rx, &v->layout.rx, "rx", "the other side");
	print_packets(rx, options);
	print_endpoints(v);
	if (v->no_status)
		printf("\nstatus: %s\n", v->no_status);
	if (!v->status)
		return;
	putchar('\n');
	state_print(v->status, false);
	putchar('\n');
	records_print(v->status);
}
