/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icbmsgd's command line.
 */
#ifndef ICBMSGD_OPTIONS_H
#define ICBMSGD_OPTIONS_H

#include <stdbool.h>

#define OPTIONS_MAX 32u
#define OPTIONS_CONFIG ICBMSG_CONFIGDIR "/icbmsgd.conf"

struct options {
	const char *config;         /**< main file */
	char directory[512];        /**< conf.d beside it */
	char *set[OPTIONS_MAX + 1]; /**< KEY=VALUE of [daemon], NULL-terminated */
	bool check, print, verbose, banner;
};

/** Read the command line; ends the program for --help, --version and mistakes. */
void options_parse(struct options *o, int argc, char **argv);

#endif
