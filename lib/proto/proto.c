// SPDX-License-Identifier: Apache-2.0
/*
 * What the wire generations share: their list, and complaints about the other side.
 */
#include "proto/proto.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct proto_ops *const generations[] = {
	&proto_classic,
};

const struct proto_ops *proto_find(const char *name)
{
	for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++)
		if (!strcmp(generations[i]->name, name))
			return generations[i];
	return NULL;
}

void proto_free(struct proto_link *l, uint32_t first, uint32_t keep)
{
	if (session_tx_shrink(l->s, first, keep))
		l->changed |= PROTO_FREED;
}

void proto_record(struct proto_link *l, enum recorder_direction dir, enum recorder_kind kind,
		  uint8_t type)
{
	recorder_add(&l->s->recorder, dir,
		     &(struct recorder_entry){ .time_ns = l->now_ns,
					       .generation = l->s->generation,
					       .kind = (uint8_t)kind,
					       .type = type });
}

_Static_assert(COUNTERS <= 64, "a bit for each in proto_link.complained");

void proto_complain(struct proto_link *l, uint64_t *counter, const char *format, ...)
{
	uint64_t bit = UINT64_C(1) << (counter - (uint64_t *)&l->s->count);
	char line[200];
	va_list ap;

	++*counter;
	if (l->complained & bit || !l->log)
		return;
	l->complained |= bit;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	l->log(l->log_user, line);
}
