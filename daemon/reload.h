/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration again while everything runs: what can change live does, what cannot is
 * named.
 */
#ifndef ICBMSGD_RELOAD_H
#define ICBMSGD_RELOAD_H

#include "server.h"

enum change_kind {
	CHANGE_DONE,
	CHANGE_NEEDS_RESTART,
	CHANGE_FAILED,
	CHANGE_KINDS,
};

struct change {
	STAILQ_ENTRY(change) next;
	enum change_kind kind;
	char text[300];
};

STAILQ_HEAD(changes, change);

/**
 * Read the files again and apply them. If they are wrong nothing changes. Everything that happens is
 * logged, and is in @changes, to be freed with changes_clear().
 * Returns 0 or a negative errno with a text in @error.
 */
int reload(struct server *s, struct changes *changes, char error[ERROR_SIZE]);
void changes_clear(struct changes *changes);

#endif
