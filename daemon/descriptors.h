/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A budget of file descriptors, so that running out of them is refused politely at the door and
 * never met inside.
 */
#ifndef ICBMSGD_DESCRIPTORS_H
#define ICBMSGD_DESCRIPTORS_H

#include <stdint.h>

struct settings;

/**
 * Raise the process's limit as far as it goes and set aside what links, endpoints and control
 * connections need.
 * Returns how many clients there can be, at most @wanted; says so if that is less.
 */
uint32_t descriptors_for_clients(const struct settings *s, uint32_t wanted);

#endif
