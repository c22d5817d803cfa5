// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel checks (drivers/char/mem.c): to open, the file's permissions, CAP_SYS_RAWIO and
 * that it is not locked down (both EPERM); to map, that the CPU has such addresses (EINVAL) and,
 * with STRICT_DEVMEM, that no RAM of its own lies there, with IO_STRICT_DEVMEM that no driver has
 * claimed it (both EPERM).
 */
#include "mem/devmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#define NAME_SIZE 64u

struct request {
	const char *label, *root;
	uint64_t address, size;
	bool read_only;
	char *error;
};

static bool has_rawio(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) < 0 || data[0].effective & (1u << CAP_SYS_RAWIO);
}

static int fail_open(const struct request *r, int err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dev/mem", r->root);
	if (err == EACCES)
		return mem_fail_access(r->error, r->label, path, r->read_only,
				       "use a UIO device, which needs no privileges");
	if (err == EPERM && !has_rawio())
		return mem_fail(
			r->error, -err,
			"%s: /dev/mem needs the capability CAP_SYS_RAWIO; run as root, give "
			"it to the service (AmbientCapabilities=), or use a UIO device",
			r->label);
	if (err == EPERM)
		return mem_fail(
			r->error, -err,
			"%s: the kernel is locked down and gives nobody /dev/mem (see "
			"/sys/kernel/security/lockdown); turn Secure Boot off, or use a UIO "
			"device",
			r->label);
	if (err == ENOENT || err == ENXIO)
		return mem_fail(r->error, -err,
				"%s: there is no /dev/mem: a container, or a kernel without "
				"CONFIG_DEVMEM; use a UIO device",
				r->label);
	return mem_fail(r->error, -err, "%s: /dev/mem cannot be opened: %s", r->label,
			strerror(err));
}

/* Take "  FROM-TO : NAME" apart; NAME without its end of line. */
static bool parse_resource(const char *line, uint64_t *from, uint64_t *to, char name[NAME_SIZE])
{
	return sscanf(line, " %" SCNx64 "-%" SCNx64 " : %63[^\n]", from, to, name) == 3;
}

/*
 * Who is in the way, by /proc/iomem: Linux's own RAM, or the innermost resource. Without privileges
 * all addresses there are 0, and nothing is found.
 */
static bool find_owner(const struct request *r, char owner[NAME_SIZE])
{
	_cleanup_(close_file) FILE *f = NULL;
	char line[256], name[NAME_SIZE];
	uint64_t from, to;

	snprintf(line, sizeof(line), "%s/proc/iomem", r->root);
	f = fopen(line, "re");
	owner[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		if (!parse_resource(line, &from, &to, name) || from > r->address + r->size - 1 ||
		    to < r->address)
			continue;
		memcpy(owner, name, NAME_SIZE);
		if (strcmp(name, "System RAM") == 0)
			break;
	}
	return owner[0];
}

static int fail_refused(const struct request *r)
{
	char owner[NAME_SIZE];

	if (!find_owner(r, owner))
		return mem_fail(r->error, -EPERM,
				"%s: the kernel refuses (CONFIG_STRICT_DEVMEM): Linux or a driver "
				"uses this memory; reserve it, or boot with iomem=relaxed",
				r->label);
	if (strcmp(owner, "System RAM") == 0)
		return mem_fail(r->error, -EPERM,
				"%s: the kernel refuses: this is Linux's own RAM; reserve it: "
				"reserved-memory with no-map in the devicetree, or memmap= on the "
				"command line",
				r->label);
	return mem_fail(
		r->error, -EPERM,
		"%s: the kernel refuses: \"%s\" has claimed it; unbind that driver, or boot "
		"with iomem=relaxed",
		r->label, owner);
}

static int fail_map(const struct request *r, int ret)
{
	if (ret == -EPERM)
		return fail_refused(r);
	if (ret == -EINVAL || ret == -EOVERFLOW)
		return mem_fail(
			r->error, -EINVAL,
			"%s: 0x%" PRIx64 " + %" PRIu64
			" cannot be mapped: beyond this CPU's addresses, or mapped by Linux "
			"with other caching (try the other memory-sync)",
			r->label, r->address, r->size);
	return mem_fail(r->error, ret, "%s: mapping %" PRIu64 " bytes: %s", r->label, r->size,
			strerror(-ret));
}

int devmem_map(struct window *w, uint64_t address, uint64_t size, bool sync, bool read_only,
	       const char *label, const char *root, char error[MEM_ERROR_SIZE])
{
	const struct request r = { label, root ? root : "", address, size, read_only, error };
	int flags = (read_only ? O_RDONLY : O_RDWR) | (sync ? O_SYNC : 0) | O_CLOEXEC;
	_cleanup_(close_fd) int fd = -1;
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s/dev/mem", r.root);
	fd = open(path, flags);
	if (fd < 0)
		return fail_open(&r, errno);
	ret = window_map(w, fd, address, 0, size, read_only);
	return ret < 0 ? fail_map(&r, ret) : take_fd(&fd);
}
