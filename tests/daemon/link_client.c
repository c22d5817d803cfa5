// SPDX-License-Identifier: Apache-2.0
/*
 * Library clients of icbmsgd, many in one process, told what to do line by line (links.py does). It
 * speaks client/protocol.h by hand on the socket, which is what the tests of the daemon are about,
 * and ICBMSG over the memory with icbmsg_open(). With --connect all of it is icbmsg_connect()'s: then
 * a client that is ended comes back by itself, and "end", "stop", "go", "keep" and "again" are not.
 *
 *   connect N PATH          ->  N welcome VERSION SIZE MAX_SEND MAX_RECEIVE | N refused ERROR TEXT
 *   register N NAME         ->  N answer ERROR TEXT, and then N bound NAME
 *   deregister N NAME       send N NAME TEXT      fill N NAME BYTES      hold N      release N
 *   stop N, go N            stops and goes on looking at its socket
 *   drop N, keep N          closes the connection, and gives up or keeps the memory: with that it
 *                           connects again by "again N PATH"
 *   flood N NAME OTHER      ->  N flooding: OTHER is given back meanwhile; does not end
 *   busy N NAME             ->  N busy: sends, and takes in silence what comes; does not end
 *   restart N NAME COUNT    then with NAME alone registered
 *   scribble N x SEED COUNT PLACE
 *   sync                    ->  synced
 * Events: N unbound NAME UNKNOWN, N gone NAME, N error NAME ERROR, N received NAME TEXT, N sent NAME COUNT, N end.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <icbmsg.h>

#include "client/protocol.h"
#include "support/set.h"

#define CLIENTS_MAX 1200
#define EPTS_MAX 8
#define HELD_MAX 256

static bool by_library;

static struct client {
	int fd, memory_fd;
	struct client_welcome welcome;
	struct icbmsg *link;
	struct icbmsg_ept *epts[EPTS_MAX];
	char waiting[ICBMSG_EPT_NAME_MAX + 1]; /* what was asked for */
	bool hold, stopped;
	struct icbmsg_rx held[HELD_MAX];
	unsigned int held_count;
} clients[CLIENTS_MAX];

static int index_of(const struct client *c)
{
	return (int)(c - clients);
}

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	printf("%d bound %s\n", index_of(user), icbmsg_ept_name(ept));
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	if (info->reason == ICBMSG_UNBOUND_DAEMON_GONE)
		printf("%d gone %s\n", index_of(user), icbmsg_ept_name(ept));
	else
		printf("%d unbound %s %u\n", index_of(user), icbmsg_ept_name(ept),
		       info->unknown_tx);
}

static bool silent;

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct client *c = user;

	if (c->hold && c->held_count < HELD_MAX &&
	    icbmsg_hold_rx(c->link, data, &c->held[c->held_count]) == 0)
		c->held_count++;
	if (silent)
		return;
	if (size > 200)
		printf("%d received %s %zu bytes\n", index_of(c), icbmsg_ept_name(ept), size);
	else
		printf("%d received %s %.*s\n", index_of(c), icbmsg_ept_name(ept), (int)size,
		       (const char *)data);
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	(void)message;
	printf("%d error %s %d\n", index_of(user), icbmsg_ept_name(ept), error);
}

static const struct icbmsg_ept_callbacks callbacks = {
	.error = on_error,
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
};

static void open_link(struct client *c)
{
	const struct client_welcome *w = &c->welcome;
	struct icbmsg_config *cfg;

	icbmsg_config_new(&cfg);
	set(cfg, "memory", "fd:%d", c->memory_fd);
	set(cfg, "doorbell", "socket:%d", c->fd);
	set(cfg, "tx-region", "%" PRIu64 " %u", w->to_daemon.offset, w->to_daemon.size);
	set(cfg, "rx-region", "%" PRIu64 " %u", w->to_client.offset, w->to_client.size);
	set(cfg, "tx-blocks", "%u", w->to_daemon.blocks);
	set(cfg, "rx-blocks", "%u", w->to_client.blocks);
	set(cfg, "word-size", "%u", CLIENT_WORD_SIZE);
	set(cfg, "dcache-alignment", "%u", CLIENT_ALIGNMENT);
	set(cfg, "peer", "libicbmsg");
	set(cfg, "rescue-interval", "never");
	if (icbmsg_open(&c->link, cfg) < 0) {
		fprintf(stderr, "link-client: %s\n", icbmsg_config_error(cfg));
		exit(1);
	}
	icbmsg_config_free(cfg);
}

/* One packet, with the descriptor that it may carry. */
static ssize_t receive(int fd, void *packet, size_t size, int *passed)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = packet, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*passed = -1;
	if (n >= 0 && head && head->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(head), sizeof(int));
	return n;
}

static void send_hello(const struct client *c)
{
	struct client_hello hello = { .type = CLIENT_HELLO,
				      .version_min = CLIENT_VERSION_MIN,
				      .version_max = CLIENT_VERSION_MAX,
				      .magic = CLIENT_MAGIC };
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = { .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS,
			  .cmsg_len = CMSG_LEN(sizeof(int)) },
	};
	struct iovec iov = { .iov_base = &hello, .iov_len = sizeof(hello) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->memory_fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &c->memory_fd, sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
	}
	sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

static void connect_by_library(struct client *c, const char *path)
{
	struct icbmsg_config *cfg;
	int ret;

	icbmsg_config_new(&cfg);
	ret = icbmsg_connect(&c->link, cfg, path);
	if (ret < 0) {
		printf("%d refused %d %s\n", index_of(c), ret, icbmsg_config_error(cfg));
		c->link = NULL;
	} else {
		c->fd = icbmsg_get_fd(c->link);
		printf("%d welcome 0 0 %zu %zu\n", index_of(c), icbmsg_max_size(c->link),
		       icbmsg_max_rx_size(c->link));
	}
	icbmsg_config_free(cfg);
}

static void greet(struct client *c)
{
	uint8_t packet[CLIENT_PACKET_MAX];
	struct client_refusal refusal;
	ssize_t n;
	int fd;

	send_hello(c);
	n = receive(c->fd, packet, sizeof(packet), &fd);
	if (n >= (ssize_t)sizeof(c->welcome) && packet[0] == CLIENT_WELCOME && fd >= 0) {
		memcpy(&c->welcome, packet, sizeof(c->welcome));
		printf("%d welcome %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", index_of(c),
		       c->welcome.version, c->welcome.size, c->welcome.max_to_core,
		       c->welcome.max_from_core);
		if (c->memory_fd >= 0)
			close(c->memory_fd);
		c->memory_fd = fd;
		open_link(c);
		return;
	}
	if (n >= (ssize_t)sizeof(refusal) && packet[0] == CLIENT_REFUSAL) {
		memcpy(&refusal, packet, sizeof(refusal));
		printf("%d refused %d %.*s\n", index_of(c), refusal.error,
		       (int)(n - (ssize_t)sizeof(refusal)), (char *)packet + sizeof(refusal));
	}
	close(c->fd);
	c->fd = -1;
	printf("%d end\n", index_of(c));
}

static void run_connect(struct client *c, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (by_library) {
		connect_by_library(c, path);
		return;
	}
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		printf("%d refused %d\n", index_of(c), -errno);
		close(c->fd);
		c->fd = -1;
		return;
	}
	greet(c);
}

static void run_release(struct client *c)
{
	for (unsigned int n = 0; n < c->held_count; n++)
		icbmsg_release_rx(c->link, c->held[n]);
	c->held_count = 0;
	c->hold = false;
}

static void run_drop(struct client *c, bool keep)
{
	if (!by_library)
		close(c->fd);
	c->fd = -1;
	icbmsg_close(c->link);
	run_release(c);
	c->link = NULL;
	memset(c->epts, 0, sizeof(c->epts));
	if (!keep && c->memory_fd >= 0) {
		close(c->memory_fd);
		c->memory_fd = -1;
	}
}

static struct icbmsg_ept **find(struct client *c, const char *name)
{
	for (int n = 0; n < EPTS_MAX; n++)
		if (name ? c->epts[n] && strcmp(icbmsg_ept_name(c->epts[n]), name) == 0 :
			   !c->epts[n])
			return &c->epts[n];
	fprintf(stderr, "link-client: no endpoint %s\n", name ? name : "free");
	exit(1);
}

static void ask(struct client *c, uint8_t type, const char *name)
{
	char packet[CLIENT_PACKET_MAX];
	int n = snprintf(packet, sizeof(packet), "%c%s", type, name);

	send(c->fd, packet, (size_t)n, MSG_NOSIGNAL);
}

static void run_register(struct client *c, const char *name)
{
	int ret;

	if (!by_library) {
		ask(c, CLIENT_REGISTER, strcpy(c->waiting, name));
		return;
	}
	ret = icbmsg_ept_register(c->link, find(c, NULL), name, &callbacks, c);
	printf("%d answer %d \n", index_of(c), ret);
}

static void take_answer(struct client *c, const uint8_t *packet, size_t size)
{
	struct client_answer answer;

	memcpy(&answer, packet, sizeof(answer));
	printf("%d answer %d %.*s\n", index_of(c), answer.error, (int)(size - sizeof(answer)),
	       (const char *)packet + sizeof(answer));
	if (answer.error == 0)
		icbmsg_ept_register(c->link, find(c, NULL), c->waiting, &callbacks, c);
}

static void look(struct client *c)
{
	while (icbmsg_dispatch(c->link, 0) > 0)
		;
}

static void run_fill(struct client *c, const char *name, size_t size)
{
	static char data[1 << 20];
	unsigned int count = 0;

	memset(data, 'f', size);
	while (icbmsg_send(*find(c, name), data, size, 0) == 0)
		count++;
	printf("%d sent %s %u\n", index_of(c), name, count);
}

static void run_send(struct client *c, const char *name, const char *text)
{
	int ret = icbmsg_send(*find(c, name), text, strlen(text), 0);

	if (ret < 0)
		printf("%d unsent %s %d\n", index_of(c), name, ret);
}

static void run_deregister(struct client *c, const char *name)
{
	struct icbmsg_ept **ept = find(c, name);

	icbmsg_ept_deregister(*ept);
	*ept = NULL;
	if (!by_library)
		ask(c, CLIENT_DEREGISTER, name);
}

/*
 * Write random words, TEXT being SEED COUNT PLACE: 0 into all of the memory, 1 its first 512 bytes,
 * where the indices and the ring of what we send are, 2 the same of the other region, 3 our blocks.
 */
static void run_scribble(struct client *c, const char *text)
{
	static const uint8_t ring = CLIENT_RING;
	const struct client_welcome *w = &c->welcome;
	unsigned int seed, count, place;
	uint64_t from = 0, span = w->size;
	uint32_t *words;

	if (sscanf(text, "%u %u %u", &seed, &count, &place) != 3)
		exit(2);
	if (place == 1 || place == 2) {
		from = place == 1 ? w->to_daemon.offset : w->to_client.offset;
		span = 512;
	} else if (place == 3) {
		from = w->to_daemon.offset + 4096;
		span = w->to_daemon.size - 4096;
	}
	words = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, c->memory_fd, 0);
	srandom(seed);
	for (unsigned int n = 0; n < count; n++) {
		uint64_t at = (from + (uint64_t)random() % span) / 4;

		words[at] = random() % 4 ? (uint32_t)random() % 4096 : (uint32_t)random();
		if (n % 16 == 0 && send(c->fd, &ring, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			usleep(10);
	}
	munmap(words, w->size);
}

static bool is_up(struct client *c)
{
	struct icbmsg_stats stats;

	icbmsg_get_stats(c->link, &stats, sizeof(stats));
	return stats.state == ICBMSG_LINK_UP;
}

/* Begin new sessions in the same memory, each as soon as the one before is up. */
static void run_restart(struct client *c, const char *name, int count)
{
	uint8_t packet[CLIENT_PACKET_MAX];

	for (; count > 0; count--) {
		icbmsg_close(c->link);
		memset(c->epts, 0, sizeof(c->epts));
		open_link(c);
		while (!is_up(c) && recv(c->fd, packet, sizeof(packet), 0) > 0)
			look(c);
	}
	icbmsg_ept_register(c->link, find(c, NULL), name, &callbacks, c);
}

/* Give endpoint @other back in the midst of sending on @name, for ever, without looking at the socket. */
static void run_flood(struct client *c, const char *name, const char *other)
{
	for (unsigned long n = 0;; n++) {
		while (icbmsg_send(*find(c, name), "flood", 5, 0) == -ENOBUFS)
			;
		if (n == 1000) {
			run_deregister(c, other);
			printf("%d flooding\n", index_of(c));
			fflush(stdout);
		}
	}
}

static void run_busy(struct client *c, const char *name)
{
	printf("%d busy\n", index_of(c));
	fflush(stdout);
	silent = true;
	for (;;) {
		(void)icbmsg_send(*find(c, name), "busy", 4, 0);
		(void)icbmsg_dispatch(c->link, 0);
	}
}

static void run(char *line)
{
	const char *verb = strtok(line, " "), *number = strtok(NULL, " ");
	struct client *c = &clients[number ? atoi(number) : 0];
	const char *name = strtok(NULL, " "), *text = strtok(NULL, "");

	if (strcmp(verb, "sync") == 0)
		printf("synced\n");
	else if (strcmp(verb, "connect") == 0 || strcmp(verb, "again") == 0)
		run_connect(c, name);
	else if (strcmp(verb, "register") == 0)
		run_register(c, name);
	else if (strcmp(verb, "deregister") == 0)
		run_deregister(c, name);
	else if (strcmp(verb, "send") == 0)
		run_send(c, name, text ? text : "");
	else if (strcmp(verb, "fill") == 0)
		run_fill(c, name, strtoul(text, NULL, 10));
	else if (strcmp(verb, "busy") == 0)
		run_busy(c, name);
	else if (strcmp(verb, "flood") == 0)
		run_flood(c, name, text);
	else if (strcmp(verb, "restart") == 0)
		run_restart(c, name, atoi(text));
	else if (strcmp(verb, "scribble") == 0)
		run_scribble(c, text);
	else if (strcmp(verb, "hold") == 0)
		c->hold = true;
	else if (strcmp(verb, "release") == 0)
		run_release(c);
	else if (strcmp(verb, "stop") == 0 || strcmp(verb, "go") == 0)
		c->stopped = *verb == 's';
	else if (strcmp(verb, "drop") == 0 || strcmp(verb, "keep") == 0)
		run_drop(c, *verb == 'k');
	else
		exit(2);
	if (c->link)
		look(c);
}

static void on_readable(struct client *c)
{
	uint8_t packet[CLIENT_PACKET_MAX];
	ssize_t n;

	if (by_library) {
		look(c);
		return;
	}
	n = recv(c->fd, packet, sizeof(packet), 0);
	if (n <= 0) {
		/* What lies in the memory has been sent before. */
		look(c);
		printf("%d end\n", index_of(c));
		run_drop(c, true);
		return;
	}
	if (packet[0] == CLIENT_ANSWER && n >= (ssize_t)sizeof(struct client_answer))
		take_answer(c, packet, (size_t)n);
	look(c);
}

int main(int argc, char **argv)
{
	static struct pollfd fds[CLIENTS_MAX + 1];
	struct rlimit limit;
	char line[4096];

	/* Some verbs do not end, also when the test that gave them has failed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	by_library = argc > 1 && strcmp(argv[1], "--connect") == 0;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (int n = 0; n < CLIENTS_MAX; n++)
		clients[n].fd = clients[n].memory_fd = -1;
	fds[CLIENTS_MAX] = (struct pollfd){ .fd = 0, .events = POLLIN };
	for (;;) {
		fflush(stdout);
		for (int n = 0; n < CLIENTS_MAX; n++)
			fds[n] = (struct pollfd){ .fd = clients[n].stopped ? -1 : clients[n].fd,
						  .events = POLLIN };
		poll(fds, CLIENTS_MAX + 1, -1);
		for (int n = 0; n < CLIENTS_MAX; n++)
			if (fds[n].revents)
				on_readable(&clients[n]);
		if (!fds[CLIENTS_MAX].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		line[strcspn(line, "\n")] = '\0';
		run(line);
	}
}
