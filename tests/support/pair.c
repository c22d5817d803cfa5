// SPDX-License-Identifier: Apache-2.0
/*
 * pair [--size BYTES] [--out FILE] [--in FILE] [--wait] -- COMMAND... -- PEER...
 *
 * Starts two programs over one memfd and two eventfds, which a shell cannot make. Both inherit:
 *
 *	20  the memory, BYTES long (default 64k), zeroed
 *	21  the doorbell of COMMAND: PEER rings it
 *	22  the doorbell of PEER: COMMAND rings it
 *
 * COMMAND has our standard descriptors, and SIGTERM and SIGINT are passed on to it. PEER writes to
 * --out and reads --in (default /dev/null). When COMMAND has ended, PEER and what it started are
 * killed, or with --wait PEER is waited for. The exit status is COMMAND's (128 + n for signal n);
 * 120 if PEER failed under --wait; 125 if something could not be started.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_MEMORY = 20, FD_COMMAND, FD_PEER };

enum { STATUS_PEER = 120, STATUS_SELF = 125 };

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "pair: %s: %s\n", what, strerror(errno));
	_exit(STATUS_SELF);
}

static void place(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) < 0)
		fail("cannot make the link");
	close(fd);
}

static void make_link(off_t size)
{
	place(memfd_create("pair", 0), FD_MEMORY);
	if (ftruncate(FD_MEMORY, size) < 0)
		fail("cannot size the memory");
	place(eventfd(0, 0), FD_COMMAND);
	place(eventfd(0, 0), FD_PEER);
}

static void redirect(const char *path, int flags, int number)
{
	int fd = open(path, flags, 0666);

	if (fd < 0 || dup2(fd, number) < 0)
		fail(path);
	close(fd);
}

static pid_t start(char **argv, const char *in, const char *out, const sigset_t *signals)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_SELF);
	sigprocmask(SIG_UNBLOCK, signals, NULL);
	/* A group of its own, to be killed with what it starts. */
	if (in) {
		setpgid(0, 0);
		redirect(in, O_RDONLY, STDIN_FILENO);
	}
	if (out)
		redirect(out, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
	execvp(argv[0], argv);
	fail(argv[0]);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Wait for @pid, passing signals on to it; a peer that ends before is left unreaped. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
	int status, signal;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigwait(signals, &signal) != 0)
			fail("sigwait");
		if (signal != SIGCHLD)
			kill(pid, signal);
	}
	return status_of(status);
}

/* Its group; or itself, if it has not come so far as to have one. */
static void kill_peer(pid_t pid)
{
	if (kill(-pid, SIGKILL) < 0)
		kill(pid, SIGKILL);
}

/* Cut @argv at the next "--"; returns what is behind it. */
static char **cut(char **argv)
{
	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	if (!*argv)
		return NULL;
	*argv = NULL;
	return argv + 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "out", required_argument, NULL, 'o' },
		{ "in", required_argument, NULL, 'i' },
		{ "wait", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	const char *out = "/dev/null", *in = "/dev/null";
	bool wait_peer = false;
	char **command, **peer;
	off_t size = 65536;
	pid_t pid, peer_pid;
	sigset_t signals;
	int c, status, peer_status = 0;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 's')
			size = (off_t)strtoull(optarg, NULL, 0);
		else if (c == 'o')
			out = optarg;
		else if (c == 'i')
			in = optarg;
		else if (c == 'w')
			wait_peer = true;
		else
			return STATUS_SELF;
	}
	command = argv + optind;
	peer = cut(command);
	if (!peer || !*peer || !*command) {
		fprintf(stderr, "usage: pair [OPTIONS] -- COMMAND... -- PEER...\n");
		return STATUS_SELF;
	}
	make_link(size);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	peer_pid = start(peer, in, out, &signals);
	pid = start(command, NULL, NULL, &signals);
	status = wait_for(pid, &signals);
	if (!wait_peer)
		kill_peer(peer_pid);
	if (waitpid(peer_pid, &peer_status, 0) < 0)
		fail("waitpid");
	return status == 0 && wait_peer && peer_status != 0 ? STATUS_PEER : status;
}
