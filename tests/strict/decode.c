// SPDX-License-Identifier: Apache-2.0
#include "decode.h"

#include <string.h>

struct instruction {
	bool operand16, wide;         /* prefixes: 66, REX.W */
	bool lock, repeat, rex, high; /* REX is there; REX.R */
	uint8_t opcode, reg;          /* reg: ModRM's middle field */
};

static struct access load(unsigned int size)
{
	return (struct access){ ACCESS_LOAD, size };
}

static struct access store(unsigned int size)
{
	return (struct access){ ACCESS_STORE, size };
}

static struct access other(enum access_kind kind)
{
	return (struct access){ .kind = kind };
}

/* Of operations whose lowest opcode bit says whether the operand is more than a byte. */
static unsigned int operand(const struct instruction *i)
{
	if (i->wide)
		return 8;
	return i->operand16 ? 2 : 4;
}

static unsigned int operand_or_byte(const struct instruction *i)
{
	return i->opcode & 1 ? operand(i) : 1;
}

/* Returns where the opcode is. */
static const uint8_t *skip_prefixes(struct instruction *i, const uint8_t *p)
{
	for (;; p++) {
		switch (*p) {
		case 0x66:
			i->operand16 = true;
			break;
		case 0xf0:
			i->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			i->repeat = true;
			break;
		case 0x26: /* segments */
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x67: /* 32-bit addresses */
			break;
		default:
			if (*p >> 4 != 4)
				return p;
			i->rex = true; /* the last prefix */
			i->wide = *p & 8;
			i->high = *p & 4;
			return p + 1;
		}
	}
}

/* add, or, adc, sbb, and, sub, xor, cmp: to memory, from memory, or with an accumulator. */
static struct access arithmetic(const struct instruction *i)
{
	bool compare = i->opcode >> 3 == 7;

	switch (i->opcode & 7) {
	case 0:
	case 1:
		return compare ? load(operand_or_byte(i)) : other(ACCESS_MODIFY);
	case 2:
	case 3:
		return load(operand_or_byte(i));
	default:
		return other(ACCESS_UNKNOWN);
	}
}

/* Opcodes that share a byte and differ in ModRM's middle field. */
static struct access group(const struct instruction *i)
{
	switch (i->opcode) {
	case 0x80: /* the same with an immediate; 7: cmp */
	case 0x81:
	case 0x83:
		return i->reg == 7 ? load(operand_or_byte(i)) : other(ACCESS_MODIFY);
	case 0xf6: /* 2: not, 3: neg; test, mul, imul, div, idiv */
	case 0xf7:
		return i->reg == 2 || i->reg == 3 ? other(ACCESS_MODIFY) : load(operand_or_byte(i));
	case 0xfe: /* inc, dec */
		return other(ACCESS_MODIFY);
	case 0xff: /* inc, dec; near calls, jumps and push */
		if (i->reg < 2)
			return other(ACCESS_MODIFY);
		return i->reg % 2 == 0 ? load(8) : other(ACCESS_UNKNOWN);
	default:
		return other(ACCESS_UNKNOWN);
	}
}

static struct access one_byte(const struct instruction *i)
{
	switch (i->opcode) {
	case 0x00 ... 0x3f:
		return arithmetic(i);
	case 0x63: /* movsxd */
		return load(4);
	case 0x69: /* imul */
	case 0x6b:
		return load(operand(i));
	case 0x84: /* test */
	case 0x85:
	case 0x8a: /* mov */
	case 0x8b:
		return load(operand_or_byte(i));
	case 0x88:
	case 0x89:
	case 0xc6:
	case 0xc7:
		return store(operand_or_byte(i));
	case 0x86: /* xchg locks by itself */
	case 0x87:
	case 0xc0: /* shifts and rotations */
	case 0xc1:
	case 0xd0 ... 0xd3:
		return other(ACCESS_MODIFY);
	case 0xa4 ... 0xa7: /* movs, cmps */
	case 0xaa ... 0xaf: /* stos, lods, scas */
	case 0x6c ... 0x6f: /* ins, outs */
		return other(ACCESS_STRING);
	case 0xd8 ... 0xdf: /* x87 */
		return other(ACCESS_VECTOR);
	default:
		return group(i);
	}
}

/* Behind 0f. */
static struct access two_bytes(const struct instruction *i)
{
	switch (i->opcode) {
	case 0x40 ... 0x4f: /* cmov */
	case 0xa3:          /* bt with a register */
	case 0xaf:          /* imul */
	case 0xb8:          /* popcnt */
	case 0xbc:          /* bsf, tzcnt */
	case 0xbd:          /* bsr, lzcnt */
		return load(operand(i));
	case 0xb6: /* movzx, movsx */
	case 0xbe:
		return load(1);
	case 0xb7:
	case 0xbf:
		return load(2);
	case 0x90 ... 0x9f: /* setcc */
		return store(1);
	case 0xba: /* bt, bts, btr, btc with an immediate */
		return i->reg == 4 ? load(operand(i)) : other(ACCESS_MODIFY);
	case 0xa4: /* shld, shrd */
	case 0xa5:
	case 0xab: /* bts, shrd, cmpxchg, btr, btc, xadd, cmpxchg8b */
	case 0xac:
	case 0xad:
	case 0xb0:
	case 0xb1:
	case 0xb3:
	case 0xbb:
	case 0xc0:
	case 0xc1:
	case 0xc7:
		return other(ACCESS_MODIFY);
	case 0xc3: /* movnti */
		return store(operand(i));
	case 0x10 ... 0x17:
	case 0x28 ... 0x2f:
	case 0x50 ... 0x7f:
	case 0xc2:
	case 0xc4 ... 0xc6:
	case 0xd0 ... 0xff:
		return other(ACCESS_VECTOR);
	default:
		return other(ACCESS_UNKNOWN);
	}
}

/* Behind 0f 38: movbe among SIMD. */
static struct access three_bytes(const struct instruction *i)
{
	if (i->opcode == 0xf0)
		return load(operand(i));
	return i->opcode == 0xf1 ? store(operand(i)) : other(ACCESS_VECTOR);
}

struct access decode_access(const uint8_t *code)
{
	struct instruction i = { 0 };
	const uint8_t *p = skip_prefixes(&i, code);
	struct access (*decode)(const struct instruction *i) = one_byte;

	if (i.lock)
		return other(ACCESS_MODIFY);
	if (*p == 0xc4 || *p == 0xc5 || *p == 0x62) /* VEX, EVEX; in 64-bit code nothing else */
		return other(ACCESS_VECTOR);
	if (*p == 0x0f) {
		p++;
		decode = two_bytes;
		if (*p == 0x3a)
			return other(ACCESS_VECTOR);
		if (*p == 0x38) {
			p++;
			decode = three_bytes;
		}
	}
	i.opcode = p[0];
	i.reg = p[1] >> 3 & 7;
	return decode(&i);
}

/* The bytes of ModRM, SIB and displacement. */
static unsigned int address_length(const uint8_t *modrm)
{
	unsigned int mod = modrm[0] >> 6, rm = modrm[0] & 7;
	bool sib = rm == 4;
	unsigned int n = sib ? 2 : 1;

	if (mod == 1)
		return n + 1;
	if (mod == 2 || rm == 5 || (sib && (modrm[1] & 7) == 5))
		return n + 4;
	return n;
}

static uint64_t immediate(const uint8_t *p, unsigned int size)
{
	int32_t v = 0;

	if (size == 1)
		return *p;
	memcpy(&v, p, size == 2 ? 2 : 4);
	return (uint64_t)(int64_t)v;
}

static bool decode_opcode(struct move *m, const struct instruction *i, bool extended)
{
	switch (i->opcode | (extended ? 0x0f00 : 0)) {
	case 0x8a:
	case 0x8b:
		m->size = operand_or_byte(i);
		m->merges = m->size < 4 ? m->size : 0;
		return true;
	case 0xc6:
	case 0xc7:
		m->is_immediate = true;
		__attribute__((fallthrough));
	case 0x88:
	case 0x89:
		m->is_store = true;
		m->size = operand_or_byte(i);
		return true;
	case 0x0fb6: /* movzx */
	case 0x0fb7:
		m->size = i->opcode & 1 ? 2 : 1;
		return !i->operand16;
	default:
		return false;
	}
}

bool decode_move(struct move *out, const uint8_t *code)
{
	struct instruction i = { 0 };
	const uint8_t *p = skip_prefixes(&i, code);
	struct move m = { 0 };
	bool extended = *p == 0x0f;

	p += extended;
	i.opcode = *p++;
	if (i.lock || i.repeat || !decode_opcode(&m, &i, extended))
		return false;
	m.reg = (p[0] >> 3 & 7) + (i.high ? 8 : 0);
	if (m.size == 1 && !i.rex && m.reg >= 4 && !extended && !m.is_immediate)
		return false; /* ah, ch, dh, bh */
	p += address_length(p);
	if (m.is_immediate) {
		m.immediate = immediate(p, m.size);
		p += m.size < 4 ? m.size : 4;
	}
	m.length = (unsigned int)(p - code);
	*out = m;
	return true;
}
