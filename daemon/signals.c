// SPDX-License-Identifier: Apache-2.0
/*
 * The event loop's frame.
 */
#include "signals.h"

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "client.h"
#include "confine.h"
#include "log.h"
#include "notify.h"
#include "reload.h"

#define NS_PER_S INT64_C(1000000000)
#define USEC_PER_S 1000000u
#define SIGNALS 3

static void on_stop(evutil_socket_t number, short what, void *user)
{
	struct server *s = user;

	(void)what;
	if (s->draining) {
		log_warning("stopping at once: %s again", strsignal((int)number));
		event_base_loopbreak(s->base);
		return;
	}
	log_info("stopping: %s", strsignal((int)number));
	notify("STOPPING=1");
	server_drain(s);
}

static void on_reload(evutil_socket_t number, short what, void *user)
{
	struct server *s = user;
	struct changes changes;
	char error[ERROR_SIZE];
	int ret;

	(void)number;
	(void)what;
	if (s->draining)
		return;
	notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_now() / 1000);
	ret = reload(s, &changes, error);
	if (ret < 0)
		log_error("reload: nothing changes: %s%s", error, confine_hint(ret));
	else if (STAILQ_EMPTY(&changes))
		log_info("reload: nothing has changed");
	changes_clear(&changes);
	notify("READY=1");
}

static void on_watchdog(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	(void)user;
	notify_alive();
}

static struct event *watch_dog(struct server *s)
{
	uint64_t usec = notify_watchdog_usec() / 2;
	struct timeval interval = { .tv_sec = (time_t)(usec / USEC_PER_S),
				    .tv_usec = (suseconds_t)(usec % USEC_PER_S) };
	struct event *ev = usec > 0 ? event_new(s->base, -1, EV_PERSIST, on_watchdog, s) : NULL;

	if (ev)
		event_add(ev, &interval);
	return ev;
}

/* What sockets have to say is collected in a turn of the loop, and read at its end. */
static void run_loop(struct server *s)
{
	int ret = 0;

	while (ret == 0 && !event_base_got_break(s->base)) {
		ret = event_base_loop(s->base, EVLOOP_ONCE);
		client_take_turns(s);
	}
}

void serve(struct server *s, bool banner)
{
	struct event *events[SIGNALS] = {
		evsignal_new(s->base, SIGTERM, on_stop, s),
		evsignal_new(s->base, SIGINT, on_stop, s),
		evsignal_new(s->base, SIGHUP, on_reload, s),
	};
	struct event *dog = watch_dog(s);

	for (int n = 0; n < SIGNALS; n++)
		event_add(events[n], NULL);
	notify("READY=1");
	log_info("ready");
	if (banner)
		tool_banner("icbmsgd: ready: %s", s->settings->daemon.rundir);
	run_loop(s);
	for (int n = 0; n < SIGNALS; n++)
		event_free(events[n]);
	if (dog)
		event_free(dog);
}
