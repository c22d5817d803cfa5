// SPDX-License-Identifier: Apache-2.0
/*
 * Each way to order or touch shared memory as a function of its own, for barriers.bats to find in
 * the machine code; and all of the library that touches rings and blocks.
 */
#include "util/access.c"
#include "wire/blocks.c"
#include "wire/ring.c"

#define LOOK(type, name, parameters) \
	type look_##name parameters; \
	type look_##name parameters

LOOK(void, acquire, (void))
{
	barrier_acquire();
}

LOOK(void, release, (void))
{
	barrier_release();
}

LOOK(void, full, (void))
{
	barrier_full();
}

LOOK(uint32_t, load, (const void *p))
{
	return shm_load32(p);
}

LOOK(void, store, (void *p))
{
	shm_store32(p, 1);
}

LOOK(uint32_t, load_acquire, (const void *p))
{
	return shm_load32_acquire(p);
}

LOOK(void, store_release, (void *p))
{
	shm_store32_release(p, 1);
}

LOOK(bool, swap, (void *p))
{
	return shm_replace32(p, 1, 2, MEM_NORMAL);
}

LOOK(bool, replace_device, (void *p))
{
	return shm_replace32(p, 1, 2, MEM_DEVICE);
}

LOOK(bool, consume_device, (const struct ring *r))
{
	return ring_consume(r, 0, 4, MEM_DEVICE);
}

LOOK(bool, needs_doorbell, (const struct ring *r))
{
	return ring_needs_doorbell(r, 0);
}
