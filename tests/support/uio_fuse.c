// SPDX-License-Identifier: Apache-2.0
/*
 * One file system with two files: uio0, and kick, which takes what the test wants to happen.
 * Requests are answered one by one, so nothing here needs a lock; the test changes single words.
 */
#define FUSE_USE_VERSION 34
#include "support/uio_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INO_ROOT = 1, INO_UIO, INO_KICK };

#define PAGE 4096
#define FOR_EVER 1000.0 /* seconds that names and attributes stay right */

static struct uio_fuse_device *device;
static struct fuse_pollhandle *waiting; /* whom to tell */

static struct stat attributes(fuse_ino_t ino)
{
	struct stat st = { .st_ino = ino, .st_nlink = 1 };

	st.st_mode = ino == INO_ROOT ? S_IFDIR | 0755 : S_IFREG | 0600;
	st.st_uid = geteuid();
	st.st_gid = getegid();
	return st;
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .attr_timeout = FOR_EVER, .entry_timeout = FOR_EVER };

	(void)parent;
	if (strcmp(name, "uio0") == 0)
		e.ino = INO_UIO;
	else if (strcmp(name, "kick") == 0)
		e.ino = INO_KICK;
	else {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e.attr = attributes(e.ino);
	fuse_reply_entry(req, &e);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = attributes(ino);

	(void)fi;
	fuse_reply_attr(req, &st, FOR_EVER);
}

/* What was read last; one for all descriptors, as tests have one open at a time. */
static uint32_t seen;

/* As uio_open(): what happened before is not news. */
static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino == INO_UIO)
		seen = device->count;
	fi->direct_io = 1;
	fi->nonseekable = 1;
	fuse_reply_open(req, fi);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	uint32_t count = device->count;

	(void)offset;
	device->reads++;
	if (ino != INO_UIO || size != sizeof(count))
		fuse_reply_err(req, EINVAL);
	else if (device->read_error)
		fuse_reply_err(req, device->read_error);
	else if (count == seen)
		/* A blocking read would never be answered: it is a mistake to make one. */
		fuse_reply_err(req, fi->flags & O_NONBLOCK ? EAGAIN : EDEADLK);
	else {
		seen = count;
		fuse_reply_buf(req, (const char *)&count, device->read_size);
	}
}

static void tell(void)
{
	if (!waiting)
		return;
	fuse_lowlevel_notify_poll(waiting);
	fuse_pollhandle_destroy(waiting);
	waiting = NULL;
}

static void interrupt(void)
{
	if (!device->enabled) {
		device->pending = true;
		return;
	}
	/* As uio_pdrv_genirq's handler: disabled until somebody enables it. */
	device->enabled = false;
	device->count++;
	tell();
}

static void enable(void)
{
	bool again = device->pending || (device->level && device->status);

	device->enables++;
	device->enabled = true;
	device->pending = false;
	if (again)
		interrupt();
}

static void write_uio(fuse_req_t req, const char *data, size_t size)
{
	uint32_t one = 0;

	if (device->write_error) {
		fuse_reply_err(req, device->write_error);
		return;
	}
	if (size == sizeof(one))
		memcpy(&one, data, sizeof(one));
	if (one != 1)
		device->bad_writes++;
	else
		enable();
	fuse_reply_write(req, size);
}

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *fi)
{
	(void)offset;
	(void)fi;
	if (ino == INO_UIO) {
		write_uio(req, data, size);
		return;
	}
	if (*data == 'i')
		interrupt();
	else
		tell();
	fuse_reply_write(req, size);
}

/* A device that is gone polls as ready for everything (uio_poll() returns -EIO as a mask). */
static void do_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *handle)
{
	unsigned int ready = device->count != seen || device->read_error ? POLLIN : 0;

	(void)fi;
	if (handle && waiting)
		fuse_pollhandle_destroy(waiting);
	if (handle)
		waiting = handle;
	fuse_reply_poll(req, ino == INO_UIO ? ready : POLLIN | POLLOUT);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.poll = do_poll,
};

/* The device's process. Tells @ready once it is mounted, and ends with SIGTERM or the test. */
static void serve(const char *root, int ready)
{
	char name[] = "uio_fuse", mount[64];
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), NULL);

	snprintf(mount, sizeof(mount), "%s/dev", root);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (!session || fuse_set_signal_handlers(session) != 0 ||
	    fuse_session_mount(session, mount) != 0)
		_exit(1);
	if (write(ready, "", 1) == 1)
		fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	_exit(0);
}

static bool map_registers(struct uio_fuse *u, const char *root)
{
	int fd;

	snprintf(u->registers, sizeof(u->registers), "%s/registers", root);
	fd = open(u->registers, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		return false;
	device = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	u->device = device;
	device->enabled = true;
	device->read_size = sizeof(uint32_t);
	return true;
}

bool uio_fuse_start(struct uio_fuse *u, const char *root)
{
	int ready[2];
	char byte;
	bool up;

	if (!map_registers(u, root) || pipe2(ready, O_CLOEXEC) < 0)
		return false;
	snprintf(u->kick, sizeof(u->kick), "%s/dev/kick", root);
	u->pid = fork();
	if (u->pid == 0)
		serve(root, ready[1]);
	close(ready[1]);
	up = u->pid > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	if (!up)
		uio_fuse_stop(u);
	return up;
}

void uio_fuse_stop(struct uio_fuse *u)
{
	if (u->pid > 0) {
		kill(u->pid, SIGTERM);
		waitpid(u->pid, NULL, 0);
	}
	munmap(u->device, PAGE);
	*u = (struct uio_fuse){ 0 };
}

static void kick(struct uio_fuse *u, const char *what)
{
	int fd = open(u->kick, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, what, 1) != 1)
		abort();
	close(fd);
}

void uio_fuse_interrupt(struct uio_fuse *u)
{
	if (u->device->level)
		u->device->status |= 1;
	kick(u, "i");
}

void uio_fuse_wake(struct uio_fuse *u)
{
	kick(u, "w");
}
