/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is needed to open an instance, key by key or from a section of a file (icbmsg.conf(5)).
 * config_new() to config_error() are the functions of the same name in icbmsg.h.
 */
#ifndef ICBMSG_CORE_CONFIG_H
#define ICBMSG_CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "icbmsg.h"
#include "mem/doorbell.h"
#include "mem/memory.h"
#include "wire/layout.h"

#define CONFIG_ERROR_SIZE 512u
#define CONFIG_NAME_SIZE 64u
#define CONFIG_PATH_SIZE 256u

struct config_region {
	uint64_t offset, size; /* in the mapping */
	uint64_t address;      /* as the firmware sees it; = offset unless given */
};

/* dt:FILE[:NODE] */
struct config_dt_source {
	char file[CONFIG_PATH_SIZE];
	char node[CONFIG_PATH_SIZE]; /* "": the only one */
};

/* The values of a complete configuration, checked one by one and against each other. */
struct config_values {
	struct memory_spec memory;
	struct doorbell_spec doorbell;
	struct config_region tx, rx;
	struct layout_geometry tx_geometry, rx_geometry;
	struct layout_region tx_layout, rx_layout;
	int64_t rescue_interval_ns;        /* 0 = never */
	int64_t spin_ns;                   /* 0 = do not */
	char state_file[CONFIG_PATH_SIZE]; /* "" for none */
	bool peer_is_library;              /* told so: never Zephyr */
	struct config_dt_source geometry;
	bool geometry_peer;          /* it describes the other side */
	char wire[16];               /* name of the wire generation */
	char name[CONFIG_NAME_SIZE]; /* of the instance; "" if it came key by key */
};

int config_new(struct icbmsg_config **cfg);
void config_free(struct icbmsg_config *cfg);
int config_load(struct icbmsg_config *cfg, const char *path, const char *instance);
int config_set(struct icbmsg_config *cfg, const char *key, const char *value);
const char *config_get(const struct icbmsg_config *cfg, const char *key);
const char *config_error(const struct icbmsg_config *cfg);
int config_scan(struct icbmsg_config *cfg, const char *path, icbmsg_config_item_fn fn, void *user);
const char *config_origin(const struct icbmsg_config *cfg, const char *key);
const char *config_remarks(const struct icbmsg_config *cfg);
const char *config_key_name(unsigned int n, const char **fallback);

/* For tests: take the folder @root for "/" where devices are looked for. It outlives @cfg. */
void config_set_root(struct icbmsg_config *cfg, const char *root);

/*
 * All values with defaults filled in. Layouts only: memory and doorbell may be missing and blocks
 * may be too small for their header (for icbmsgctl layout).
 * Returns 0 or -EINVAL with the text in the configuration's error.
 */
int config_resolve(struct icbmsg_config *cfg, struct config_values *out, bool layout_only);

/* Of the instance section that was loaded last; "" if there is none. */
const char *config_name(const struct icbmsg_config *cfg);

/* Record the text that config_error() returns; passes @ret through. */
int config_fail(struct icbmsg_config *cfg, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
