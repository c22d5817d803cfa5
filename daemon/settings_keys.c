// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of [daemon] and [endpoint INSTANCE/NAME]; icbmsgd.conf(5) explains them.
 */
#include <stddef.h>

#include "settings.h"

#define COUNT_MAX 1000000u
#define BYTES_MAX (UINT64_C(1) << 40)
#define NS_PER_MINUTE UINT64_C(60000000000)

#define D(member) offsetof(struct daemon_settings, member)
#define E(member) offsetof(struct endpoint_settings, member)
#define A_SIZE "a size from 0 to 1024G; write for example 64M"
#define A_COUNT "a number from 1 to 1000000"
#define A_DURATION "a duration up to 1m with its unit (us, ms, s, m)"
#define A_MODE "an octal mode from 0 to 0777; write for example 0660"

static const char *const confine_choices[] = { "auto", "yes", "no", NULL };

static const struct key daemon_keys[] = {
	{ .name = "rundir",
	  .kind = KEY_PATH,
	  .field = D(rundir),
	  .fallback = ICBMSG_RUNDIR,
	  .form = "an absolute path of at most 99 bytes",
	  .fixed = true },
	{ .name = "control-mode",
	  .kind = KEY_MODE,
	  .field = D(control_mode),
	  .fallback = "0660",
	  .form = A_MODE },
	{ .name = "control-owner",
	  .kind = KEY_USER,
	  .field = D(control_owner),
	  .form = "a user this system knows; create it, or give its number" },
	{ .name = "control-group",
	  .kind = KEY_GROUP,
	  .field = D(control_group),
	  .form = "a group this system knows; create it, or give its number" },
	{ .name = "max-clients",
	  .kind = KEY_NUMBER,
	  .field = D(max_clients),
	  .min = 1,
	  .max = COUNT_MAX,
	  .fallback = "4096",
	  .form = A_COUNT },
	{ .name = "max-clients-per-uid",
	  .kind = KEY_NUMBER,
	  .field = D(max_clients_per_uid),
	  .min = 1,
	  .max = COUNT_MAX,
	  .fallback = "2048",
	  .form = A_COUNT },
	{ .name = "max-bytes",
	  .kind = KEY_SIZE,
	  .field = D(max_bytes),
	  .max = BYTES_MAX,
	  .fallback = "256M",
	  .form = A_SIZE },
	{ .name = "max-bytes-per-uid",
	  .kind = KEY_SIZE,
	  .field = D(max_bytes_per_uid),
	  .max = BYTES_MAX,
	  .fallback = "128M",
	  .form = A_SIZE },
	{ .name = "max-held",
	  .kind = KEY_NUMBER,
	  .field = D(max_held),
	  .max = COUNT_MAX,
	  .fallback = "1024",
	  .form = "a number from 0 to 1000000" },
	{ .name = "max-held-per-uid",
	  .kind = KEY_NUMBER,
	  .field = D(max_held_per_uid),
	  .max = COUNT_MAX,
	  .fallback = "1024",
	  .form = "a number from 0 to 1000000" },
	{ .name = "drain-timeout",
	  .kind = KEY_DURATION,
	  .field = D(drain_timeout),
	  .max = NS_PER_MINUTE,
	  .fallback = "5s",
	  .form = A_DURATION },
	{ .name = "confine",
	  .kind = KEY_CHOICE,
	  .field = D(confine),
	  .choices = confine_choices,
	  .fallback = "auto",
	  .form = "auto, yes or no",
	  .fixed = true },
};

static const char *const policies[] = { "drop-oldest", "drop-newest", "disconnect", "block", NULL };
static const char *const yes_no[] = { "no", "yes", NULL };
static const char *const unbound_actions[] = { "close", "keep", NULL };

static const struct key endpoint_keys[] = {
	{ .name = "mode", .kind = KEY_MODE, .field = E(mode), .fallback = "0660", .form = A_MODE },
	{ .name = "owner",
	  .kind = KEY_USER,
	  .field = E(owner),
	  .form = "a user this system knows; create it, or give its number" },
	{ .name = "group",
	  .kind = KEY_GROUP,
	  .field = E(group),
	  .form = "a group this system knows; create it, or give its number" },
	{ .name = "policy",
	  .kind = KEY_CHOICE,
	  .field = E(policy),
	  .choices = policies,
	  .fallback = "drop-oldest",
	  .form = "drop-oldest, drop-newest, disconnect or block" },
	{ .name = "exclusive",
	  .kind = KEY_CHOICE,
	  .field = E(exclusive),
	  .choices = yes_no,
	  .fallback = "no",
	  .form = "yes or no" },
	{ .name = "on-unbound",
	  .kind = KEY_CHOICE,
	  .field = E(on_unbound),
	  .choices = unbound_actions,
	  .fallback = "close",
	  .form = "close or keep" },
	{ .name = "hold-blocks",
	  .kind = KEY_NUMBER,
	  .field = E(hold_blocks),
	  .max = 256,
	  .form = "a number from 0 to 256" },
	{ .name = "hold-time",
	  .kind = KEY_DURATION,
	  .field = E(hold_time),
	  .min = 1000000,
	  .max = NS_PER_MINUTE,
	  .fallback = "100ms",
	  .form = "a duration from 1ms to 1m with its unit (ms, s, m)" },
	{ .name = "backlog",
	  .kind = KEY_SIZE,
	  .field = E(backlog),
	  .max = BYTES_MAX,
	  .fallback = "256k",
	  .form = A_SIZE },
	{ .name = "socket-buffer",
	  .kind = KEY_SIZE,
	  .field = E(socket_buffer),
	  .min = 2048,
	  .max = 1 << 30,
	  .fallback = "256k",
	  .form = "a size from 2k to 1G" },
	{ .name = "socket",
	  .kind = KEY_FILE,
	  .field = E(socket),
	  .form = "a file name of at most 99 bytes, without / and without . in front",
	  .fixed = true },
};

const char *settings_policy_name(enum policy policy)
{
	return policies[policy];
}

const struct key_table settings_daemon_keys = {
	.section = "daemon",
	.keys = daemon_keys,
	.count = sizeof(daemon_keys) / sizeof(*daemon_keys),
};

const struct key_table settings_endpoint_keys = {
	.section = "endpoint INSTANCE/NAME",
	.keys = endpoint_keys,
	.count = sizeof(endpoint_keys) / sizeof(*endpoint_keys),
};
