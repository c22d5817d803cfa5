/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registering endpoints and waiting for them to be bound. The contracts are those of icbmsg.h.
 */
#ifndef ICBMSG_CORE_ENDPOINT_H
#define ICBMSG_CORE_ENDPOINT_H

#include "core/instance.h"

int endpoint_register(struct icbmsg *i, struct icbmsg_ept **out, const char *name,
		      const struct icbmsg_ept_callbacks *callbacks, void *user);
void endpoint_deregister(struct icbmsg_ept *ept);
int endpoint_wait_bound(struct icbmsg_ept *ept, int64_t timeout_ns);
bool endpoint_is_bound(struct icbmsg_ept *ept);

static inline struct session_ept *endpoint_session(const struct icbmsg_ept *ept)
{
	return &ept->link->session->ept[ept->slot];
}

/* Is it still the registration that a call began with? */
static inline bool endpoint_is_current(const struct icbmsg_ept *ept, uint32_t registration)
{
	return endpoint_session(ept)->registered && ept->registration == registration;
}

#endif
