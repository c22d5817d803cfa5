// SPDX-License-Identifier: Apache-2.0
/*
 * RLIMIT_NOFILE.
 */
#include "descriptors.h"

#include <sys/resource.h>

#include "log.h"
#include "quota.h"
#include "settings.h"

#define PER_INSTANCE 20u      /* epoll, timers, doorbells, memory, its sockets, REFUSED_KEPT */
#define ON_DEMAND 64u         /* endpoints that patterns may add */
#define PER_LIBRARY_CLIENT 8u /* socket, doorbell, memory twice, and four that the library makes */
#define CONTROL_AND_REST 80u  /* control connections, event loop, standard streams, reading files */

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

/* Share @available among clients: those that use libicbmsg get half at most. */
static void share(struct limits *l, rlim_t available)
{
	rlim_t library = available / 2 / PER_LIBRARY_CLIENT, clients;

	if (library < l->max_library)
		l->max_library = library > 0 ? (uint32_t)library : 1;
	clients = available - l->max_library * PER_LIBRARY_CLIENT;
	if (clients < l->max_clients)
		l->max_clients = clients > 0 ? (uint32_t)clients : 1;
}

void descriptors_provide(const struct settings *s, struct limits *l)
{
	rlim_t inside = needed_inside(s), all;
	struct rlimit limit;

	all = inside + l->max_clients + (rlim_t)l->max_library * PER_LIBRARY_CLIENT;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= all)
		return;
	limit.rlim_cur = all < limit.rlim_max ? all : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= all)
		return;
	share(l, limit.rlim_cur > inside + PER_LIBRARY_CLIENT ? limit.rlim_cur - inside :
								PER_LIBRARY_CLIENT);
	log_warning("max-clients and max-library-clients need %ju file descriptors, but this "
		    "process may have %ju: up to %u clients are served, and up to %u of these with "
		    "libicbmsg; raise LimitNOFILE, or lower these limits",
		    (uintmax_t)all, (uintmax_t)limit.rlim_cur, l->max_clients, l->max_library);
}
