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

/* Turns for which a lost link rests at most, with back-off. */
#define REST_MAX 40u

struct message {
	uint32_t life, session, number, ept;
};

static const char *const names[LIVES_EPTS_MAX] = { "ep0", "ep1", "ep2" };

static struct world *world_of(const struct life *e)
{
	return (struct world *)(uintptr_t)e->world;
}

static void wrong(struct life *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct life *e, const char *format, ...)
{
	struct world *w = world_of(e);
	va_list ap;

	if (w->error[0])
		return;
	va_start(ap, format);
	vsnprintf(w->error, sizeof(w->error), format, ap);
	va_end(ap);
}

static void begin_session(struct life *e, uint32_t ept)
{
	struct talk *t = &e->talk[ept];

	*t = (struct talk){ .session = t->session + 1, .bound = true };
}

/* Who lived while memory was written into may be misheard. */
static bool is_excused(const struct life *e, const struct message *m)
{
	return e->world->corrupted && m->life < e->world->right_from;
}

static void check(struct life *e, uint32_t ept, const void *data, uint32_t size)
{
	const struct message *m = data;
	struct talk *t = &e->talk[ept];
	uint64_t from = (uint64_t)m->life << 32 | m->session;

	if (size != sizeof(*m)) {
		if (!e->world->corrupted)
			wrong(e, "side %d: a message of %u bytes", e->side, size);
		return;
	}
	if (t->received == 0)
		t->from = from;
	if (!is_excused(e, m) && (from != t->from || m->number != t->received || m->ept != ept))
		wrong(e, "side %d ept %u: life %u session %u number %u, expected number %u of %llx",
		      e->side, ept, m->life, m->session, m->number, t->received,
		      (unsigned long long)t->from);
	t->received++;
}

static struct message next_message(const struct life *e, uint32_t ept)
{
	return (struct message){ e->number, e->talk[ept].session, e->talk[ept].sent, ept };
}

/* Keep a received buffer for a while? */
static bool hold(struct life *e, const void *buffer)
{
	if (e->held_count == LIVES_HELD_MAX || coop_random(4) != 0)
		return false;
	e->held[e->held_count++] = buffer;
	return true;
}

/* The buffer that is to be released now, or NULL. */
static const void *unhold(struct life *e)
{
	return e->held_count > 0 && coop_random(4) == 0 ? e->held[--e->held_count] : NULL;
}

/* ------------------------------------------------------------------------------------------------
 * libicbmsg
 */

static void lib_release(struct life *e, const void *payload)
{
	const struct proto_link *l = &e->link;
	const uint8_t *first = proto_rx_block(l, 0);
	uint32_t block = (uint32_t)((const uint8_t *)payload - first) / l->rx.block_size;

	if (session_rx_done(&e->s, (uint8_t)block))
		e->link.ops->release(&e->link, block);
}

static void lib_event(struct life *e, const struct session_event *ev)
{
	const uint8_t *payload =
		(uint8_t *)proto_rx_block(&e->link, ev->block) + e->link.rx.header_size;

	switch (ev->kind) {
	case EVENT_BOUND:
		begin_session(e, ev->ept);
		break;
	case EVENT_UNBOUND:
		e->talk[ev->ept].bound = false;
		break;
	case EVENT_DATA:
		check(e, ev->ept, payload, e->s.rx[ev->block].size);
		if (!hold(e, payload))
			lib_release(e, payload);
		break;
	default:
		break;
	}
}

static void lib_send(struct life *e, uint32_t ept)
{
	struct message m = next_message(e, ept);
	int first = session_tx_take(&e->s, 1);

	if (first < 0)
		return;
	memcpy((uint8_t *)proto_tx_block(&e->link, (uint32_t)first) + e->link.tx.header_size, &m,
	       sizeof(m));
	if (e->link.ops->send(&e->link, (int)ept, (uint32_t)first, sizeof(m)) == 0)
		e->talk[ept].sent++;
	else
		proto_free(&e->link, (uint32_t)first, 0);
}

/* What was held is void with its session. */
static void forget_held(struct life *e)
{
	if (e->generation != e->s.generation)
		e->held_count = 0;
	e->generation = e->s.generation;
}

/* As the core does it: a lost link is announced again, with back-off after a while. */
static void lib_restart(struct life *e)
{
	if (e->s.phase != PHASE_LOST)
		return;
	if (e->retry > 0) {
		e->retry--;
		return;
	}
	e->link.ops->start(&e->link);
	e->retry = e->world->back_off ? coop_random(REST_MAX) : 0;
}

static void lib_turn(struct life *e)
{
	struct session_event ev;
	const void *payload;
	uint32_t ept = coop_random(e->world->epts);

	e->in_pump = true;
	e->link.ops->pump(&e->link);
	lib_restart(e);
	e->in_pump = false;
	forget_held(e);
	while (session_pop(&e->s, &ev)) {
		lib_event(e, &ev);
		forget_held(e);
	}
	payload = unhold(e);
	if (payload)
		lib_release(e, payload);
	if (e->talk[ept].bound && !e->world->quiet && coop_random(2))
		lib_send(e, ept);
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
	e->generation = e->s.generation;
	for (uint32_t i = 0; i < w->epts; i++)
		session_register(&e->s, names[i]);
	l->ops->start(l);
	for (uint32_t i = 0; i < w->epts; i++)
		l->ops->register_ept(l, (int)i);
}

/* Nothing of a closed end is written any more. */
static void lib_close(struct life *e)
{
	e->closing = false;
	e->link.ops->stop(&e->link);
	e->end.kill = true;
	for (;;)
		coop_idle();
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
		if (e->closing)
			lib_close(e);
		coop_idle();
	}
}

/* ------------------------------------------------------------------------------------------------
 * Zephyr
 */

static uint32_t fw_ept(const struct firmware_endpoint *ept)
{
	return (uint32_t)(ept->name[2] - '0');
}

static void fw_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	(void)fw;
	begin_session(user, fw_ept(ept));
}

static bool fw_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	(void)fw;
	check(user, fw_ept(ept), data, size);
	return hold(user, data);
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

static void fw_talk(struct life *e)
{
	uint32_t ept = coop_random(e->world->epts);
	struct message m = next_message(e, ept);
	const void *data = unhold(e);

	if (data)
		firmware_release(&e->fw, data);
	if (e->talk[ept].bound && !e->world->quiet && coop_random(4) == 0 &&
	    firmware_send(&e->fw, names[ept], &m, sizeof(m)) > 0)
		e->talk[ept].sent++;
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
	for (uint32_t i = 0; i < w->epts; i++)
		firmware_register(&e->fw, names[i]);
	for (;;) {
		firmware_step(&e->fw);
		fw_talk(e);
		coop_idle();
	}
}

/* ------------------------------------------------------------------------------------------------ */

static void live(void *arg)
{
	struct life *e = arg;

	e->lives_as = e->kind;
	e->number = ++world_of(e)->lives;
	memset(e->talk, 0, sizeof(e->talk));
	e->held_count = e->retry = 0;
	e->in_pump = e->closing = false;
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

void lives_close(struct world *w, int side)
{
	struct life *e = &w->life[side];

	if (e->number > 0 && e->lives_as == LIBRARY)
		e->closing = true;
	else
		lives_kill(w, side);
}

bool lives_talk(const struct world *w, uint32_t count)
{
	for (int side = 0; side < 2; side++)
		for (uint32_t i = 0; i < w->epts; i++) {
			const struct talk *t = &w->life[side].talk[i];

			if (!t->bound || t->received < count ||
			    t->from >> 32 != w->life[!side].number)
				return false;
		}
	return true;
}

static uint32_t blocks_taken(const struct life *e)
{
	uint32_t n = 0;

	if (e->lives_as == LIBRARY)
		return e->s.tx_used;
	for (uint32_t i = 0; i < e->fw.config.tx.block_count; i++)
		n += e->fw.used[i];
	return n;
}

/* The other side has read all that @e has written. */
static bool is_read(const struct life *e)
{
	const uint8_t *begin = e->world->map + e->world->region[e->side].begin;
	uint32_t rd, wr;

	memcpy(&rd, begin + e->world->region[e->side].rd_idx, sizeof(rd));
	memcpy(&wr, begin + e->world->region[e->side].wr_idx, sizeof(wr));
	return rd == wr;
}

bool lives_idle(const struct world *w)
{
	for (int side = 0; side < 2; side++) {
		const struct life *e = &w->life[side];

		if (blocks_taken(e) > 0 || e->held_count > 0 || !is_read(e))
			return false;
	}
	return true;
}

bool lives_held(const struct world *w, int side)
{
	const struct life *e = &w->life[side];

	return e->lives_as == LIBRARY && e->s.phase == PHASE_HOLDING;
}
