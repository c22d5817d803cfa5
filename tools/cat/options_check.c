// SPDX-License-Identifier: Apache-2.0
/*
 * Options together: which do not go with each other, which link they name, and what is left to its
 * default.
 */
#include "cat/options_check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cat/cutter.h"
#include "common/tool.h"

static void check_send(const struct reading *r)
{
	const struct options *o = r->o;

	if (o->message_count > 0 || o->file || r->input_given || o->receive_only)
		tool_usage("--send does not go with --input, --message, --file or -u");
	if (o->no_block)
		tool_usage("--no-block would leave holes in the file of --send");
}

static void check_recv(const struct reading *r)
{
	const struct options *o = r->o;

	if (o->send_only)
		tool_usage("--recv does not go with -U (send only)");
	if (r->format_given || r->zone_given || o->format.stamp != STAMP_NONE)
		tool_usage("--recv writes the bytes and nothing else; leave format and timestamp "
			   "away");
}

/* What is sent and received otherwise is not, unless it is said. */
static void check_files(const struct reading *r)
{
	struct options *o = r->o;

	if (o->send_file)
		check_send(r);
	if (o->recv_file)
		check_recv(r);
	if (!o->send_file && !o->recv_file && (o->bytes > 0 || r->offset_given || o->no_io_uring))
		tool_usage("--bytes, --offset and --no-io-uring are about the files of --send and "
			   "--recv");
	if (o->send_file && !o->recv_file)
		o->send_only = true;
	if (o->recv_file && !o->send_file && o->message_count == 0 && !o->file)
		o->receive_only = true;
}

/* Before the first of them is sent. */
static void check_hex(const char *message)
{
	size_t size = strlen(message);
	uint8_t *decoded = malloc(size + 1);

	if (!decoded)
		tool_fail(TOOL_ERROR, "out of memory");
	if (hex_decode(decoded, message, size) < 0)
		tool_usage("--message: '%s' is not hexadecimal: write two digits per byte, for "
			   "example '48 65 6c'",
			   message);
	free(decoded);
}

static void check_input(const struct reading *r)
{
	const struct options *o = r->o;
	bool input = o->message_count > 0 || o->file;

	if (o->receive_only && o->send_only)
		tool_usage("choose one of -u (receive only) and -U (send only)");
	if (o->receive_only && input)
		tool_usage("-u (receive only) does not go with --message or --file");
	if (o->receive_only && o->quit_after >= 0)
		tool_usage(
			"-u (receive only) reads no input whose end --quit-after could wait for");
	if (o->message_count > 0 && o->file)
		tool_usage("choose one of --message and --file");
	if (o->no_block && r->timeout_given)
		tool_usage("choose one of --no-block and --send-timeout");
	if (r->rate && o->interval > 0)
		tool_usage("choose one of --rate and --interval");
	if (r->burst_given && !r->rate && o->interval == 0)
		tool_usage("--burst needs --rate or --interval");
	for (size_t i = 0; o->cut == CUT_HEX && i < o->message_count; i++)
		check_hex(o->messages[i]);
}

static void check_output(const struct reading *r)
{
	struct options *o = r->o;

	if (r->zone_given && o->format.stamp == STAMP_NONE)
		o->format.stamp = STAMP_DATE;
	if (o->verbose && o->quiet)
		tool_usage("choose one of --verbose and --quiet");
	if (o->format.kind == FORMAT_RAW && o->format.stamp != STAMP_NONE)
		tool_usage("format raw has no room for timestamps; choose another --format");
	if (!r->format_given)
		o->format.kind = isatty(STDOUT_FILENO) ? FORMAT_TEXT : FORMAT_LINE;
}

static bool is_instance_name(const char *text, size_t length)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";

	return length <= 63 && strspn(text, allowed) >= length;
}

/* [INSTANCE:]ENDPOINT. */
static void find_target(struct options *o, const char *text)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;

	o->endpoint = text;
	if (colon && is_instance_name(text, length)) {
		o->endpoint = colon + 1;
		o->instance = length > 0 ? strndup(text, length) : NULL;
	}
	if (!*o->endpoint)
		tool_usage("'%s' names no endpoint; write for example ep0", text);
	if (strlen(o->endpoint) > ICBMSG_EPT_NAME_MAX)
		tool_usage("the endpoint's name is longer than %d bytes", ICBMSG_EPT_NAME_MAX);
}

/* The instance may be named with the endpoint, or by --direct. */
static void set_direct(struct options *o, const char *text)
{
	direct_init(&o->direct, text);
	if (!o->instance)
		return;
	if (!o->direct.instance)
		o->direct.instance = strdup(o->instance);
	if (strcmp(o->direct.instance, o->instance) != 0)
		tool_usage("--direct says instance '%s', but the endpoint is given as '%s:%s'; "
			   "leave one away",
			   o->direct.instance, o->instance, o->endpoint);
}

static void set_socket(struct options *o, const char *path)
{
	struct stat st;

	if (!*path)
		tool_usage("--socket: the path is empty; give the daemon's run folder, or a socket "
			   "in it");
	o->socket = path;
	o->socket_of_endpoint = stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The arguments: what the link is, and which endpoint of it. */
static void check_link(struct reading *r, int argc, char **argv)
{
	struct options *o = r->o;

	if (r->direct && r->socket)
		tool_usage("choose one of --direct and --socket");
	set_socket(o, r->socket ? r->socket : ICBMSG_RUNDIR);
	if (argc > 1)
		tool_usage("one endpoint at a time: '%s' is one too many", argv[1]);
	if (argc == 1 && o->socket_of_endpoint)
		tool_usage("--socket names an endpoint's socket: leave '%s' away", argv[0]);
	if (argc == 0 && !o->socket_of_endpoint)
		tool_usage("which endpoint? Give its name as the last argument");
	if (argc == 1)
		find_target(o, argv[0]);
	if (r->direct)
		set_direct(o, r->direct);
}

void options_check(struct reading *r, int argc, char **argv)
{
	check_link(r, argc, argv);
	check_files(r);
	check_input(r);
	check_output(r);
}
