/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted of interrupts. Names, units and meanings are in core/counters.c.
 */
#ifndef ICBMSG_MEM_DOORBELL_COUNTERS_H
#define ICBMSG_MEM_DOORBELL_COUNTERS_H

#include <stdint.h>

struct doorbell_counters {
	uint64_t interrupts_merged, interrupt_storms, interrupt_timers, interrupts_gone;
};

#endif
