// SPDX-License-Identifier: Apache-2.0
/*
 * A client of icbmsgd of either kind that sends or receives a number of messages, for daemon.py.
 *
 *   bench-daemon-client library|socket send|receive PATH ENDPOINT COUNT SIZE
 *
 * PATH is RUNDIR/INSTANCE.sock, or the endpoint's own socket. Prints "ready" and waits for a line;
 * then prints the CPU time that it took, ns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <icbmsg.h>

static unsigned long count;
static size_t size;
static char *data;

static void die(const char *why)
{
	fprintf(stderr, "bench-daemon-client: %s\n", why);
	exit(1);
}

static long long cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void wait_for_start(void)
{
	puts("ready");
	fflush(stdout);
	getchar();
}

static void on_received(struct icbmsg_ept *ept, const void *message, size_t bytes, void *user)
{
	(void)ept;
	(void)message;
	(void)user;
	count -= count > 0 && bytes == size;
}

static void use_library(const char *path, const char *endpoint, bool sends)
{
	static const struct icbmsg_ept_callbacks callbacks = { .received = on_received };
	struct icbmsg_config *cfg;
	struct icbmsg_ept *ept;
	struct icbmsg *link = NULL;

	if (icbmsg_config_new(&cfg) < 0 || icbmsg_connect(&link, cfg, path) < 0)
		die(icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	if (icbmsg_ept_register(link, &ept, endpoint, sends ? NULL : &callbacks, NULL) < 0 ||
	    icbmsg_ept_wait_bound(ept, ICBMSG_FOREVER) < 0)
		die("not bound");
	wait_for_start();
	for (; sends && count > 0; count--)
		if (icbmsg_send(ept, data, size, ICBMSG_FOREVER) < 0)
			die("not sent");
	while (count > 0 && icbmsg_dispatch(link, ICBMSG_FOREVER) >= 0)
		;
	printf("%lld\n", cpu_now());
	fflush(stdout);
	getchar();
	icbmsg_close(link);
}

static void use_socket(const char *path, bool sends)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die("cannot connect");
	wait_for_start();
	for (; count > 0; count--)
		if (sends ? send(fd, data, size, 0) < 0 : recv(fd, data, size, 0) <= 0)
			die("the connection has ended");
	printf("%lld\n", cpu_now());
	fflush(stdout);
	getchar();
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 7)
		die("wrong usage");
	count = strtoul(argv[5], NULL, 10);
	size = strtoul(argv[6], NULL, 10);
	data = calloc(1, size);
	if (!data)
		die("out of memory");
	if (strcmp(argv[1], "library") == 0)
		use_library(argv[3], argv[4], strcmp(argv[2], "send") == 0);
	else
		use_socket(argv[3], strcmp(argv[2], "send") == 0);
	free(data);
	return 0;
}
