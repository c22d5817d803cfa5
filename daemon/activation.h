/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that systemd has opened for us (sd_listen_fds(3)): recognised by their paths.
 */
#ifndef ICBMSGD_ACTIVATION_H
#define ICBMSGD_ACTIVATION_H

/** Look at $LISTEN_FDS, once, before other descriptors are opened. Returns how many there are. */
int activation_init(void);

/**
 * A listening socket of @type that is bound to @path. The descriptor is the caller's.
 * Returns it, -ENOENT if there is none, or -EPROTOTYPE if the one that is there does not listen or is
 * of another type.
 */
int activation_take(const char *path, int type);

/** Warn about sockets that nothing in the configuration has taken, and close them. */
void activation_finish(void);

#endif
