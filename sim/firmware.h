/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for Zephyr firmware: one end of a classic ICBMSG link that writes the bytes Zephyr
 * writes, with Zephyr's faults (protocol.md section 9), so that libicbmsg can be tried against what
 * runs in the field without a board. It is *not* a model of a good peer.
 *
 * A plain object over memory that the caller mapped: no threads, no descriptors, no heap. The
 * caller delivers doorbells by calling firmware_pump() (or firmware_step() in a loop of its own).
 * A restart of the firmware is a new object, initialised and opened on the same memory.
 *
 * Errors are negative errno values; they are the ones Zephyr's code returns.
 */
#ifndef ICBMSG_SIM_FIRMWARE_H
#define ICBMSG_SIM_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/layout.h"

#define FIRMWARE_ENDPOINTS_MAX 254u
#define FIRMWARE_ENDPOINTS_DEFAULT 8u /* what the recorded scenarios were built with */
#define FIRMWARE_NAME_SIZE 64u        /* with the NUL */

struct firmware;

/* The numbers are those of the recorded state reports. */
enum firmware_link {
	FIRMWARE_LINK_OFF = 0,
	FIRMWARE_LINK_OPENING = 1, /* magic written, the peer's not seen */
	FIRMWARE_LINK_BOUND = 5,
};

enum firmware_ept_state {
	FIRMWARE_EPT_NONE = 0,       /* slot unused, or announcing it failed */
	FIRMWARE_EPT_CONFIGURED = 1, /* registered here, not heard of by or from the peer */
	FIRMWARE_EPT_BOUNDING = 2,   /* initiator: announced, not answered */
	FIRMWARE_EPT_READY = 3,
};

struct firmware_endpoint {
	char name[FIRMWARE_NAME_SIZE];
	enum firmware_ept_state state;
	bool deregistered; /* the binding stays; registering the name again revives it */
	uint8_t address;
	unsigned int bound_count; /* bound callbacks so far */
	void *user;               /* the caller's, never touched here */
};

struct firmware_config {
	void *map;               /* the mapping, aligned to 4 at least */
	struct layout_region tx; /* begin = offset in @map */
	struct layout_region rx;
	unsigned int num_ep; /* Zephyr's build option: 1 to 254, 0 = default */

	/* Callbacks, each may be NULL. They may call every function below but step and pump. */
	void (*ring)(void *user);
	void (*bound)(struct firmware *fw, struct firmware_endpoint *ept, void *user);
	/* Return true to hold the buffer: firmware_release() must then follow, any time later. */
	bool (*received)(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			 uint32_t size, void *user);
	void *user; /* handed to all of them */
};

struct firmware_counters {
	uint64_t errors;   /* what Zephyr would have logged as an error */
	uint64_t rings;    /* doorbells rung */
	uint64_t packets;  /* control packets consumed, magic included */
	uint64_t sent;     /* data messages */
	uint64_t received; /* data messages delivered */
};

/* Members are for reading by tests; only the functions below change them. */
struct firmware {
	struct firmware_config config;
	bool initiator;
	enum firmware_link link;
	uint32_t tx_wr; /* private indices: never read back from shared memory */
	uint32_t rx_rd;
	bool used[LAYOUT_BLOCKS_MAX];                         /* own blocks taken */
	struct firmware_endpoint ept[FIRMWARE_ENDPOINTS_MAX]; /* in order of registration */
	unsigned int ept_count;
	int16_t parked[FIRMWARE_ENDPOINTS_MAX]; /* follower: block of a waiting BOUND, or -1 */
	struct firmware_counters counters;
};

/* Copies @config. Touches no shared memory. -EINVAL if num_ep is out of range. */
int firmware_init(struct firmware *fw, const struct firmware_config *config);

/* Zero the two indices of the own region, write the magic, ring once. -EALREADY if open. */
int firmware_open(struct firmware *fw);

/*
 * Register a name, early or late. Initiator: takes the next address and announces it once the link
 * is bound. A deregistered name is bound again at once. -EALREADY, -ENOMEM (num_ep reached),
 * -EINVAL (name empty or longer than FIRMWARE_NAME_SIZE - 1).
 */
int firmware_register(struct firmware *fw, const char *name);

/* Local only, nothing goes over the wire. -ENOENT for a name never registered. */
int firmware_deregister(struct firmware *fw, const char *name);

/* The endpoint of that name in whatever state, or NULL. */
struct firmware_endpoint *firmware_find(struct firmware *fw, const char *name);

/*
 * Send a copy. Returns @size, -ENOENT (not bound), or -ENOMEM (no run of free blocks: try again
 * when a pump has freed some). Size 0 does what Zephyr does: it takes every free block of the first
 * run and frees none but the first ever again.
 */
int firmware_send(struct firmware *fw, const char *name, const void *data, uint32_t size);

/*
 * Take blocks to fill in place: at least @size bytes, 0 = the whole first free run. *@data and
 * *@got (capacity of the blocks taken) are written on success. -ENOMEM when there is no such run.
 */
int firmware_alloc(struct firmware *fw, uint32_t size, void **data, uint32_t *got);

/*
 * Send @size bytes that were written at @data, which firmware_alloc() gave; what is beyond them is
 * freed. Returns 3 (a control packet's length, as Zephyr does), -ENOENT (not bound; the buffer
 * stays the caller's), -EINVAL (@size is beyond the buffer).
 */
int firmware_send_nocopy(struct firmware *fw, const char *name, void *data, uint32_t size);

/* Give blocks of firmware_alloc() back unsent. */
int firmware_drop(struct firmware *fw, void *data);

/* Release a held receive buffer by the pointer that the callback got. 0 or an error. */
int firmware_release(struct firmware *fw, const void *data);

/* Send any bytes as a control packet. Returns @size; -EBUSY if the link is not bound. */
int firmware_raw_control(struct firmware *fw, const void *packet, uint32_t size);

/* A data message whose header claims @claimed bytes (0 = @size), for an address, bound or not. */
int firmware_raw_data(struct firmware *fw, uint8_t address, const void *data, uint32_t size,
		      uint32_t claimed);

/* Ring the doorbell for nothing. */
void firmware_ring(struct firmware *fw);

/*
 * One work item: handle at most one packet. Returns false if there was none to read (or the link is
 * not open); after true the caller is to step again before it sleeps.
 */
bool firmware_step(struct firmware *fw);

/* What one doorbell causes: steps until nothing is left. Returns how many packets it took. */
unsigned int firmware_pump(struct firmware *fw);

/* Own blocks taken at the moment. */
unsigned int firmware_used_blocks(const struct firmware *fw);

/*
 * The state as the recorded scenarios print it, one line of JSON without newline. Returns the
 * length, or -ENOSPC if @size is too small.
 */
int firmware_report(const struct firmware *fw, char *out, size_t size);

#endif
