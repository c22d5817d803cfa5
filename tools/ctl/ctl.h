/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icbmsgctl is a table of commands, one file each.
 */
#ifndef ICBMSG_TOOLS_CTL_CTL_H
#define ICBMSG_TOOLS_CTL_CTL_H

struct ctl_command {
	const char *name;
	const char *summary; /**< one line for icbmsgctl --help */
	const char *help;    /**< all of icbmsgctl NAME --help */
	/** @argv[0] is the program's name. Returns the exit status. */
	int (*run)(const struct ctl_command *command, int argc, char **argv);
};

extern const struct ctl_command ctl_config;
extern const struct ctl_command ctl_layout;
extern const struct ctl_command ctl_inspect;
extern const struct ctl_command ctl_counters;
extern const struct ctl_command ctl_records;

/* Of a daemon. */
extern const struct ctl_command ctl_list;
extern const struct ctl_command ctl_stats;
extern const struct ctl_command ctl_clients;
extern const struct ctl_command ctl_reload;
extern const struct ctl_command ctl_export;

/** Print the command's help; returns the exit status. */
int ctl_help(const struct ctl_command *command);

/** Refuse what getopt(3) left over, if anything. */
void ctl_no_arguments(const struct ctl_command *command, int argc, char **argv);

struct json_object;

/** Print @o on one line and free it. */
void ctl_print_json(struct json_object *o);

#endif
