/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a snapshot of a link means: which packet is about which buffer, which endpoints have which
 * names, and who seems to be there. Everything comes from memory that may hold anything.
 */
#ifndef ICBMSG_TOOLS_CTL_VIEW_H
#define ICBMSG_TOOLS_CTL_VIEW_H

#include <icbmsg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of a name as it is printed: what is not ASCII or not printable becomes \xNN. */
#define VIEW_NAME_SIZE (4 * ICBMSG_EPT_NAME_MAX + 1)

struct view_packet {
	struct icbmsg_snapshot_packet packet;
	const char *kind; /**< "magic", "DATA", ... or "unknown" */
	bool has_buffer;  /**< DATA and BOUND: @buffer is what lies there now */
	bool reused;      /**< a later packet names the same block: not its content */
	struct icbmsg_snapshot_buffer buffer;
};

struct view_direction {
	struct icbmsg_snapshot_ring ring;
	struct view_packet *packets; /**< oldest first */
	size_t count;
	bool magic;  /**< among the packets */
	bool writer; /**< its writer has been there */
	bool reader; /**< its reader has consumed something */
};

struct view_ept {
	bool seen;
	bool bound;                /**< a packet shows that the binding is complete */
	char name[VIEW_NAME_SIZE]; /**< "" if it is nowhere any more */
};

struct view {
	struct icbmsg_layout layout;
	struct view_direction dir[2];              /**< by enum icbmsg_direction */
	struct view_ept ept[ICBMSG_EPT_COUNT_MAX]; /**< by endpoint address */

	/** What the side with a state-file knows; NULL if the configuration names none, or */
	struct icbmsg_status *status;
	const char *no_status; /**< why it could not be loaded; otherwise NULL */
};

/** The caller frees @out with view_deinit() before it frees @snapshot. Returns 0 or -ENOMEM. */
int view_init(struct view *out, const struct icbmsg_snapshot *snapshot,
	      const struct icbmsg_layout *layout);
void view_deinit(struct view *v);

/** Make @length bytes printable: what is not ASCII, or a backslash, becomes \\xNN. */
void view_escape(char out[VIEW_NAME_SIZE], const char *name, size_t length);

/** Name of a control message's type, "unknown" for one that has none. */
const char *view_type_name(uint8_t type);

/** A sentence about who seems to be there. */
const char *view_state(const struct view *v);

#endif
