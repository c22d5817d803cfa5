// SPDX-License-Identifier: Apache-2.0
/*
 * What the daemon keeps, by its configuration, and the layers in their order.
 */
#include "confine.h"

#include <cap-ng.h>
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exported.h"
#include "instance.h"
#include "log.h"
#include "server.h"

#define NOBODY "icbmsg-no-such-name"

static bool confined;

int confine_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static uint64_t bit(unsigned int capability)
{
	return UINT64_C(1) << capability;
}

int confine_capabilities(uint64_t keep)
{
	capng_select_t what = CAPNG_SELECT_CAPS;

	if (capng_get_caps_process() < 0)
		return -EINVAL;
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0; /* nothing to give up, and a service manager may forbid to ask */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		what = CAPNG_SELECT_BOTH; /* the bounding set, too */
	for (unsigned int c = 0; c < 64; c++)
		if ((keep & bit(c)) && !capng_have_capability(CAPNG_PERMITTED, c))
			keep &= ~bit(c);
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned int c = 0; c < 64; c++)
		if (keep & bit(c))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, c);
	return capng_apply(what) < 0 ? -EPERM : 0;
}

/* ------------------------------------------------------------------------------------------------
 * Capabilities that a configuration needs
 */

/* SO_SNDBUF gives twice what it is asked for, up to twice this. */
static uint64_t wmem_max(void)
{
	FILE *file = fopen("/proc/sys/net/core/wmem_max", "re");
	uint64_t value = 0;
	char line[32];

	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file))
		value = strtoull(line, NULL, 10);
	fclose(file);
	return value;
}

static bool needs_large_buffers(const struct exported *e, uint64_t limit)
{
	return e->settings.socket_buffer > 2 * limit ||
	       icbmsg_max_rx_size(e->instance->link) + SOCKET_OVERHEAD > 2 * limit;
}

/* Files are given to others, or to groups that are not this process's. */
static bool gives_away(uid_t owner, gid_t group)
{
	gid_t groups[256];
	int n = getgroups(256, groups);

	if (owner != (uid_t)-1 && owner != geteuid())
		return true;
	if (group == (gid_t)-1 || group == getegid())
		return false;
	while (n-- > 0)
		if (groups[n] == group)
			return false;
	return true;
}

static bool rundir_is_foreign(const char *rundir)
{
	struct stat st;

	return stat(rundir, &st) == 0 && st.st_uid != geteuid();
}

static uint64_t needed_capabilities(const struct server *s)
{
	const struct daemon_settings *d = &s->settings->daemon;
	const struct endpoint_section *section;
	const struct instance *i;
	const struct exported *e;
	bool away = gives_away(d->control_owner, d->control_group) ||
		    gives_away(d->library_owner, d->library_group);
	uint64_t limit = wmem_max(), keep = 0;

	STAILQ_FOREACH(section, &s->settings->endpoints, next)
		away |= gives_away(section->values.owner, section->values.group);
	TAILQ_FOREACH(i, &s->instances, next)
		TAILQ_FOREACH(e, &i->exports, next)
			if (needs_large_buffers(e, limit))
				keep |= bit(CAP_NET_ADMIN);
	if (away)
		keep |= bit(CAP_CHOWN) | bit(CAP_FOWNER);
	if (rundir_is_foreign(d->rundir))
		keep |= bit(CAP_DAC_OVERRIDE);
	return keep;
}

/* ------------------------------------------------------------------------------------------------
 * Files that a configuration needs
 */

struct paths {
	struct confine_path *path;
	char **own; /* to be freed */
	unsigned int count;
	bool incomplete; /* out of memory */
};

/* Links share devices and folders, and each key that names a device adds all of its kind. */
static bool has(const struct paths *p, const char *path, enum confine_access access)
{
	for (unsigned int n = 0; n < p->count; n++)
		if (p->path[n].access == access && strcmp(p->own[n], path) == 0)
			return true;
	return false;
}

static bool grow(struct paths *p)
{
	size_t count = p->count + 1;
	struct confine_path *path = reallocarray(p->path, count, sizeof(*path));
	char **own = reallocarray(p->own, count, sizeof(*own));

	if (path)
		p->path = path;
	if (own)
		p->own = own;
	return path && own;
}

/* Takes @path, which is NULL where there was no memory for it. */
static void add(struct paths *p, char *path, enum confine_access access)
{
	if (path && has(p, path, access)) {
		free(path);
		return;
	}
	if (!path || !grow(p)) {
		p->incomplete = true;
		free(path);
		return;
	}
	p->own[p->count] = path;
	p->path[p->count++] = (struct confine_path){ path, access };
}

/* The folder of the file @path, as text of its own. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* The folder of FILE in dt:FILE[:NODE]; NODE may have slashes, too. */
static char *folder_of_tree(const char *geometry)
{
	const char *file = strchr(geometry, ':') + 1;
	const char *colon = strrchr(file, ':');
	char *name = colon ? strndup(file, (size_t)(colon - file)) : strdup(file);
	char *folder = name ? folder_of(name) : NULL;

	free(name);
	return folder;
}

static void add_matches(struct paths *p, const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t n = 0; n < found.gl_pathc; n++)
		add(p, strdup(found.gl_pathv[n]), CONFINE_WRITE);
	globfree(&found);
}

/* Whether @value has a word that begins with @source: "mem:" is also the end of "ivshmem:". */
static bool names(const char *value, const char *source)
{
	const char *at = strstr(value, source);

	while (at && at > value && isalpha((unsigned char)at[-1]))
		at = strstr(at + 1, source);
	return at;
}

/*
 * The devices that memory, or accesses to registers, name somewhere in @value. A path ends where one
 * can end there.
 */
static void add_devices(struct paths *p, const char *value)
{
	if (names(value, "mem:"))
		add(p, strdup("/dev/mem"), CONFINE_WRITE);
	if (names(value, "uio:")) {
		add_matches(p, "/dev/uio*");
		/* To enable the interrupts of PCI devices. */
		add_matches(p, "/sys/class/uio/uio*/device/config");
	}
	while ((value = strstr(value, "file:/"))) {
		value += strlen("file:");
		add(p, strndup(value, strcspn(value, " \t,+")), CONFINE_WRITE);
	}
}

/* A link that a reload closes may come back with the next one. */
static void add_instance(struct paths *p, const struct instance_section *section)
{
	static const char *const device_keys[] = { "memory", "doorbell-in", "doorbell-out",
						   "doorbell-setup", "doorbell-ack" };
	const char *state = icbmsg_config_get(section->cfg, "state-file");
	const char *tree = icbmsg_config_get(section->cfg, "geometry");

	if (tree)
		add(p, folder_of_tree(tree), CONFINE_READ);
	if (state)
		add(p, folder_of(state), CONFINE_MAKE);
	for (size_t n = 0; n < sizeof(device_keys) / sizeof(*device_keys); n++) {
		const char *value = icbmsg_config_get(section->cfg, device_keys[n]);

		if (value)
			add_devices(p, value);
	}
}

static void find_paths(struct paths *p, const struct server *s)
{
	/* Names of users and groups, the dynamic loader, UIO devices, limits of the kernel. */
	static const char *const readable[] = { "/etc",  "/usr", "/lib", "/lib64",
						"/proc", "/sys", "/run", "/var/lib/sss" };
	const struct instance_section *section;

	for (size_t n = 0; n < sizeof(readable) / sizeof(*readable); n++)
		add(p, strdup(readable[n]), CONFINE_READ);
	add(p, folder_of(s->source.path), CONFINE_READ);
	add(p, strdup(s->source.directory), CONFINE_READ);
	add(p, strdup(s->settings->daemon.rundir), CONFINE_MAKE);
	add(p, strdup("/dev/shm"), CONFINE_MAKE);
	add(p, strdup("/dev/null"), CONFINE_WRITE);
	add(p, strdup("/dev/urandom"), CONFINE_READ);
	STAILQ_FOREACH(section, &s->settings->instances, next)
		add_instance(p, section);
}

static int confine_server_files(const struct server *s)
{
	struct paths p = { 0 };
	int ret;

	find_paths(&p, s);
	ret = p.incomplete ? -ENOMEM : confine_files(p.path, p.count);
	while (p.count > 0)
		free(p.own[--p.count]);
	free(p.own);
	free(p.path);
	return ret;
}

/* ------------------------------------------------------------------------------------------------
 * All of it
 */

/* What finds users and groups is loaded on its first use, which the filter would forbid. */
static void load_name_services(void)
{
	getpwnam(NOBODY);
	getgrnam(NOBODY);
}

/* How a layer went; returns what the start has to fail with. */
static int judge(const struct server *s, const char *layer, int ret, char error[ERROR_SIZE])
{
	if (ret == 0)
		return 0;
	if (s->settings->daemon.confine == CONFINE_YES) {
		snprintf(error, ERROR_SIZE,
			 "confine = yes, but %s cannot be had: %s; use confine = auto", layer,
			 strerror(-ret));
		return ret;
	}
	log_info("runs without %s: %s", layer, strerror(-ret));
	return 0;
}

int confine(const struct server *s, char error[ERROR_SIZE])
{
	int ret;

	if (s->settings->daemon.confine == CONFINE_NO)
		return 0;
	load_name_services();
	ret = judge(s, "dropped capabilities", confine_capabilities(needed_capabilities(s)), error);
	if (ret == 0)
		ret = judge(s, "no-new-privs", confine_privileges(), error);
	if (ret == 0)
		ret = judge(s, "Landlock", confine_server_files(s), error);
	if (ret == 0)
		ret = judge(s, "a filter of system calls", confine_calls(), error);
	confined = ret == 0;
	return ret;
}

const char *confine_hint(int ret)
{
	if (!confined || (ret != -EACCES && ret != -EPERM))
		return "";
	return "; the daemon has given up privileges since it started: restart it";
}
