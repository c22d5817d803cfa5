// SPDX-License-Identifier: Apache-2.0
/*
 * Lines on stderr.
 */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/names.h"

#define NS_PER_S INT64_C(1000000000)
#define LINE_SIZE 900u

static enum icbmsg_log_level shown = ICBMSG_LOG_INFO;
static bool journal;

/* $JOURNAL_STREAM names the socket that leads to the journal: is stderr still that one? */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, stream) == 0;
}

void log_init(bool verbose)
{
	shown = verbose ? ICBMSG_LOG_DEBUG : ICBMSG_LOG_INFO;
	journal = is_journal();
}

/* Endpoints have the names that clients ask for. */
static void say(enum icbmsg_log_level level, const char *text)
{
	static const int priorities[] = {
		[ICBMSG_LOG_ERROR] = 3,
		[ICBMSG_LOG_WARNING] = 4,
		[ICBMSG_LOG_INFO] = 6,
		[ICBMSG_LOG_DEBUG] = 7,
	};
	char line[LINE_SIZE];

	name_printable(line, sizeof(line), text);
	if (journal)
		fprintf(stderr, "<%d>%s\n", priorities[level], line);
	else
		tool_say("%s", line);
}

void log_line(enum icbmsg_log_level level, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list ap;

	if (level > shown)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	say(level, line);
}

void log_limited(struct log_limit *limit, const char *format, ...)
{
	int64_t now = clock_now();
	char line[LINE_SIZE];
	va_list ap;
	int n;

	if (now < limit->next_ns) {
		limit->suppressed++;
		return;
	}
	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (limit->suppressed > 0 && n >= 0 && (size_t)n < sizeof(line))
		snprintf(line + n, sizeof(line) - (size_t)n, " (and %" PRIu64 " times before)",
			 limit->suppressed);
	*limit = (struct log_limit){ .next_ns = now + NS_PER_S };
	say(ICBMSG_LOG_WARNING, line);
}

int64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}
