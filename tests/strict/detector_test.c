// SPDX-License-Identifier: Apache-2.0
/*
 * The detector detects: each kind of access that device memory does not bear ends the process, and
 * those that it bears do not.
 */
#include "unit/files.h"

#include <signal.h>
#include <sys/mman.h>

#include "decode.h"
#include "strict.h"
#include "util/access.h"

#define SIZE 8192u
#define LIMIT 4u

static uint8_t *memory;
static uint8_t private[SIZE];

/* In each test: cmocka sets signal handlers before it. */
static void guard(void)
{
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	strict_guard(memory, SIZE, LIMIT);
}

static void unguard(void)
{
	strict_forget(memory);
	munmap(memory, SIZE);
}

/* Run @access in a child: its status, and the line that it leaves on stderr. */
static int status_of(void (*access)(void), char line[256])
{
	int status, pipes[2];
	ssize_t n = 0;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipes[1], STDERR_FILENO);
		access();
		_exit(0);
	}
	close(pipes[1]);
	n = read(pipes[0], line, 255);
	line[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_caught(void (*access)(void), const char *why)
{
	char line[256];
	int status = status_of(access, line);

	if (status != STRICT_EXIT || !strstr(line, why))
		fail_msg("status %d, \"%s\" instead of \"%s\"", status, line, why);
}

static void assert_borne(void (*access)(void))
{
	char line[256];
	int status = status_of(access, line);

	if (status != 0)
		fail_msg("status %d, \"%s\"", status, line);
}

static void memcpy_to(void)
{
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;

	copy(memory + 3, private, 100);
}

static void memcpy_from(void)
{
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;

	copy(private, memory, 64);
}

static void memset_all(void)
{
	void *(*volatile set)(void *, int, size_t) = memset;

	set(memory, 0, SIZE);
}

/* Words at any address; a compiler for x86-64 makes one access of each. */
typedef uint64_t __attribute__((aligned(1), may_alias)) loose64;
typedef uint32_t __attribute__((aligned(1), may_alias)) loose32;
typedef uint16_t __attribute__((aligned(1), may_alias)) loose16;

#define VOLATILE(type, offset) (*(volatile type *)(void *)(memory + (offset)))

static void unaligned_store(void)
{
	VOLATILE(loose32, 2) = 1;
}

static void unaligned_load(void)
{
	private[0] = (uint8_t)VOLATILE(loose16, 5);
}

static void unaligned_over_pages(void)
{
	VOLATILE(loose32, 4094) = 1;
}

static void wide_store(void)
{
	VOLATILE(loose64, 8) = 1;
}

static void wide_load(void)
{
	private[0] = (uint8_t)VOLATILE(loose64, 16);
}

static void locked(void)
{
	__atomic_fetch_add((uint32_t *)(void *)memory, 1, __ATOMIC_RELAXED);
}

/* Its value is used: clang makes a store of an exchange whose value is not. */
static void exchanged(void)
{
	private[0] = (uint8_t)__atomic_exchange_n((uint32_t *)(void *)memory, 1, __ATOMIC_RELAXED);
}

static void replaced_as_normal(void)
{
	shm_replace32(memory, 0, 1, MEM_NORMAL);
}

static void copied_as_normal(void)
{
	shm_copy_to(memory + 4, private, 100, MEM_NORMAL);
}

#ifdef __x86_64__
static void modified(void)
{
	__asm__ volatile("addl $1, %0" : "+m"(*memory));
}

static void moved_as_a_string(void)
{
	void *to = memory;
	const void *from = private;
	size_t n = 4;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

static void not_known(void)
{
	__asm__ volatile("fxsave (%0)" ::"r"(memory) : "memory");
}
#else
#define modified memcpy_to
#define moved_as_a_string memcpy_to
#define not_known memcpy_to
#endif

static void planted_mistakes_are_caught(void **state)
{
	(void)state;
	guard();
	assert_caught(memcpy_to, "strict: the access of 0 bytes at offset 0x");
	assert_caught(memcpy_from, "SIMD");
	assert_caught(memset_all, "strict: the access of ");
	assert_caught(unaligned_store, "4 bytes at offset 0x2 is not aligned");
	assert_caught(unaligned_load, "2 bytes at offset 0x5 is not aligned");
	assert_caught(unaligned_over_pages, "at offset 0xffe is not aligned");
	assert_caught(wide_store, "8 bytes at offset 0x8 is too wide");
	assert_caught(wide_load, "8 bytes at offset 0x10 is too wide");
	assert_caught(locked, "reads, modifies and writes");
	assert_caught(exchanged, "reads, modifies and writes");
	assert_caught(replaced_as_normal, "reads, modifies and writes");
	assert_caught(copied_as_normal, "strict: the access of ");
	assert_caught(modified, "reads, modifies and writes");
	assert_caught(moved_as_a_string, "string instruction");
	assert_caught(not_known, "is not known");
	unguard();
}

static void every_alignment(void)
{
	size_t at, n;

	for (at = 0; at < 9; at++)
		for (n = 0; n < 40; n++) {
			shm_copy_to(memory + 4090 + at, private + n % 5, n, MEM_DEVICE);
			shm_copy_from(private + n % 3, memory + 4090 + at, n, MEM_DEVICE);
		}
}

static void words_and_parts(void)
{
	shm_store32(memory, 5);
	shm_store32_release(memory + 4, shm_load32(memory));
	if (!shm_replace32(memory + 4, 5, 6, MEM_DEVICE) || shm_load32_acquire(memory + 4) != 6)
		_exit(1);
	VOLATILE(loose16, 4094) = 7;
	VOLATILE(uint8_t, 4096) = VOLATILE(uint8_t, 4094);
	if (VOLATILE(loose16, 4096) != 7 || VOLATILE(int8_t, 4096) != 7)
		_exit(2);
}

static void what_is_allowed_is_borne(void **state)
{
	(void)state;
	guard();
	assert_borne(every_alignment);
	assert_borne(words_and_parts);
	unguard();
}

/* In this process: what was stored is there, and each access was counted. */
static void accesses_are_counted_and_done(void **state)
{
	uint64_t before, i;

	(void)state;
	guard();
	before = strict_count(4);
	for (i = 0; i < 1000; i++)
		shm_store32(memory + 4 * i, (uint32_t)i);
	for (i = 0; i < 1000; i++)
		assert_int_equal(shm_load32(memory + 4 * i), i);
	assert_int_equal(strict_count(4) - before, 2000);
	strict_forget(memory);
	assert_int_equal(memory[4], 1);
	unguard();
}

/* A fault elsewhere is still one: it ends the process, by the signal or as a sanitizer does. */
static void other_faults_stay_what_they_are(void **state)
{
	volatile uint8_t *closed;
	int status;
	pid_t pid;

	(void)state;
	closed = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(closed != MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL); /* not cmocka's */
		guard();
		*closed = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == STRICT_EXIT));
	munmap((void *)closed, SIZE);
}

/* Instructions as assemblers write them; what the compiler of today does not use among them. */
static void decodes(void **state)
{
	static const struct {
		const char *code;
		enum access_kind kind;
		unsigned int size;
	} cases[] = {
		{ "\x8b\x07", ACCESS_LOAD, 4 },                      /* mov (%rdi),%eax */
		{ "\x44\x8b\x07", ACCESS_LOAD, 4 },                  /* mov (%rdi),%r8d */
		{ "\x48\x8b\x07", ACCESS_LOAD, 8 },                  /* mov (%rdi),%rax */
		{ "\x66\x8b\x07", ACCESS_LOAD, 2 },                  /* mov (%rdi),%ax */
		{ "\x8a\x07", ACCESS_LOAD, 1 },                      /* mov (%rdi),%al */
		{ "\x89\x07", ACCESS_STORE, 4 },                     /* mov %eax,(%rdi) */
		{ "\x66\x41\x89\x00", ACCESS_STORE, 2 },             /* mov %ax,(%r8) */
		{ "\x88\x07", ACCESS_STORE, 1 },                     /* mov %al,(%rdi) */
		{ "\xc7\x07\x01\x00\x00\x00", ACCESS_STORE, 4 },     /* movl $1,(%rdi) */
		{ "\xc6\x07\x01", ACCESS_STORE, 1 },                 /* movb $1,(%rdi) */
		{ "\x48\xc7\x07\x01\x00\x00\x00", ACCESS_STORE, 8 }, /* movq $1,(%rdi) */
		{ "\x0f\xb6\x07", ACCESS_LOAD, 1 },                  /* movzbl (%rdi),%eax */
		{ "\x0f\xb7\x07", ACCESS_LOAD, 2 },                  /* movzwl (%rdi),%eax */
		{ "\x48\x0f\xbf\x07", ACCESS_LOAD, 2 },              /* movswq (%rdi),%rax */
		{ "\x48\x63\x07", ACCESS_LOAD, 4 },                  /* movslq (%rdi),%rax */
		{ "\x3b\x07", ACCESS_LOAD, 4 },                      /* cmp (%rdi),%eax */
		{ "\x39\x07", ACCESS_LOAD, 4 },                      /* cmp %eax,(%rdi) */
		{ "\x83\x3f\x05", ACCESS_LOAD, 4 },                  /* cmpl $5,(%rdi) */
		{ "\x80\x3f\x05", ACCESS_LOAD, 1 },                  /* cmpb $5,(%rdi) */
		{ "\xf7\x07\x01\x00\x00\x00", ACCESS_LOAD, 4 },      /* testl $1,(%rdi) */
		{ "\x03\x07", ACCESS_LOAD, 4 },                      /* add (%rdi),%eax */
		{ "\x0f\x44\x07", ACCESS_LOAD, 4 },                  /* cmove (%rdi),%eax */
		{ "\x0f\xaf\x07", ACCESS_LOAD, 4 },                  /* imul (%rdi),%eax */
		{ "\xff\x17", ACCESS_LOAD, 8 },                      /* call *(%rdi) */
		{ "\x0f\x38\xf0\x07", ACCESS_LOAD, 4 },              /* movbe (%rdi),%eax */
		{ "\x0f\x94\x07", ACCESS_STORE, 1 },                 /* sete (%rdi) */
		{ "\x01\x07", ACCESS_MODIFY, 0 },                    /* add %eax,(%rdi) */
		{ "\x83\x07\x01", ACCESS_MODIFY, 0 },                /* addl $1,(%rdi) */
		{ "\xff\x07", ACCESS_MODIFY, 0 },                    /* incl (%rdi) */
		{ "\xf7\x1f", ACCESS_MODIFY, 0 },                    /* negl (%rdi) */
		{ "\x87\x07", ACCESS_MODIFY, 0 },                    /* xchg %eax,(%rdi) */
		{ "\xc1\x27\x02", ACCESS_MODIFY, 0 },                /* shll $2,(%rdi) */
		{ "\xf0\x0f\xb1\x17", ACCESS_MODIFY, 0 },            /* lock cmpxchg %edx,(%rdi) */
		{ "\x0f\xb1\x17", ACCESS_MODIFY, 0 },                /* cmpxchg %edx,(%rdi) */
		{ "\xf0\x83\x0f\x00", ACCESS_MODIFY, 0 },            /* lock orl $0,(%rdi) */
		{ "\xf3\xa4", ACCESS_STRING, 0 },                    /* rep movsb */
		{ "\xf3\x48\xab", ACCESS_STRING, 0 },                /* rep stosq */
		{ "\xf3\x0f\x6f\x07", ACCESS_VECTOR, 0 },            /* movdqu (%rdi),%xmm0 */
		{ "\x0f\x11\x07", ACCESS_VECTOR, 0 },                /* movups %xmm0,(%rdi) */
		{ "\x66\x0f\xd6\x07", ACCESS_VECTOR, 0 },            /* movq %xmm0,(%rdi) */
		{ "\xc5\xfe\x6f\x07", ACCESS_VECTOR, 0 },            /* vmovdqu (%rdi),%ymm0 */
		{ "\x62\xf1\xfe\x48\x6f\x07", ACCESS_VECTOR, 0 },    /* vmovdqu64 (%rdi),%zmm0 */
		{ "\xd9\x07", ACCESS_VECTOR, 0 },                    /* flds (%rdi) */
		{ "\x0f\xae\x07", ACCESS_UNKNOWN, 0 },               /* fxsave (%rdi) */
	};
	struct access a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		a = decode_access((const uint8_t *)cases[i].code);
		if (a.kind != cases[i].kind || a.size != cases[i].size)
			fail_msg("case %zu: kind %d, size %u", i, a.kind, a.size);
	}
}

/* Every move that is done in an instruction's place, beside the instruction itself. */
static void moves_are_decoded(void **state)
{
	static const struct {
		const char *code;
		struct move m;
	} cases[] = {
		{ "\x8b\x07", { .size = 4, .length = 2 } },
		{ "\x8b\x4f\x08", { .size = 4, .reg = 1, .length = 3 } }, /* 8(%rdi),%ecx */
		{ "\x45\x8b\x84\x24\x00\x01\x00\x00",                     /* 0x100(%r12),%r8d */
		  { .size = 4, .reg = 8, .length = 8 } },
		{ "\x48\x8b\x04\x25\x00\x10\x00\x00", /* 0x1000,%rax */
		  { .size = 8, .length = 8 } },
		{ "\x8b\x3d\x00\x00\x00\x00", { .size = 4, .reg = 7, .length = 6 } }, /* (%rip) */
		{ "\x8a\x0c\x37", { .size = 1, .merges = 1, .reg = 1, .length = 3 } },
		{ "\x66\x8b\x07", { .size = 2, .merges = 2, .length = 3 } },
		{ "\x0f\xb6\x47\x03", { .size = 1, .length = 4 } },
		{ "\x44\x0f\xb7\x1e", { .size = 2, .reg = 11, .length = 4 } },
		{ "\x40\x88\x37", { .is_store = true, .size = 1, .reg = 6, .length = 3 } },
		{ "\xc7\x47\x04\xff\xff\xff\x7f", /* $0x7fffffff,4(%rdi) */
		  { true, true, 4, 0, 0, 0x7fffffff, 7 } },
		{ "\x66\xc7\x07\x34\x12", { true, true, 2, 0, 0, 0x1234, 5 } },
		{ "\xc6\x07\x80", { true, true, 1, 0, 0, 0x80, 3 } },
	};
	struct move m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(decode_move(&m, (const uint8_t *)cases[i].code));
		assert_int_equal(m.is_store, cases[i].m.is_store);
		assert_int_equal(m.is_immediate, cases[i].m.is_immediate);
		assert_int_equal(m.size, cases[i].m.size);
		assert_int_equal(m.merges, cases[i].m.merges);
		assert_int_equal(m.immediate, cases[i].m.immediate);
		assert_int_equal(m.length, cases[i].m.length);
		if (!m.is_immediate)
			assert_int_equal(m.reg, cases[i].m.reg);
	}
	assert_false(decode_move(&m, (const uint8_t *)"\x88\x27"));         /* mov %ah,(%rdi) */
	assert_false(decode_move(&m, (const uint8_t *)"\x0f\xbe\x07"));     /* movsx */
	assert_false(decode_move(&m, (const uint8_t *)"\x03\x07"));         /* add */
	assert_false(decode_move(&m, (const uint8_t *)"\xf3\x0f\x6f\x07")); /* movdqu */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(moves_are_decoded),
		cmocka_unit_test(planted_mistakes_are_caught),
		cmocka_unit_test(what_is_allowed_is_borne),
		cmocka_unit_test(accesses_are_counted_and_done),
		cmocka_unit_test(other_faults_stay_what_they_are),
	};

	if (!strict_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
