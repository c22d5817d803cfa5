/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flight recorder: the last control messages each way, in the session, so that what happened
 * can be read from a live link or after its owner has died.
 *
 * Each direction has a ring of its own, so that a flood of one cannot wash the other away; sequence
 * numbers give the order over both. An entry's number is stored last: one that was being written
 * when its owner died, or while it is being read, shows a number that does not fit its place.
 */
#ifndef ICBMSG_PROTO_RECORDER_H
#define ICBMSG_PROTO_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#define RECORDER_ENTRIES 256u /* per direction; a power of two */

enum recorder_direction {
	RECORDER_TX,
	RECORDER_RX,
	RECORDER_DIRECTIONS,
};

enum recorder_kind {
	RECORD_PACKET = 1, /* a control message */
	RECORD_ANNOUNCED,  /* TX: we announced ourselves */
	RECORD_MAGIC,      /* RX: the other side's announcement was read */
	RECORD_UP,         /* RX: the link came up */
	RECORD_LOST,       /* RX: the session was given up; `type` is an enum proto_reason */
};

struct recorder_entry {
	uint64_t number;  /* of all entries, from 1; 0 = never written */
	uint64_t time_ns; /* CLOCK_MONOTONIC, as coarse as the system's tick */
	uint32_t generation;
	uint32_t offset; /* in the ring's data */
	uint8_t kind;    /* enum recorder_kind */
	uint8_t type, ept, block;
	uint32_t size; /* bytes of the control message */
};

struct recorder {
	uint64_t count; /* entries ever written */
	uint64_t next[RECORDER_DIRECTIONS];
	struct recorder_entry entry[RECORDER_DIRECTIONS][RECORDER_ENTRIES];
};

/* Add @entry; its number is given here. */
static inline void recorder_add(struct recorder *r, enum recorder_direction dir,
				const struct recorder_entry *entry)
{
	struct recorder_entry *e = &r->entry[dir][r->next[dir] % RECORDER_ENTRIES];
	uint64_t number = r->count + 1;

	__atomic_store_n(&e->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	e->time_ns = entry->time_ns;
	e->generation = entry->generation;
	e->offset = entry->offset;
	e->kind = entry->kind;
	e->type = entry->type;
	e->ept = entry->ept;
	e->block = entry->block;
	e->size = entry->size;
	r->count = number;
	r->next[dir]++;
	__atomic_store_n(&e->number, number, __ATOMIC_RELEASE);
}

/*
 * Copy the newest @max entries of both directions (@dirs: which one each came from), oldest first.
 * @r may be changing, or be damaged. Returns how many.
 */
size_t recorder_read(const struct recorder *r, struct recorder_entry *entries, uint8_t *dirs,
		     size_t max);

#endif
