// SPDX-License-Identifier: Apache-2.0
/*
 * RLIMIT_NOFILE.
 */
#include "descriptors.h"

#include <sys/resource.h>

#include "log.h"
#include "settings.h"

#define PER_INSTANCE 10u     /* epoll, timers, doorbells, memory, its sockets */
#define ON_DEMAND 64u        /* endpoints that patterns may add */
#define CONTROL_AND_REST 80u /* control connections, event loop, standard streams, reading files */

static rlim_t needed_inside(const struct settings *s)
{
	const struct endpoint_section *e;
	const struct instance_section *i;
	rlim_t n = CONTROL_AND_REST;

	STAILQ_FOREACH(i, &s->instances, next)
		n += PER_INSTANCE;
	STAILQ_FOREACH(e, &s->endpoints, next)
		n += e->pattern ? ON_DEMAND : 1;
	return n;
}

uint32_t descriptors_for_clients(const struct settings *s, uint32_t wanted)
{
	rlim_t inside = needed_inside(s), all = inside + wanted;
	struct rlimit limit;
	uint32_t possible;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= all)
		return wanted;
	limit.rlim_cur = all < limit.rlim_max ? all : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= all)
		return wanted;
	possible = limit.rlim_cur > inside + 1 ? (uint32_t)(limit.rlim_cur - inside) : 1;
	log_warning("max-clients = %u needs %ju file descriptors, but this process may have %ju: "
		    "at most %u clients; raise LimitNOFILE, or lower max-clients",
		    wanted, (uintmax_t)all, (uintmax_t)limit.rlim_cur, possible);
	return possible;
}
