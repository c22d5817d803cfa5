/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's configuration: its own sections, and for each instance what libicbmsg needs to open
 * it. Read whole, checked whole, and never changed afterwards: a reload reads another one and
 * compares.
 */
#ifndef ICBMSGD_SETTINGS_H
#define ICBMSGD_SETTINGS_H

#include <icbmsg.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "keys.h"
#include "common/names.h"

/** What happens to a message for a client whose backlog is full. */
enum policy {
	POLICY_DROP_OLDEST, /**< the client's oldest message makes room */
	POLICY_DROP_NEWEST, /**< this message is dropped */
	POLICY_DISCONNECT,  /**< the client is */
	POLICY_BLOCK,       /**< it is held: the other core runs out of blocks and waits */
};

enum on_unbound {
	UNBOUND_CLOSE, /**< clients get an end of file */
	UNBOUND_KEEP,  /**< clients stay and wait */
};

/** Whether privileges are given up. */
enum confine {
	CONFINE_AUTO, /**< as far as the kernel can */
	CONFINE_YES,  /**< or not start */
	CONFINE_NO,
};

/** Whether payloads of sockets go through io_uring. */
enum uring_wish {
	IO_URING_AUTO, /**< where the kernel has it, for as many as are worth it */
	IO_URING_YES,  /**< always, or not start */
	IO_URING_NO,
};

/** [daemon] */
struct daemon_settings {
	char rundir[KEY_PATH_SIZE];
	mode_t control_mode;
	uid_t control_owner;
	gid_t control_group; /**< -1: the daemon's own */
	uint32_t max_clients, max_clients_per_uid;
	uint64_t max_bytes, max_bytes_per_uid; /**< that wait for clients */
	uint32_t max_held, max_held_per_uid;   /**< received buffers that wait for clients */
	int64_t drain_timeout;                 /**< ns */
	unsigned int confine;                  /**< enum confine */
	unsigned int io_uring;                 /**< enum uring_wish */
	mode_t library_mode;                   /**< of the sockets for clients that use libicbmsg */
	uid_t library_owner;
	gid_t library_group;
	uint64_t library_region;     /**< bytes of memory for each direction, at least */
	uint64_t library_region_max; /**< bytes that a client can wish for */
	uint32_t max_library_clients, max_library_clients_per_uid;
	uint64_t max_library_bytes, max_library_bytes_per_uid; /**< of memory shared with them */
};

/** [endpoint INSTANCE/NAME] */
struct endpoint_settings {
	mode_t mode;
	uid_t owner; /**< -1: the daemon's own */
	gid_t group; /**< -1: the daemon's own */
	unsigned int policy;
	unsigned int exclusive;     /**< bool */
	unsigned int on_unbound;    /**< enum on_unbound */
	uint32_t hold_blocks;       /**< HOLD_AUTO: a quarter of the blocks there are */
	int64_t hold_time;          /**< ns */
	uint64_t backlog;           /**< bytes per client */
	uint64_t socket_buffer;     /**< bytes */
	char socket[KEY_PATH_SIZE]; /**< file name; "": made from the endpoint's */
};

#define HOLD_AUTO UINT32_MAX

struct endpoint_section {
	STAILQ_ENTRY(endpoint_section) next;
	char instance[64];
	char text[200];       /**< as written; a line of a file is not longer */
	char name[NAME_SIZE]; /**< unescaped */
	bool pattern;         /**< allows endpoints on demand */
	char *origin;         /**< of its first heading */
	struct key_texts texts;
	struct endpoint_settings values;
};

struct instance_section {
	STAILQ_ENTRY(instance_section) next;
	char name[64];
	struct icbmsg_config *cfg;
};

struct settings {
	struct key_texts texts; /**< of [daemon] */
	struct daemon_settings daemon;
	STAILQ_HEAD(, endpoint_section) endpoints;
	STAILQ_HEAD(, instance_section) instances;
};

/** Where settings come from, weakest first. */
struct settings_source {
	const char *path;      /**< of the main file */
	const char *directory; /**< its *.conf follow, in the order of their names */
	char *const *options;  /**< "KEY=VALUE" of [daemon], NULL-terminated, or NULL */
};

extern const struct key_table settings_daemon_keys, settings_endpoint_keys;

/**
 * Read everything. The caller frees *@out with settings_free().
 * Returns 0 or a negative errno with one line in @error: file, line, key, remedy.
 */
int settings_load(struct settings **out, const struct settings_source *source,
		  char error[ERROR_SIZE]);
void settings_free(struct settings *s);

struct instance_section *settings_find_instance(const struct settings *s, const char *name);

/** The section that exports an endpoint of this name: its own, or the first pattern. Or NULL. */
struct endpoint_section *settings_find_endpoint(const struct settings *s, const char *instance,
						const char *name);

/** The word for a policy in the configuration. */
const char *settings_policy_name(enum policy policy);

/** Print the configuration such that it can be read again, each value with its origin behind. */
void settings_print(const struct settings *s, FILE *out);

#endif
