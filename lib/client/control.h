/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control protocol of icbmsgd: what icbmsgctl speaks, and any program may.
 *
 * The stream socket RUNDIR/CONTROL_SOCKET takes requests and gives answers, each a JSON object on
 * one line, one answer per request and in their order. Who may connect is a matter of the file's
 * owner, group and mode.
 *
 *     {"version":1,"command":"list"}
 *     {"version":1,"ok":true,"instances":[...]}
 *     {"version":1,"ok":false,"error":"what is wrong, on one line"}
 *
 * The version counts incompatible changes. A daemon refuses a request of another version and names
 * its own; members that a reader does not know are to be ignored in both directions.
 *
 * Commands and what their answers have besides "version" and "ok":
 *
 * "list"
 *     "instances": of each "name", "state" (icbmsg_link_state_name()), "initiator", "max_send" and
 *     "max_receive" (bytes), "restarts", "stalled", "library_socket" (a path), and "endpoints": of
 *     each "name", "socket" (a path), "bound", "clients", "library_clients" (of these), "exclusive",
 *     "policy", "blocking", "on_demand".
 * "stats"
 *     "instances": of each "name", "link" ("state", and what icbmsg_counter_info() names),
 *     "waiting" (clients that wait for blocks), "waits" (ever), and "endpoints": of each "name",
 *     "from_core" ("messages", "bytes", "empty", "no_client", "errors"),
 *     "delivery" (per client: "offered" = "queued" + the fates "delivered", "dropped_oldest",
 *     "dropped_newest", "abandoned", "stale", "oversize"; "bytes" delivered),
 *     "backlog" ("queued", "bytes", "held", "held_blocks", "blocking", "blocked"),
 *     "to_core" ("messages", "bytes", "empty", "oversize", "discarded", "unknown"),
 *     "clients" ("connected", "ever", "refused", "refused_busy"), "unbound".
 *     "limits": by the key of [daemon], "used", "max" and "refused".
 *     "io_uring": "used" (a bool), "operations" on sockets that went through it in so many
 *     "submissions", and "plain" ones that did not.
 * "clients"
 *     "clients": of each "id", "kind" ("socket", or "library": an endpoint of a program that uses
 *     libicbmsg), "instance", "endpoint", "pid", "uid", "state" ("connected", "receiving" only,
 *     "sending" only, "finishing"; of a library client "waiting" until both it and the other core
 *     have bound the endpoint), "waiting" (for blocks), "queued", "held", "bytes", "delivery",
 *     "to_core", and of a library client "connection".
 *     "connections" of library clients: of each "id", "instance", "pid", "uid", "endpoints" (how
 *     many), "memory" (bytes; 0 before its hello), "outstanding" (messages that the other core has
 *     not released), "waiting".
 * "reload"
 *     As SIGHUP. "changed", "needs_restart" and "failed": lists of lines. For root and the
 *     daemon's own user.
 * "export", with "instance" and "endpoint"
 *     Export an endpoint that a pattern of the configuration allows, if it is not exported yet.
 *     "socket": its path.
 */
#ifndef ICBMSG_CLIENT_CONTROL_H
#define ICBMSG_CLIENT_CONTROL_H

#define CONTROL_VERSION 1

/** Name of the socket in the rundir. */
#define CONTROL_SOCKET "control"

/** Bytes of a request, its newline included. Answers may have any size. */
#define CONTROL_REQUEST_MAX 4096u

#endif
