// SPDX-License-Identifier: Apache-2.0
/*
 * See evil.h: what they do.
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/protocol.h"
#include "core/instance.h"
#include "core/wait.h"
#include "evil.h"
#include "icbmsg.h"
#include "wire/control.h"

#define SECOND INT64_C(1000000000)
#define PATIENCE (30 * SECOND)
#define A_WHILE 20000u /* rounds */

struct client {
	struct icbmsg *link;
	struct icbmsg_ept *ept;
	int fd; /* the connection */
	uint32_t random;
	bool hold;
	uint32_t wr; /* in our ring, once the library is not used any more */
};

static uint32_t rnd(struct client *c, uint32_t below)
{
	c->random = c->random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(c->random >> 8) * below >> 24);
}

static uint32_t rnd32(struct client *c)
{
	return rnd(c, 1 << 16) << 16 | rnd(c, 1 << 16);
}

static void report(void)
{
	fputc('.', stdout);
	fflush(stdout);
}

static void received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct client *c = user;
	struct icbmsg_rx rx;

	(void)ept;
	(void)size;
	if (c->hold)
		(void)icbmsg_hold_rx(c->link, data, &rx);
}

static void give_up(const char *why)
{
	fprintf(stderr, "evil: %s\n", why);
	exit(1);
}

/* The connection is the only socket of this process. */
static int find_connection(void)
{
	struct sockaddr_un peer;

	for (int fd = 3; fd < 64; fd++) {
		socklen_t size = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0)
			return fd;
	}
	give_up("no connection");
	return -1;
}

static void connect_client(struct client *c, const char *rundir)
{
	struct icbmsg_config *cfg;
	char path[128];

	snprintf(path, sizeof(path), "%s/ends" CLIENT_SOCKET_SUFFIX, rundir);
	if (icbmsg_config_new(&cfg) < 0)
		give_up("out of memory");
	if (icbmsg_connect(&c->link, cfg, path) < 0)
		give_up(icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	c->fd = find_connection();
}

static void bind_client(struct client *c, const char *name)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = received };

	if (icbmsg_ept_register(c->link, &c->ept, name, &callbacks, c) < 0)
		give_up("cannot register");
	if (icbmsg_ept_wait_bound(c->ept, PATIENCE) < 0)
		give_up("not bound");
}

/* The daemon is to look. It need not be reading. */
static void ring(struct client *c)
{
	const uint8_t packet = CLIENT_RING;

	(void)send(c->fd, &packet, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Do what a client does, for as long as that works; whatever comes of it. */
static void live(struct client *c)
{
	uint8_t data[2000];

	memset(data, (int)rnd(c, 256), sizeof(data));
	(void)icbmsg_send(c->ept, data, rnd(c, sizeof(data)), 0);
	(void)icbmsg_dispatch(c->link, 0);
}

/* ------------------------------------------------------------------------------------------------
 * Harm, one round of it
 */

static void scribble(struct client *c)
{
	struct memory *m = &c->link->memory;

	for (int i = 0; i < 16; i++)
		m->base[rnd(c, (uint32_t)m->size)] = (uint8_t)rnd(c, 256);
}

/* One bit of what lies in front: indices, rings, session words. */
static void flip(struct client *c)
{
	const struct proto_link *l = &c->link->link;
	bool ours = rnd(c, 2);
	uint8_t *begin = ours ? l->tx_begin : l->rx_begin;

	begin[rnd(c, ours ? l->tx.blocks_off : l->rx.blocks_off)] ^= (uint8_t)(1u << rnd(c, 8));
}

static uint32_t some_index(struct client *c, const struct ring *r)
{
	const uint32_t values[] = { 0,        4,          r->len - 4,          r->len,
				    rnd32(c), UINT32_MAX, rnd(c, r->len) & ~3u };

	return values[rnd(c, sizeof(values) / sizeof(values[0]))];
}

static void move_indices(struct client *c)
{
	struct ring *r = rnd(c, 2) ? &c->link->link.tx_ring : &c->link->link.rx_ring;

	shm_store32(rnd(c, 2) ? r->rd_idx : r->wr_idx, some_index(c, r));
}

/* A block claims to be longer than it can be, and is sent. */
static void lie_about_lengths(struct client *c)
{
	const struct proto_link *l = &c->link->link;
	uint32_t block = rnd(c, l->tx.block_count);
	uint8_t *header = l->tx_begin + l->tx.blocks_off + (size_t)block * l->tx.block_size;
	uint8_t packet[CONTROL_SIZE] = { CONTROL_DATA, 0, (uint8_t)block };

	shm_store32(header, rnd(c, 2) ? rnd32(c) : UINT32_MAX - rnd(c, 16));
	shm_store32(header + 4, rnd(c, 2) ? 0 : rnd32(c));
	(void)ring_put(&l->tx_ring, &c->wr, packet, sizeof(packet));
	ring_publish(&l->tx_ring, c->wr);
}

/* Releases of what was never ours, announcements, types that nobody knows, any length. */
static void send_packets(struct client *c)
{
	const struct ring *r = &c->link->link.tx_ring;
	uint8_t packet[RING_PACKET_MAX];
	uint32_t n = rnd(c, 4) ? CONTROL_SIZE : 1 + rnd(c, RING_PACKET_MAX);

	for (uint32_t i = 0; i < n; i++)
		packet[i] = (uint8_t)rnd(c, 256);
	packet[0] = (uint8_t)rnd(c, 5);
	if (rnd(c, 2))
		packet[1] = 0;
	(void)ring_put(r, &c->wr, packet, n);
	ring_publish(r, c->wr);
}

/* It starts anew all the time, as its session word and its indices say. */
static void restart(struct client *c)
{
	const struct proto_link *l = &c->link->link;

	if (l->tx_word)
		shm_store32(l->tx_word, rnd32(c));
	shm_store32(l->tx_ring.rd_idx, 0);
	shm_store32(l->tx_ring.wr_idx, 0);
	c->wr = 0;
	(void)ring_put(&l->tx_ring, &c->wr, control_magic, CONTROL_MAGIC_SIZE);
	ring_publish(&l->tx_ring, c->wr);
	shm_store32_release(l->rx_ring.rd_idx, ring_load_wr(&l->rx_ring));
}

/* Messages without end, in whatever blocks; nothing is read any more, doorbells least of all. */
static void flood(struct client *c)
{
	const struct proto_link *l = &c->link->link;
	uint8_t packet[CONTROL_SIZE] = { CONTROL_DATA, 0, (uint8_t)rnd(c, l->tx.block_count) };

	(void)ring_put(&l->tx_ring, &c->wr, packet, sizeof(packet));
	ring_publish(&l->tx_ring, c->wr);
}

/* As many packets that say nothing as there is room for, by all the rules; false if there is none. */
static bool put_fillers(struct client *c)
{
	const uint8_t packet[CONTROL_SIZE] = { 0x70 };
	const struct ring *r = &c->link->link.tx_ring;
	uint32_t before = c->wr;

	while (ring_put(r, &c->wr, packet, sizeof(packet)) == 0)
		;
	if (c->wr == before)
		return false;
	ring_publish(r, c->wr);
	if (ring_needs_doorbell(r, before))
		ring(c);
	return true;
}

/* Only fast: the ring never is empty, so that nobody rings, and all of it is to be read. */
static void hurry(struct client *c)
{
	int64_t end = clock_now() + PATIENCE;

	for (int n = 0; n < 10; n++)
		while (!put_fillers(c)) {
			if (clock_now() > end)
				give_up("the daemon has stopped reading");
			sched_yield();
		}
}

static void nothing(struct client *c)
{
	(void)c;
}

/* Keeps all that it gets. */
static void hoard(struct client *c)
{
	c->hold = true;
}

static void ask_for_endpoints(struct client *c)
{
	uint8_t packet[64] = { rnd(c, 4) ? CLIENT_REGISTER : CLIENT_DEREGISTER };
	int n = snprintf((char *)packet + 1, sizeof(packet) - 1, "evil%u", rnd(c, 8));

	(void)send(c->fd, packet, 1 + (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static const struct {
	const char *name;
	void (*round)(struct client *c);
	bool lives; /* a client's life goes on beside it */
} harm[] = {
	{ "scribble", scribble, true },     { "flip", flip, true },
	{ "indices", move_indices, true },  { "restart-alive", restart, true },
	{ "hoard", hoard, true },           { "lengths", lie_about_lengths, false },
	{ "packets", send_packets, false }, { "restart", restart, false },
	{ "flood", flood, false },          { "hurry", hurry, false },
	{ "ring", nothing, false },         { "ask", ask_for_endpoints, false },
};

const char *const evil_modes[] = { "scribble", "flip",    "indices", "restart-alive", "hoard",
				   "lengths",  "packets", "restart", "flood",         "hurry",
				   "ring",     "ask",     NULL };

/* The daemon may put it out, and then it comes back. */
static bool is_out(struct client *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void do_harm(struct client *c, size_t which)
{
	c->wr = shm_load32(c->link->link.tx_ring.wr_idx);
	report();
	for (uint32_t n = 0;; n++) {
		harm[which].round(c);
		if (harm[which].round != hurry)
			ring(c);
		if (harm[which].lives)
			live(c);
		if (n == A_WHILE)
			report();
		/* Not for those who live: their library connects again. */
		if (!harm[which].lives && n % 1024 == 0 && is_out(c))
			exit(0);
	}
}

/* ------------------------------------------------------------------------------------------------
 * Moments at which to be killed
 */

const char *const evil_moments[] = { "connected", "registered", "bound",   "taken", "sent",
				     "half-sent", "full",       "holding", NULL };

static void await_death(void)
{
	report();
	for (;;)
		pause();
}

static void take_buffer(struct client *c)
{
	size_t size = 0;
	void *data;

	if (icbmsg_get_tx_buffer(c->ept, &size, 0, &data) < 0)
		give_up("no buffer");
}

/* Laid in the ring, not published. */
static void send_half(struct client *c)
{
	c->wr = shm_load32(c->link->link.tx_ring.wr_idx);
	flood(c);
	shm_store32(c->link->link.tx_ring.wr_idx, 0);
}

static void fill(struct client *c)
{
	while (icbmsg_send(c->ept, "x", 1, 0) == 0)
		;
}

static void hold_some(struct client *c)
{
	c->hold = true;
	for (int came = 0; came < 8;) {
		(void)icbmsg_send(c->ept, "x", 1, 0);
		came += icbmsg_dispatch(c->link, PATIENCE) > 0;
	}
}

static void live_until(struct client *c, const char *moment, const char *endpoint)
{
	if (strcmp(moment, "connected") == 0)
		await_death();
	if (strcmp(moment, "registered") == 0) {
		if (icbmsg_ept_register(c->link, &c->ept, endpoint, NULL, NULL) < 0)
			give_up("cannot register");
		await_death();
	}
	bind_client(c, endpoint);
	if (strcmp(moment, "taken") == 0)
		take_buffer(c);
	else if (strcmp(moment, "sent") == 0)
		(void)icbmsg_send(c->ept, "x", 1, 0);
	else if (strcmp(moment, "half-sent") == 0)
		send_half(c);
	else if (strcmp(moment, "full") == 0)
		fill(c);
	else if (strcmp(moment, "holding") == 0)
		hold_some(c);
	await_death();
}

int evil_main(char **argv)
{
	static struct client c;
	const char *mode = argv[2];

	c.random = (uint32_t)strtoul(argv[5], NULL, 10);
	connect_client(&c, argv[3]);
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++)
		if (strcmp(mode, harm[i].name) == 0) {
			bind_client(&c, argv[4]);
			do_harm(&c, i);
		}
	live_until(&c, mode, argv[4]);
	return 0;
}
