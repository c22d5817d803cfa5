// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim serve`: its options, and its course.
 */
#include "serve.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "args.h"
#include "json.h"
#include "parent.h"
#include "util/cleanup.h"

#define SIZE_MIN 4096u
#define SIZE_LIMIT (UINT64_C(1) << 40)

static const char help[] =
	"Usage: " SIM_NAME " serve [OPTION]... SOCKET\n"
	"A server of the ivshmem protocol at the Unix socket SOCKET: whoever connects shares one memory\n"
	"with all others, and can ring their doorbells. Clients are programs that have\n"
	"memory = ivshmem:SOCKET in their configuration, " SIM_NAME
	" echo --ivshmem SOCKET, and QEMU with\n"
	"-chardev socket,path=SOCKET,id=bus -device ivshmem-doorbell,vectors=1,chardev=bus\n"
	"\n"
	"Each client gets an id, the lowest that is free. The memory begins as zeros and ends with the\n"
	"server and the last client.\n"
	"\n"
	"      --size BYTES         of the memory, a power of two from 4k (1M)\n"
	"      --vectors N          doorbells of each client, 0 to 64 (1)\n"
	"      --socket-mode MODE   who may connect: the socket's permissions, octal (0600)\n"
	"  -v, --verbose            tell on stderr who comes and goes\n"
	"      --banner             print one line when ready\n"
	"      --json               tell in the end what was counted, as one object\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 1 error, 128 + n after signal n; 2 usage.\n";

enum { OPT_SIZE = 0x100, OPT_VECTORS, OPT_SOCKET_MODE, OPT_BANNER, OPT_JSON };

static const struct option long_options[] = {
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "vectors", required_argument, NULL, OPT_VECTORS },
	{ "socket-mode", required_argument, NULL, OPT_SOCKET_MODE },
	{ "verbose", no_argument, NULL, 'v' },
	{ "banner", no_argument, NULL, OPT_BANNER },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static mode_t socket_mode(const char *text)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end || mode > 0777)
		tool_usage("--socket-mode: \"%s\" is not an octal mode from 0 to 0777", text);
	return (mode_t)mode;
}

/* QEMU makes a PCI region of it, and those are powers of two. */
static uint64_t memory_size(const char *text)
{
	uint64_t size = arg_size("--size", text, SIZE_MIN, SIZE_LIMIT);

	if (size & (size - 1))
		tool_usage("--size: %s is no power of two, which QEMU needs", text);
	return size;
}

static bool take_option(void *options, int c)
{
	struct serve_options *o = options;

	switch (c) {
	case OPT_SIZE:
		o->size = memory_size(optarg);
		return true;
	case OPT_VECTORS:
		o->vectors = (unsigned int)arg_number("--vectors", optarg, 0, BUS_VECTORS_MAX);
		return true;
	case OPT_SOCKET_MODE:
		o->mode = socket_mode(optarg);
		return true;
	case 'v':
		o->verbose = true;
		return true;
	case OPT_BANNER:
		o->banner = true;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	default:
		return false;
	}
}

static const struct args args = { help, "hv", long_options, take_option };

/* One for each client and each of its vectors. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void banner(const struct serve_options *o)
{
	if (o->banner)
		tool_banner(SIM_NAME ": ready: %llu bytes, %u vectors, at %s",
			    (unsigned long long)o->size, o->vectors, o->path);
}

static void report(const struct serve_options *o, const struct bus *bus)
{
	struct json_object *object;

	if (!o->json)
		return;
	object = json_object_new_object();
	json_add(object, "joined", bus->counts.joined);
	json_add(object, "left", bus->counts.left);
	json_add(object, "refused", bus->counts.refused);
	json_add(object, "present", bus->counts.present);
	json_add(object, "most_present", bus->counts.peak);
	json_print(object, stdout);
}

static int serve(const struct serve_options *o, struct bus *bus)
{
	_cleanup_(close_fd) int memory_fd = parent_memory(o->size);
	_cleanup_(close_fd) int signal_fd = -1;
	struct serve_socket socket;
	int status = SIM_ERROR;

	if (memory_fd < 0)
		return SIM_ERROR;
	bus_init(bus, memory_fd, o->vectors);
	signal_fd = parent_signals(0, NULL);
	if (signal_fd < 0)
		return SIM_ERROR;
	status = serve_socket_open(&socket, o->path, o->mode);
	if (status == SIM_OK) {
		banner(o);
		status = serve_run(o, bus, socket.fd, signal_fd);
	}
	serve_socket_close(&socket);
	if (status > SIM_SIGNAL)
		report(o, bus);
	bus_deinit(bus);
	return status;
}

int serve_main(int argc, char **argv)
{
	struct serve_options options = { .size = 1 << 20, .vectors = 1, .mode = 0600 };
	_cleanup_(free_ptr) struct bus *bus = calloc(1, sizeof(*bus));
	int operand = args_parse(&args, &options, argc, argv), status;

	if (operand == argc)
		tool_usage("serve: the socket is missing");
	args_no_operand("serve", operand + 1, argc, argv);
	options.path = argv[operand];
	if (!bus)
		return sim_fail_errno("serve");
	raise_descriptor_limit();
	status = serve(&options, bus);
	if (status > SIM_SIGNAL)
		sim_die_of(status - SIM_SIGNAL);
	return status;
}
