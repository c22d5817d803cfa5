// SPDX-License-Identifier: Apache-2.0
/*
 * Landlock: which files can be reached from now on. The numbers are those of the kernel's
 * linux/landlock.h; Debian 12's copy ends at version 2 of the interface, the kernel may know more.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_TRUNCATE (UINT64_C(1) << 14)  /* version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */

#define NET_BIND_AND_CONNECT_TCP UINT64_C(3) /* version 4 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)      /* version 6 */

/* struct landlock_ruleset_attr of version 6; a kernel takes as many members as it knows. */
struct ruleset {
	uint64_t fs, net, scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define FS_MAKE                                                                  \
	(FS_WRITE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |          \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define FS_OF_A_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

/* What each version can forbid, and how long its struct is. */
static uint64_t all_rights(long version)
{
	if (version < 2)
		return LANDLOCK_ACCESS_FS_REFER - 1;
	if (version < 3)
		return FS_TRUNCATE - 1;
	return version < 5 ? FS_IOCTL_DEV - 1 : 2 * FS_IOCTL_DEV - 1;
}

static size_t ruleset_size(long version)
{
	if (version < 4)
		return sizeof(uint64_t);
	return version < 6 ? 2 * sizeof(uint64_t) : sizeof(struct ruleset);
}

static uint64_t rights_of(enum confine_access access)
{
	switch (access) {
	case CONFINE_READ:
		return FS_READ;
	case CONFINE_WRITE:
		return FS_WRITE;
	default:
		return FS_MAKE;
	}
}

static int add(int ruleset, const struct confine_path *p, uint64_t handled)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = rights_of(p->access) & handled,
		.parent_fd = open(p->path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	int ret = 0;

	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		ret = -errno;
	close(rule.parent_fd);
	return ret;
}

int confine_files(const struct confine_path *paths, unsigned int count)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset attr = {
		.fs = all_rights(version),
		.net = NET_BIND_AND_CONNECT_TCP,
		.scoped = SCOPE_SIGNAL,
	};
	int ret = 0, fd;

	if (version < 0)
		return -errno;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, ruleset_size(version), 0);
	if (fd < 0)
		return -errno;
	for (unsigned int n = 0; ret == 0 && n < count; n++)
		ret = add(fd, &paths[n], attr.fs);
	if (ret == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		ret = -errno;
	close(fd);
	return ret;
}
