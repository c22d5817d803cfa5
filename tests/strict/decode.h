/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an x86-64 instruction accesses its memory operand: as much of a decoder as tells the accesses
 * that device memory bears from those that it does not (Intel's manual, volume 2, appendix A).
 */
#ifndef ICBMSG_TESTS_STRICT_DECODE_H
#define ICBMSG_TESTS_STRICT_DECODE_H

#include <stdbool.h>
#include <stdint.h>

enum access_kind {
	ACCESS_UNKNOWN, /* not decoded: to be added, not to be guessed at */
	ACCESS_LOAD,
	ACCESS_STORE,
	ACCESS_MODIFY, /* read-modify-write, locked or not */
	ACCESS_STRING, /* movs, stos, ...: any number of accesses, of a width that is not told */
	ACCESS_VECTOR, /* SIMD and x87: as wide as the CPU likes */
};

struct access {
	enum access_kind kind;
	unsigned int size; /* bytes of a LOAD or STORE, else 0 */
};

/* @code: an instruction that has accessed memory other than its own and the stack. */
struct access decode_access(const uint8_t *code);

/* A plain move of up to 8 bytes between memory and a register, or of an immediate to memory. */
struct move {
	bool is_store, is_immediate;
	unsigned int size;   /* bytes in memory */
	unsigned int merges; /* LOAD: 1 or 2 if the register's other bytes stay, 0: they become 0 */
	unsigned int reg;    /* 0 to 15, as instructions count: rax, rcx, rdx, rbx, rsp, ... */
	uint64_t immediate;
	unsigned int length; /* of the instruction */
};

/* False if the instruction at @code is something else, or a move that is not worth decoding. */
bool decode_move(struct move *out, const uint8_t *code);

#endif
