// SPDX-License-Identifier: Apache-2.0
/*
 * The files of a transfer. What is received grows under a name ending in .part and gets its own
 * name when it is known to be right, so that nobody takes half a file for a whole one.
 */
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "util/cleanup.h"

static int fail(const char *what, const char *path)
{
	tool_say("%s %s: %s", what, path, strerror(errno));
	return SIM_ERROR;
}

static int open_input(struct transfer_file *f)
{
	struct stat st;

	f->in_fd = open(f->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->in_fd < 0 || fstat(f->in_fd, &st) < 0)
		return fail("cannot read", f->from);
	if (!S_ISREG(st.st_mode)) {
		tool_say("%s is not a regular file; its size has to be known", f->from);
		return SIM_ERROR;
	}
	f->size = (uint64_t)st.st_size;
	return SIM_OK;
}

static int open_output(struct transfer_file *f, const char *dir, const char *prefix)
{
	char path[PATH_MAX];
	int n;

	snprintf(path, sizeof(path), "%s", f->from);
	n = snprintf(f->to, sizeof(f->to), "%s/%s-%s", dir, prefix, basename(path));
	if (n < 0 || n + 6 > (int)sizeof(f->to)) {
		tool_say("%s: the name is too long", dir);
		return SIM_ERROR;
	}
	memcpy(path, f->to, (size_t)n);
	memcpy(path + n, ".part", 6);
	f->out_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (f->out_fd < 0)
		return fail("--out: cannot write", path);
	memcpy(f->part, path, sizeof(path));
	return SIM_OK;
}

int transfer_open_files(struct transfer *t)
{
	static const char *const prefix[] = { "a-to-b", "b-to-a" };
	const char *dir = t->options->out;
	int i, status = SIM_OK;

	for (i = 0; i < 2 && status == SIM_OK; i++)
		status = open_input(&t->file[i]);
	if (status == SIM_OK && mkdir(dir, 0777) < 0 && errno != EEXIST)
		status = fail("--out: cannot make the folder", dir);
	for (i = 0; i < 2 && status == SIM_OK; i++)
		status = open_output(&t->file[i], dir, prefix[i]);
	return status;
}

static bool chunk_differs(const struct transfer_file *f, off_t offset)
{
	static char sent[STREAM_CHUNK], received[STREAM_CHUNK];
	ssize_t n = pread(f->in_fd, sent, sizeof(sent), offset);

	return n <= 0 || pread(f->out_fd, received, sizeof(received), offset) != n ||
	       memcmp(sent, received, (size_t)n) != 0;
}

static void count_chunks(struct transfer_file *f)
{
	for (; f->chunks * STREAM_CHUNK < f->size; f->chunks++)
		f->damaged += chunk_differs(f, (off_t)(f->chunks * STREAM_CHUNK));
}

static int verify(struct transfer_file *f, bool corrupted)
{
	int ret = digest_file(f->in_fd, f->sent_digest);

	if (ret == 0)
		ret = digest_file(f->out_fd, f->received_digest);
	if (ret < 0) {
		tool_say("comparing %s and %s: %s", f->from, f->part, strerror(-ret));
		return SIM_ERROR;
	}
	f->identical = strcmp(f->sent_digest, f->received_digest) == 0;
	count_chunks(f);
	if (!f->identical && corrupted) {
		f->part[0] = '\0'; /* it stays */
		return SIM_OK;
	}
	if (!f->identical) {
		tool_say("%s: received something else than %s; it is kept as %s", f->label, f->from,
			 f->part);
		f->part[0] = '\0';
		return SIM_ERROR;
	}
	if (rename(f->part, f->to) < 0)
		return fail("cannot rename to", f->to);
	f->part[0] = '\0';
	return SIM_OK;
}

int transfer_verify(struct transfer *t)
{
	bool corrupted = t->options->faults.corrupt > 0;
	int a = verify(&t->file[SIDE_A], corrupted);
	int b = verify(&t->file[SIDE_B], corrupted);

	return a != SIM_OK ? a : b;
}

void transfer_close_files(struct transfer *t)
{
	int i;

	for (i = 0; i < 2; i++) {
		close_fd(&t->file[i].in_fd);
		close_fd(&t->file[i].out_fd);
		if (t->file[i].part[0])
			unlink(t->file[i].part);
	}
}
