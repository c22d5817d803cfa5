// SPDX-License-Identifier: Apache-2.0
/*
 * One message after another between two instances in this process, for instructions.sh: callgrind
 * counts what the three functions below cost with everything they call. Instructions are the same
 * on every run, times are not.
 */
#include <errno.h>
#include <icbmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define MESSAGE_SIZE 16u
#define REGION_SIZE 16384u

static unsigned long received;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "instructions: %s: %s\n", what, why);
	exit(1);
}

static void check(int ret, const char *what)
{
	if (ret < 0)
		fail(what, strerror(-ret));
}

/* Looked for by name in callgrind's output. */
void bench_send(struct icbmsg_ept *ept, const void *data);
void bench_receive(struct icbmsg *link);
void bench_release(struct icbmsg *link);

__attribute__((noinline)) void bench_send(struct icbmsg_ept *ept, const void *data)
{
	check(icbmsg_send(ept, data, MESSAGE_SIZE, 0), "sending");
}

__attribute__((noinline)) void bench_receive(struct icbmsg *link)
{
	check(icbmsg_dispatch(link, 0), "receiving");
}

/* The sender's part of a release. */
__attribute__((noinline)) void bench_release(struct icbmsg *link)
{
	check(icbmsg_dispatch(link, 0), "collecting");
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	(void)ept;
	(void)data;
	(void)user;
	received += size == MESSAGE_SIZE;
}

static void set(struct icbmsg_config *cfg, const char *key, const char *value)
{
	if (icbmsg_config_set(cfg, key, value) < 0)
		fail(key, icbmsg_config_error(cfg));
}

static struct icbmsg *open_end(int memory, int own_bell, int other_bell, int who)
{
	struct icbmsg_config *cfg;
	struct icbmsg *link;
	char value[64];

	check(icbmsg_config_new(&cfg), "configuring");
	snprintf(value, sizeof(value), "fd:%d", memory);
	set(cfg, "memory", value);
	snprintf(value, sizeof(value), "eventfd:%d,%d", own_bell, other_bell);
	set(cfg, "doorbell", value);
	set(cfg, "tx-region", who ? "16k 16k" : "0 16k");
	set(cfg, "rx-region", who ? "0 16k" : "16k 16k");
	set(cfg, "tx-blocks", "16");
	set(cfg, "rx-blocks", "16");
	set(cfg, "dcache-alignment", "64");
	if (icbmsg_open(&link, cfg) < 0)
		fail("opening", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return link;
}

int main(int argc, char **argv)
{
	static const struct icbmsg_ept_callbacks receiving = { .received = on_received };
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	int bells[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	int memory = memfd_create("instructions", MFD_CLOEXEC);
	const char data[MESSAGE_SIZE] = "sixteen bytes..";
	struct icbmsg_ept *from, *to;
	struct icbmsg *a, *b;

	if (memory < 0 || bells[0] < 0 || bells[1] < 0 || ftruncate(memory, 2L * REGION_SIZE) < 0)
		fail("shared memory", strerror(errno));
	a = open_end(memory, bells[0], bells[1], 0);
	b = open_end(memory, bells[1], bells[0], 1);
	check(icbmsg_ept_register(a, &from, "bench", NULL, NULL), "registering");
	check(icbmsg_ept_register(b, &to, "bench", &receiving, NULL), "registering");
	while (!icbmsg_ept_is_bound(from) || !icbmsg_ept_is_bound(to)) {
		check(icbmsg_dispatch(a, 0), "binding");
		check(icbmsg_dispatch(b, 0), "binding");
	}
	for (unsigned long i = 0; i < count; i++) {
		bench_send(from, data);
		bench_receive(b);
		bench_release(a);
	}
	icbmsg_close(a);
	icbmsg_close(b);
	if (received != count)
		fail("receiving", "messages are missing");
	return 0;
}
