// SPDX-License-Identifier: Apache-2.0
/*
 * See through_daemon.h.
 */
#include "through_daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <json.h>

#include "client/control.h"
#include "ends.h"

#define INSTANCE "ends"

struct through {
	pid_t pid;
	char dir[32];     /* rundir, configuration and log */
	unsigned int fds; /* that it had open without clients */
};

/* No backlog and no time after which to copy: a message is held until its client has it. */
const char *through_endpoints = "[endpoint " INSTANCE "/*]\n"
				"policy = block\n"
				"backlog = 0\n"
				"hold-time = 1m\n"
				"on-unbound = keep\n";

/* The one that runs; left over where a test has failed. */
static struct through *current;

/* ------------------------------------------------------------------------------------------------
 * Starting
 */

static FILE *create(const struct through *t, const char *name)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	return f;
}

static void write_config(const struct through *t, struct icbmsg_config *cfg)
{
	FILE *f = create(t, "icbmsgd.conf");
	const char *key;

	fputs("[instance " INSTANCE "]\n", f);
	for (unsigned int n = 0; (key = icbmsg_config_key(n, NULL)); n++)
		if (icbmsg_config_get(cfg, key))
			fprintf(f, "%s = %s\n", key, icbmsg_config_get(cfg, key));
	fprintf(f, "[daemon]\nrundir = %s\ndrain-timeout = 0s\n", t->dir);
	fputs(through_endpoints, f);
	assert_int_equal(fclose(f), 0);
}

/* In the new process. Tests that fail leave by longjmp, exit or abort: it ends with this one. */
static void run(const struct through *t, const int *fds, size_t count, int banner)
{
	char program[512], config[64], log[64];
	const char *dir = getenv("ICBMSG_BIN_DIR");
	int fd;

	snprintf(program, sizeof(program), "%s/icbmsgd", dir ? dir : "bin");
	snprintf(config, sizeof(config), "%s/icbmsgd.conf", t->dir);
	snprintf(log, sizeof(log), "%s/log", t->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < count; i++)
		fcntl(fds[i], F_SETFD, 0);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (dup2(banner, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	execl(program, program, "--verbose", "--banner", "-c", config, (char *)NULL);
	_exit(127);
}

static void print_log(const struct through *t)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", t->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		print_error("%s", line);
	if (f)
		fclose(f);
}

static void await_banner(const struct through *t, int fd)
{
	char line[256];
	ssize_t n, size = 0;

	while (size < (ssize_t)sizeof(line) && (size == 0 || line[size - 1] != '\n')) {
		n = read(fd, line + size, sizeof(line) - (size_t)size);
		if (n <= 0) {
			print_log(t);
			fail_msg("icbmsgd does not start");
		}
		size += n;
	}
	close(fd);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void discard(struct through *t)
{
	nftw(t->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	current = NULL;
}

/* A test that has failed left its daemon behind. */
static void end_leftover(void)
{
	if (!current)
		return;
	print_log(current);
	kill(current->pid, SIGKILL);
	waitpid(current->pid, NULL, 0);
	discard(current);
}

struct through *through_start(struct icbmsg_config *cfg, const int *fds, size_t count)
{
	struct through *t;
	int banner[2];

	end_leftover();
	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	strcpy(t->dir, "/tmp/icbmsg-api-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	write_config(t, cfg);
	assert_int_equal(pipe2(banner, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0)
		run(t, fds, count, banner[1]);
	current = t;
	close(banner[1]);
	await_banner(t, banner[0]);
	t->fds = through_fds(t);
	return t;
}

/* ------------------------------------------------------------------------------------------------
 * Using
 */

struct icbmsg *through_connect(struct through *t)
{
	struct icbmsg_config *cfg;
	struct icbmsg *link = NULL;
	char path[64];

	snprintf(path, sizeof(path), "%s/" INSTANCE ".sock", t->dir);
	assert_int_equal(icbmsg_config_new(&cfg), 0);
	if (icbmsg_connect(&link, cfg, path) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return link;
}

/* A request on a connection of its own; the answer as a line. */
static char *ask(const struct through *t, const char *command, char **line)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t size = 0;
	FILE *f;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/" CONTROL_SOCKET, t->dir);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail_msg("icbmsgd is gone: %s", strerror(errno));
	f = fdopen(fd, "r+");
	assert_non_null(f);
	fprintf(f, "{\"version\":%d,\"command\":\"%s\"}\n", CONTROL_VERSION, command);
	fflush(f);
	if (getline(line, &size, f) <= 0)
		fail_msg("icbmsgd is gone");
	fclose(f);
	return *line;
}

/*
 * The daemon is one loop. When it answers it has gone round at least twice since it was asked, once
 * for the connection and once for the request: whatever it could see then, it has seen. What that
 * leads to may need another turn.
 */
void through_turn(struct through *t)
{
	char *line = NULL;

	free(ask(t, "nothing", &line));
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		fail_msg("no \"%s\" in %s", key, json_object_to_json_string(o));
	return value;
}

static unsigned int number(struct json_object *o, const char *key)
{
	return (unsigned int)json_object_get_int64(get(o, key));
}

static struct json_object *ask_stats(struct through *t)
{
	struct json_object *answer;
	char *line = NULL;

	answer = json_tokener_parse(ask(t, "stats", &line));
	assert_non_null(answer);
	free(line);
	return answer;
}

unsigned int through_used(struct through *t, const char *limit)
{
	struct json_object *answer = ask_stats(t);
	unsigned int used = number(get(get(answer, "limits"), limit), "used");

	json_object_put(answer);
	return used;
}

unsigned int through_dropped(struct through *t)
{
	struct json_object *answer = ask_stats(t), *epts;
	unsigned int sum = 0;

	epts = get(json_object_array_get_idx(get(answer, "instances"), 0), "endpoints");
	for (size_t i = 0; i < json_object_array_length(epts); i++) {
		struct json_object *ept = json_object_array_get_idx(epts, i);
		struct json_object *delivery = get(ept, "delivery");

		sum += number(get(ept, "from_core"), "no_client") + number(delivery, "abandoned") +
		       number(delivery, "stale");
	}
	json_object_put(answer);
	return sum;
}

/* ------------------------------------------------------------------------------------------------
 * Looking
 */

const char *through_dir(const struct through *t)
{
	return t->dir;
}

static unsigned int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Of an exported endpoint there is a socket in the rundir. */
unsigned int through_fds(const struct through *t)
{
	char proc[64], endpoints[64];

	snprintf(proc, sizeof(proc), "/proc/%d/fd", t->pid);
	snprintf(endpoints, sizeof(endpoints), "%s/" INSTANCE, t->dir);
	return count_entries(proc) - count_entries(endpoints) - t->fds;
}

/* ------------------------------------------------------------------------------------------------
 * Ending
 */

void through_stop(struct through *t)
{
	int status;

	assert_int_equal(kill(t->pid, SIGTERM), 0);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		print_log(t);
		discard(t);
		fail_msg("icbmsgd ended with status %#x", (unsigned int)status);
	}
	discard(t);
}
