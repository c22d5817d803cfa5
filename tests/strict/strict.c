// SPDX-License-Identifier: Apache-2.0
#include "strict.h"

#include "decode.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__

#define RANGES_MAX 16u
#define TRAP_FLAG 0x100 /* EFLAGS.TF: trap behind the next instruction */

struct range {
	uint8_t *pages; /* NULL: not in use */
	size_t length;
	unsigned int limit;
	uint8_t *alias; /* the same memory, open */
};

/* Read by the handlers of any thread; a slot is written before it is published by its pages. */
static struct range ranges[RANGES_MAX];
static uint64_t counts[9];
static struct sigaction old_segv;

/* What this thread's step has opened. */
static __thread struct range *stepping;

static struct range *find(const uint8_t *address)
{
	uint8_t *pages;
	size_t i;

	for (i = 0; i < RANGES_MAX; i++) {
		pages = __atomic_load_n(&ranges[i].pages, __ATOMIC_ACQUIRE);
		if (pages && address >= pages && address < pages + ranges[i].length)
			return &ranges[i];
	}
	return NULL;
}

static const char *judge(const struct access *a, const uint8_t *address, unsigned int limit)
{
	switch (a->kind) {
	case ACCESS_LOAD:
	case ACCESS_STORE:
		if ((uintptr_t)address % a->size)
			return "is not aligned";
		return a->size > limit ? "is too wide" : NULL;
	case ACCESS_MODIFY:
		return "reads, modifies and writes";
	case ACCESS_STRING:
		return "is a string instruction";
	case ACCESS_VECTOR:
		return "is SIMD or x87";
	default:
		return "is not known to tests/strict/decode.c: add it there";
	}
}

/* The process ends here, from a signal handler: write(2) and nothing of stdio's. */
static void condemn(const struct range *r, const struct access *a, const uint8_t *address,
		    const uint8_t *code, const char *why)
{
	char line[200];
	int n, i;

	n = snprintf(line, sizeof(line),
		     "strict: the access of %u bytes at offset 0x%zx %s; rip %p:", a->size,
		     (size_t)(address - r->pages), why, (const void *)code);
	for (i = 0; i < 12 && n < (int)sizeof(line) - 4; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %02x", code[i]);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(1);
	_exit(STRICT_EXIT);
}

static uint64_t load(const uint8_t *from, unsigned int size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)from;
	case 2:
		return *(const volatile uint16_t *)(const void *)from;
	case 4:
		return *(const volatile uint32_t *)(const void *)from;
	default:
		return *(const volatile uint64_t *)(const void *)from;
	}
}

static void store(uint8_t *to, unsigned int size, uint64_t v)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)to = (uint8_t)v;
		break;
	case 2:
		*(volatile uint16_t *)(void *)to = (uint16_t)v;
		break;
	case 4:
		*(volatile uint32_t *)(void *)to = (uint32_t)v;
		break;
	default:
		*(volatile uint64_t *)(void *)to = v;
		break;
	}
}

/* Do a plain move in the instruction's place, which spares the step. False: not one. */
static bool emulate(const uint8_t *code, uint8_t *memory, greg_t *regs)
{
	static const int order[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				     REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
				     REG_R12, REG_R13, REG_R14, REG_R15 };
	struct move m;
	greg_t *reg;

	if (!decode_move(&m, code))
		return false;
	reg = &regs[order[m.reg]];
	if (m.is_store)
		store(memory, m.size, m.is_immediate ? m.immediate : (uint64_t)*reg);
	else if (m.merges)
		memcpy(reg, &(uint64_t){ load(memory, m.size) }, m.merges);
	else
		*reg = (greg_t)load(memory, m.size);
	regs[REG_RIP] += m.length;
	return true;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const uint8_t *address = info->si_addr;
	ucontext_t *uc = context;
	const uint8_t *code = (const uint8_t *)uc->uc_mcontext.gregs[REG_RIP];
	struct range *r = find(address);
	int saved = errno;
	struct access a;
	const char *why;

	(void)sig;
	if (!r) {
		sigaction(SIGSEGV, &old_segv, NULL); /* a fault like any other: it comes again */
		return;
	}
	a = decode_access(code);
	why = judge(&a, address, r->limit);
	if (why)
		condemn(r, &a, address, code, why);
	if (!stepping) /* else another thread has closed the pages under us: counted already */
		__atomic_fetch_add(&counts[a.size], 1, __ATOMIC_RELAXED);
	if (!stepping && emulate(code, r->alias + (address - r->pages), uc->uc_mcontext.gregs))
		return;
	stepping = r;
	mprotect(r->pages, r->length, PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	errno = saved;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	int saved = errno;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	if (stepping && stepping->pages)
		mprotect(stepping->pages, stepping->length, PROT_NONE);
	stepping = NULL;
	errno = saved;
}

/* At every guard: cmocka sets handlers of its own before each test. */
static void install(void)
{
	struct sigaction segv = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	struct sigaction trap = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	struct sigaction old;

	/* Nothing may come between an instruction and its step. */
	sigfillset(&segv.sa_mask);
	sigfillset(&trap.sa_mask);
	sigaction(SIGSEGV, &segv, &old);
	sigaction(SIGTRAP, &trap, NULL);
	if (old.sa_sigaction != on_fault)
		old_segv = old;
}

bool strict_possible(void)
{
	return true;
}

void strict_guard(void *pages, size_t length, unsigned int limit)
{
	size_t i;

	install();
	for (i = 0; i < RANGES_MAX && ranges[i].pages; i++)
		;
	if (i == RANGES_MAX)
		abort();
	/* Of size 0: not moved but mapped once more; of shared mappings only. */
	ranges[i].alias = mremap(pages, 0, length, MREMAP_MAYMOVE);
	if (ranges[i].alias == MAP_FAILED || mprotect(pages, length, PROT_NONE) < 0)
		abort();
	ranges[i].length = length;
	ranges[i].limit = limit;
	__atomic_store_n(&ranges[i].pages, pages, __ATOMIC_RELEASE);
}

void strict_forget(void *pages)
{
	struct range *r = find(pages);

	if (!r)
		return;
	__atomic_store_n(&r->pages, NULL, __ATOMIC_RELEASE);
	mprotect(pages, r->length, PROT_READ | PROT_WRITE);
	munmap(r->alias, r->length);
}

uint64_t strict_count(unsigned int size)
{
	return __atomic_load_n(&counts[size], __ATOMIC_RELAXED);
}

#else

bool strict_possible(void)
{
	return false;
}

void strict_guard(void *pages, size_t length, unsigned int limit)
{
	(void)pages;
	(void)length;
	(void)limit;
	abort();
}

void strict_forget(void *pages)
{
	(void)pages;
}

uint64_t strict_count(unsigned int size)
{
	(void)size;
	return 0;
}

#endif
