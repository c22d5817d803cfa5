// SPDX-License-Identifier: Apache-2.0
/*
 * See lives.h.
 */
#include "lives.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/blocks.h"

/* Turns without progress after which the other side is rung again; there are no doorbells here. */
#define PATIENCE 6u

struct message {
	uint32_t life, session, number;
};

static void wrong(struct life *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct life *e, const char *format, ...)
{
	struct world *w = (struct world *)(uintptr_t)e->world;
	va_list ap;

	if (w->error[0])
		return;
	va_start(ap, format);
	vsnprintf(w->error, sizeof(w->error), format, ap);
	va_end(ap);
}

static void begin_session(struct life *e)
{
	e->bound = true;
	e->session++;
	e->sent = e->received = 0;
}

static void check(struct life *e, const void *data, uint32_t size)
{
	const struct message *m = data;
	uint64_t from = (uint64_t)m->life << 32 | m->session;

	if (size != sizeof(*m)) {
		wrong(e, "side %d: a message of %u bytes", e->side, size);
		return;
	}
	if (e->received == 0)
		e->from = from;
	if (from != e->from || m->number != e->received)
		wrong(e, "side %d: life %u session %u number %u, expected number %u of %llx",
		      e->side, m->life, m->session, m->number, e->received,
		      (unsigned long long)e->from);
	e->received++;
}

static struct message next_message(const struct life *e)
{
	return (struct message){ e->number, e->session, e->sent };
}

/* ------------------------------------------------------------------------------------------------
 * libicbmsg
 */

static void lib_event(struct life *e, const struct session_event *ev)
{
	const uint8_t *block = proto_rx_block(&e->link, ev->block);

	switch (ev->kind) {
	case EVENT_BOUND:
		begin_session(e);
		break;
	case EVENT_UNBOUND:
		e->bound = false;
		break;
	case EVENT_DATA:
		check(e, block + e->link.rx.header_size, e->s.rx[ev->block].size);
		e->s.rx[ev->block].pending = false;
		e->link.ops->release(&e->link, ev->block);
		break;
	default:
		break;
	}
}

static void lib_send(struct life *e)
{
	struct message m = next_message(e);
	int first = session_tx_take(&e->s, 1);

	if (first < 0)
		return;
	memcpy((uint8_t *)proto_tx_block(&e->link, (uint32_t)first) + e->link.tx.header_size, &m,
	       sizeof(m));
	if (e->link.ops->send(&e->link, 0, (uint32_t)first, sizeof(m)) == 0)
		e->sent++;
	else
		proto_free(&e->link, (uint32_t)first, 0);
}

static void lib_turn(struct life *e)
{
	struct session_event ev;

	e->in_pump = true;
	e->link.ops->pump(&e->link);
	if (e->s.phase == PHASE_LOST)
		e->link.ops->start(&e->link);
	e->in_pump = false;
	while (session_pop(&e->s, &ev))
		lib_event(e, &ev);
	if (e->bound && coop_random(2))
		lib_send(e);
}

static void lib_start(struct life *e)
{
	struct proto_link *l = &e->link;
	const struct world *w = e->world;

	memset(&e->s, 0, sizeof(e->s));
	*l = (struct proto_link){
		.ops = &proto_classic,
		.s = &e->s,
		.tx = w->region[e->side],
		.rx = w->region[!e->side],
		.type = MEM_NORMAL,
		.peer_is_library = w->told,
	};
	l->tx_begin = (uint8_t *)(uintptr_t)w->map + l->tx.begin;
	l->rx_begin = (uint8_t *)(uintptr_t)w->map + l->rx.begin;
	l->ops->init(l);
	session_register(&e->s, "ep0");
	l->ops->start(l);
	l->ops->register_ept(l, 0);
}

static void lib_run(struct life *e)
{
	uint32_t progress = 0;
	unsigned int idle = 0;

	lib_start(e);
	for (;;) {
		uint32_t now = e->link.ops->progress(&e->link);

		idle = now == progress && e->link.ops->unread(&e->link) ? idle + 1 : 0;
		progress = now;
		if (idle >= PATIENCE + coop_random(PATIENCE)) {
			e->link.ops->rescue(&e->link);
			idle = 0;
		}
		lib_turn(e);
		coop_idle();
	}
}

/* ------------------------------------------------------------------------------------------------
 * Zephyr
 */

static void fw_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	(void)fw;
	(void)ept;
	begin_session(user);
}

static bool fw_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	(void)fw;
	(void)ept;
	check(user, data, size);
	return false;
}

/* A library is between its look at the other side's magic and its first store of R.rd. */
static bool takes_magic(const struct life *e)
{
	return e->lives_as == LIBRARY && e->in_pump && e->s.phase == PHASE_SHAKING &&
	       !e->s.magic_consumed;
}

/*
 * Taken for granted (SESSIONS.md): Zephyr does not stop between zeroing its two indices, and does
 * not start while the library is just taking its predecessor's magic.
 */
static void fw_open(struct life *e)
{
	e->end.alone = true;
	if (takes_magic(&e->world->life[!e->side])) {
		firmware_open(&e->fw);
	} else {
		/* As firmware_open(), which goes on with the magic. */
		shm_store32((uint8_t *)e->fw.config.map + e->fw.config.tx.begin +
				    e->fw.config.tx.wr_idx,
			    0);
		shm_store32((uint8_t *)e->fw.config.map + e->fw.config.tx.begin +
				    e->fw.config.tx.rd_idx,
			    0);
		e->end.alone = false;
		coop_idle();
		firmware_open(&e->fw);
	}
	e->end.alone = false;
}

static void fw_run(struct life *e)
{
	const struct world *w = e->world;
	struct firmware_config config = {
		.map = (void *)(uintptr_t)w->map,
		.tx = w->region[e->side],
		.rx = w->region[!e->side],
		.bound = fw_bound,
		.received = fw_received,
		.user = e,
	};

	firmware_init(&e->fw, &config);
	fw_open(e);
	firmware_register(&e->fw, "ep0");
	for (;;) {
		struct message m;

		firmware_step(&e->fw);
		m = next_message(e);
		if (e->bound && coop_random(4) == 0 &&
		    firmware_send(&e->fw, "ep0", &m, sizeof(m)) > 0)
			e->sent++;
		coop_idle();
	}
}

/* ------------------------------------------------------------------------------------------------ */

static void live(void *arg)
{
	struct life *e = arg;
	struct world *w = (struct world *)(uintptr_t)e->world;

	e->lives_as = e->kind;
	e->number = ++w->lives;
	e->session = 0;
	e->bound = e->in_pump = false;
	e->sent = e->received = 0;
	if (e->lives_as == LIBRARY)
		lib_run(e);
	else
		fw_run(e);
}

void lives_begin(struct world *w)
{
	for (int side = 0; side < 2; side++) {
		struct life *e = &w->life[side];

		e->world = w;
		e->side = side;
		e->end.run = live;
		e->end.arg = e;
	}
	coop_start(&w->life[0].end, &w->life[1].end);
}

void lives_kill(struct world *w, int side)
{
	w->life[side].end.kill = true;
}

bool lives_talk(const struct world *w, uint32_t count)
{
	const struct life *a = &w->life[0], *b = &w->life[1];

	return a->bound && b->bound && a->received >= count && b->received >= count &&
	       a->from >> 32 == b->number && b->from >> 32 == a->number;
}

bool lives_held(const struct world *w, int side)
{
	const struct life *e = &w->life[side];

	return e->lives_as == LIBRARY && e->s.phase == PHASE_HOLDING;
}
