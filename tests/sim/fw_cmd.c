// SPDX-License-Identifier: Apache-2.0
/*
 * A firmware stand-in that takes the commands of the recorded scenarios on stdin, over memory and
 * doorbells it is given: started side by side with another implementation, or against it.
 *
 *	fw_cmd FILE MAP_SIZE TX_OFFSET TX_SIZE RX_OFFSET RX_SIZE TX_BLOCKS RX_BLOCKS ALIGNMENT
 *	       WORD_SIZE NUM_EP DOORBELL_IN_FD DOORBELL_OUT_FD
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/commander.h"
#include "util/cleanup.h"

enum {
	MAP_SIZE = 2,
	TX_OFFSET,
	TX_SIZE,
	RX_OFFSET,
	RX_SIZE,
	TX_BLOCKS,
	RX_BLOCKS,
	ALIGNMENT,
	WORD_SIZE,
	NUM_EP,
	DOORBELL_IN,
	DOORBELL_OUT,
	ARGUMENTS
};

struct bells {
	int in, out;
};

static void on_ring(void *user)
{
	struct bells *b = user;
	uint64_t one = 1;

	if (write(b->out, &one, sizeof(one)) != sizeof(one))
		err(1, "doorbell");
}

static bool on_take(void *user)
{
	struct bells *b = user;
	struct pollfd p = { .fd = b->in, .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, 0) <= 0)
		return false;
	return read(b->in, &count, sizeof(count)) == sizeof(count);
}

static void on_say(const char *line, void *user)
{
	(void)user;
	puts(line);
	fflush(stdout);
}

static uint32_t number(char **argv, int which)
{
	return (uint32_t)strtoul(argv[which], NULL, 0);
}

static void layout(struct layout_region *out, char **argv, int offset, int own, int other)
{
	struct layout_geometry g = {
		.base = number(argv, offset),
		.size = number(argv, offset + 1),
		.blocks = number(argv, own),
		.peer_blocks = number(argv, other),
		.alignment = number(argv, ALIGNMENT),
		.word_size = number(argv, WORD_SIZE),
	};
	char error[LAYOUT_ERROR_SIZE];

	if (layout_classic(out, &g, error) < 0)
		errx(2, "%s", error);
}

static void *map(char **argv)
{
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		err(2, "%s", argv[1]);
	p = mmap(NULL, number(argv, MAP_SIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err(2, "%s", argv[1]);
	close(fd);
	return p;
}

int main(int argc, char **argv)
{
	struct layout_region tx, rx;
	struct commander c = { .ring = on_ring, .take = on_take, .say = on_say };
	struct bells bells;
	_cleanup_(free_ptr) char *line = NULL;
	size_t room = 0;

	if (argc != ARGUMENTS)
		errx(2, "%d arguments, %d are needed: see the top of fw_cmd.c", argc, ARGUMENTS);
	bells = (struct bells){ (int)number(argv, DOORBELL_IN), (int)number(argv, DOORBELL_OUT) };
	c.user = &bells;
	layout(&tx, argv, TX_OFFSET, TX_BLOCKS, RX_BLOCKS);
	layout(&rx, argv, RX_OFFSET, RX_BLOCKS, TX_BLOCKS);
	if (commander_init(&c, map(argv), &tx, &rx, number(argv, NUM_EP)) < 0)
		errx(2, "%s endpoints: 1 to 254 can be", argv[NUM_EP]);
	printf("{\"ev\": \"ready\", \"max\": %u}\n", tx.max_payload);
	fflush(stdout);
	while (getline(&line, &room, stdin) > 0 && commander_do(&c, line))
		;
	commander_deinit(&c);
	return 0;
}
