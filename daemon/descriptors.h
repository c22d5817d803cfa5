/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A budget of file descriptors, so that running out of them is refused politely at the door and
 * never met inside.
 */
#ifndef ICBMSGD_DESCRIPTORS_H
#define ICBMSGD_DESCRIPTORS_H

struct limits;
struct settings;

/**
 * Raise the process's limit as far as it goes, set aside what links, endpoints and control
 * connections need, and lower the clients' limits in @l to what is left; says so if that is less.
 */
void descriptors_provide(const struct settings *s, struct limits *l);

#endif
