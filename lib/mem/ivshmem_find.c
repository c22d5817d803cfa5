// SPDX-License-Identifier: Apache-2.0
/*
 * Where the ivshmem device is, as sysfs describes it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem/ivshmem_pci.h"
#include "util/cleanup.h"

#define DEVICES_DIR "/sys/bus/pci/devices"
#define VENDOR 0x1af4 /* Red Hat, Inc., for virtual devices; */
#define DEVICE 0x1110 /* its "Inter-VM shared memory" */
#define LIST_SIZE 100u

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int pci_open(const struct pci_place *p, const char *name, int flags)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A number as sysfs writes it, in hexadecimal; -1 if there is none. */
static long read_id(const struct pci_place *p, const char *name)
{
	_cleanup_(close_fd) int fd = pci_open(p, name, O_RDONLY);
	char text[16], *end;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	long id;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	id = strtol(text, &end, 16);
	return end == text ? -1 : id;
}

static bool is_ivshmem(const struct pci_place *p)
{
	return read_id(p, "vendor") == VENDOR && read_id(p, "device") == DEVICE;
}

/* The last part of what a link in the device's folder points to, "" if there is none. */
static void read_link(const struct pci_place *p, const char *name, char *out, size_t size)
{
	char path[PATH_MAX + 64], link[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	slash = strrchr(link, '/');
	snprintf(out, size, "%.*s", (int)size - 1, slash ? slash + 1 : link);
}

static void look_at(struct pci_place *p, const char *address, const char *root)
{
	*p = (struct pci_place){ .root = root };
	snprintf(p->address, sizeof(p->address), "%.*s", (int)sizeof(p->address) - 1, address);
	snprintf(p->folder, sizeof(p->folder), "%s" DEVICES_DIR "/%s", root, p->address);
}

static void look_closer(struct pci_place *p)
{
	char group[16];

	read_link(p, "driver", p->driver, sizeof(p->driver));
	read_link(p, "iommu_group", group, sizeof(group));
	p->group = isdigit((unsigned char)group[0]) ? atoi(group) : -1;
}

static int find_at(struct pci_place *out, const char *address, const char *root, char *error)
{
	struct pci_place p;

	look_at(&p, address, root);
	if (read_id(&p, "vendor") < 0)
		return mem_fail(
			error, -ENODEV,
			"ivshmem-pci:%s: there is no such PCI device; lspci -Dn shows which "
			"there are, an ivshmem one is 1af4:1110",
			p.address);
	if (!is_ivshmem(&p))
		return mem_fail(error, -ENODEV,
				"ivshmem-pci:%s is another device (%04lx:%04lx); lspci -Dn -d "
				"1af4:1110 shows where the ivshmem one is",
				p.address, read_id(&p, "vendor"), read_id(&p, "device"));
	look_closer(&p);
	*out = p;
	return 0;
}

static void list(char out[LIST_SIZE], const char *address)
{
	size_t n = strlen(out);

	snprintf(out + n, LIST_SIZE - n, "%s%s", n ? ", " : "", address);
}

static int find_only(struct pci_place *out, const char *root, char *error)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX], found[LIST_SIZE] = "";
	struct dirent *entry;
	struct pci_place p;
	int count = 0;

	snprintf(path, sizeof(path), "%s" DEVICES_DIR, root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		look_at(&p, entry->d_name, root);
		if (entry->d_name[0] == '.' || !is_ivshmem(&p))
			continue;
		list(found, p.address);
		*out = p;
		count++;
	}
	if (count == 0)
		return mem_fail(
			error, -ENODEV,
			"ivshmem-pci: this machine has no ivshmem device (1af4:1110); start "
			"QEMU with -device ivshmem-doorbell");
	if (count > 1)
		return mem_fail(error, -ENOTUNIQ,
				"ivshmem-pci: there are several such devices (%s); say which one, "
				"for example ivshmem-pci:%s",
				found, out->address);
	look_closer(out);
	return 0;
}

int pci_find_ivshmem(struct pci_place *out, const char *address, const char *root,
		     char error[MEM_ERROR_SIZE])
{
	if (!root)
		root = "";
	return address[0] ? find_at(out, address, root, error) : find_only(out, root, error);
}
