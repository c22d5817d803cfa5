// SPDX-License-Identifier: Apache-2.0
/*
 * Ringing by writing registers: of a mailbox, or of whatever interrupts the other side.
 */
#include "mem/doorbell_kind.h"

static int open_out(struct doorbell_out *out, const struct doorbell_out_spec *spec, char *error)
{
	struct registers *ring;
	int ret = registers_open(&ring, &spec->ring, spec->root, error);

	if (ret == 0)
		out->state = ring;
	return ret;
}

static void close_out(struct doorbell_out *out)
{
	registers_close(out->state);
}

static int ring(struct doorbell_out *out)
{
	registers_run(out->state);
	return 0;
}

const struct doorbell_out_ops doorbell_out_register = {
	.open = open_out,
	.close = close_out,
	.ring = ring,
};
