// SPDX-License-Identifier: Apache-2.0
/*
 * Messages that more than one source needs.
 */
#include "mem/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#define ACCOUNT_SIZE 40u

int mem_fail(char error[MEM_ERROR_SIZE], int ret, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, MEM_ERROR_SIZE, format, ap);
	va_end(ap);
	return ret;
}

static void owner_name(char out[ACCOUNT_SIZE], uid_t uid)
{
	struct passwd entry, *found = NULL;
	char buffer[1024];

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(out, ACCOUNT_SIZE, "%s", found->pw_name);
	else
		snprintf(out, ACCOUNT_SIZE, "%u", uid);
}

static void group_name(char out[ACCOUNT_SIZE], gid_t gid)
{
	struct group entry, *found = NULL;
	char buffer[4096];

	if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(out, ACCOUNT_SIZE, "%s", found->gr_name);
	else
		snprintf(out, ACCOUNT_SIZE, "%u", gid);
}

int mem_fail_access(char error[MEM_ERROR_SIZE], const char *label, const char *path, bool read_only,
		    const char *remedy)
{
	mode_t wanted = read_only ? S_IRGRP : S_IRGRP | S_IWGRP;
	char user[ACCOUNT_SIZE], group[ACCOUNT_SIZE];
	struct stat st;

	if (stat(path, &st) < 0)
		return mem_fail(error, -EACCES,
				"%s: permission denied; check the permissions of "
				"the folders above %s",
				label, path);
	owner_name(user, st.st_uid);
	group_name(group, st.st_gid);
	if ((st.st_mode & wanted) == wanted)
		return mem_fail(error, -EACCES,
				"%s: permission denied: it belongs to %s:%s, mode %04o; become a "
				"member of group %s",
				label, user, group, st.st_mode & 07777, group);
	return mem_fail(error, -EACCES,
			"%s: permission denied: it belongs to %s:%s, mode %04o; run as %s, or %s",
			label, user, group, st.st_mode & 07777, user, remedy);
}
