// SPDX-License-Identifier: Apache-2.0
/*
 * The memory that a library client shares with the daemon: a sealed memfd. With these seals no
 * access of ours can fail, whatever the client does to the file: it cannot be shrunk, and holes
 * that are punched into it are filled again.
 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020 /* Linux 6.3 */
#endif

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define PAGE 4096u
#define BLOCKS 128u
#define BLOCK_MIN 256u /* smaller regions have fewer blocks */
#define REGION_MAX (UINT64_C(1) << 30)

/* The ring: its indices, and a packet of 12 bytes for each block of both sides and two more. */
#define CONTROL_SIZE (3u * CLIENT_ALIGNMENT + 12u * (2u * BLOCKS + 2u))

/* A region with room for two messages of @largest bytes at once, whatever else is wished for. */
static uint32_t region_size(uint64_t largest, uint64_t wished)
{
	/* Each of the two begins a block, and wastes less than one. */
	const uint64_t spare = 2 * (uint64_t)BLOCK_MIN + CONTROL_SIZE;
	uint64_t payload = 2 * (largest + CLIENT_WORD_SIZE);
	uint64_t needed = payload + payload * 3 / BLOCKS + spare;
	uint64_t size = wished > needed ? wished : needed;

	if (size > REGION_MAX)
		size = REGION_MAX;
	return (uint32_t)((size + PAGE - 1) / PAGE * PAGE);
}

void link_shape_region(uint64_t largest, uint64_t wished, uint32_t *size, uint32_t *blocks)
{
	*size = region_size(largest, wished);
	*blocks = *size / BLOCK_MIN < BLOCKS ? *size / BLOCK_MIN : BLOCKS;
}

static uint64_t wish(const struct instance *i, uint32_t wished)
{
	uint64_t most = i->server->settings->daemon.library_region_max;

	if (wished == 0)
		return i->server->settings->daemon.library_region;
	return wished < most ? wished : most;
}

struct link_shape link_shape_for(const struct instance *i, uint32_t to_daemon, uint32_t to_client)
{
	struct link_shape s;

	link_shape_region(icbmsg_max_size(i->link), wish(i, to_daemon), &s.to_daemon,
			  &s.to_daemon_blocks);
	link_shape_region(icbmsg_max_rx_size(i->link), wish(i, to_client), &s.to_client,
			  &s.to_client_blocks);
	return s;
}

static int make_memfd(void)
{
	int fd = memfd_create("icbmsg-client", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("icbmsg-client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

int link_memory_new(const struct link_shape *shape)
{
	int fd = make_memfd(), ret;

	if (fd < 0)
		return -errno;
	/* All of it now: later there would be nobody to tell that memory has run out. */
	if (fallocate(fd, 0, 0, (off_t)link_shape_size(shape)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

bool link_memory_is_ours(int fd, const struct link_shape *shape)
{
	struct statfs fs;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	/* Huge pages have seals, too, but can run out, which would end us with SIGBUS. */
	return seals >= 0 && (seals & ~F_SEAL_EXEC) == SEALS && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == TMPFS_MAGIC && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == link_shape_size(shape) &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}
