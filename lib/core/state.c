// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions in files. The file is locked while it is used, and only sized and mapped here.
 */
#include "core/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

static int fail(struct icbmsg_config *cfg, const char *path, int err, const char *remedy)
{
	return config_fail(cfg, -err, "state-file %s: %s%s", path, strerror(err), remedy);
}

/*
 * The whole file, for as long as it is open or mapped anywhere. Unlike flock(2)'s such a lock can be
 * asked for without being taken. Returns what @fcntl_command leaves of @type, or -1.
 */
static int lock(int fd, int fcntl_command, short type)
{
	struct flock whole = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, fcntl_command, &whole) < 0 ? -1 : whole.l_type;
}

static void *map(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, sizeof(struct session), PROT_READ | PROT_WRITE, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A file with anything else in it is not ours to write to. */
static int check_content(int fd, const char *path, struct icbmsg_config *cfg)
{
	struct session *s;
	struct stat st;
	bool ours;

	if (fstat(fd, &st) < 0)
		return fail(cfg, path, errno, "");
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return 0;
	s = malloc(sizeof(*s));
	if (!s)
		return fail(cfg, path, ENOMEM, "");
	ours = S_ISREG(st.st_mode) && pread(fd, s, sizeof(*s), 0) == (ssize_t)sizeof(*s) &&
	       session_valid(s, sizeof(*s));
	free(s);
	if (ours)
		return 0;
	return config_fail(cfg, -EBADMSG,
			   "state-file %s: holds something else than a session of this version; "
			   "name another file, or remove it",
			   path);
}

int state_open(struct state *st, const char *path, struct icbmsg_config *cfg)
{
	_cleanup_(close_fd) int fd = -1;
	struct session *s;
	int err;

	if (path[0] != '\0') {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return fail(cfg, path, errno, "; name a file in a folder you may write to");
		if (lock(fd, F_OFD_SETLK, F_WRLCK) < 0)
			return fail(cfg, path, EBUSY,
				    ": another process has this instance open; stop it first, or "
				    "give each its own state-file");
		err = check_content(fd, path, cfg);
		if (err < 0)
			return err;
		/* Reserved at once: a full disk must not become a SIGBUS later. */
		err = posix_fallocate(fd, 0, sizeof(struct session));
		if (err)
			return fail(cfg, path, err, "");
	}
	s = map(fd);
	if (!s)
		return fail(cfg, path, errno, "");
	st->session = s;
	st->fd = take_fd(&fd);
	return 0;
}

void state_release(struct state *st)
{
	_cleanup_(free_ptr) struct session *copy = NULL;
	void *at = st->session;

	if (st->fd < 0)
		return;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return;
	*copy = *st->session;
	/* The mapping would keep the lock, and what is written here would reach the next owner. */
	if (mmap(at, sizeof(*copy), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == at)
		*st->session = *copy;
	close_fd(&st->fd);
}

void state_close(struct state *st)
{
	if (st->session)
		munmap(st->session, sizeof(struct session));
	st->session = NULL;
	close_fd(&st->fd);
}

static int read_copy(struct state_copy *out, const char *path, struct icbmsg_config *cfg)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return fail(cfg, path, errno, "");
	n = pread(fd, &out->session, sizeof(out->session), 0);
	if (n < 0)
		return fail(cfg, path, errno, "");
	out->in_use = lock(fd, F_OFD_GETLK, F_WRLCK) == F_WRLCK;
	if (!session_valid(&out->session, (size_t)n))
		return config_fail(cfg, -EBADMSG,
				   "state-file %s: not a session of this version of libicbmsg",
				   path);
	return 0;
}

static void to_public(struct icbmsg_record *out, const struct recorder_entry *e, uint8_t dir)
{
	*out = (struct icbmsg_record){
		.number = e->number,
		.time_ns = e->time_ns,
		.session = e->generation,
		.direction = dir == RECORDER_TX ? ICBMSG_TX : ICBMSG_RX,
		.kind = (enum icbmsg_record_kind)e->kind,
		.offset = e->offset,
		.size = e->size,
		.type = e->type,
		.ept = e->ept,
		.block = e->block,
	};
}

size_t state_records(const struct session *s, struct icbmsg_record *records, size_t max)
{
	enum { ALL = RECORDER_DIRECTIONS * RECORDER_ENTRIES };
	struct recorder_entry entries[ALL];
	uint8_t dirs[ALL];
	size_t count = recorder_read(&s->recorder, entries, dirs, max < ALL ? max : ALL);

	for (size_t i = 0; i < count; i++)
		to_public(&records[i], &entries[i], dirs[i]);
	return count;
}

int state_load(struct state_copy *out, struct icbmsg_config *cfg)
{
	const char *path = config_get(cfg, "state-file");

	if (path)
		return read_copy(out, path, cfg);
	return config_fail(
		cfg, -ENOENT,
		"state-file: missing; flight recorder, counters and endpoints are kept in "
		"a file only where the configuration names one");
}

int state_load_records(struct icbmsg_config *cfg, struct icbmsg_record *records, size_t max)
{
	_cleanup_(free_ptr) struct state_copy *copy = malloc(sizeof(*copy));
	int ret;

	if (!copy)
		return config_fail(cfg, -ENOMEM, "not enough memory for a session");
	ret = state_load(copy, cfg);
	return ret < 0 ? ret : (int)state_records(&copy->session, records, max);
}
