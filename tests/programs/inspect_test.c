// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsgctl inspect` over the memory after each step of the recorded scenarios: what it prints
 * must agree with what the step's sides were told and with an independent look at the indices; and
 * the memory, which it is given for reading only, must stay as it was.
 */
#include "programs/json.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "support/scenario.h"

static struct run run;

/* A memory object, a descriptor of it that cannot write, and a configuration that names that. */
struct object {
	size_t size;
	int fd, read_only;
	char config[64];
};

static void write_config(struct object *m, const struct scenario *s)
{
	int fd;

	snprintf(m->config, sizeof(m->config), "/tmp/icbmsg-inspect.XXXXXX");
	fd = mkstemp(m->config);
	assert_true(fd >= 0);
	dprintf(fd,
		"[instance recorded]\nmemory = fd:%d\ntx-region = %u %u\nrx-region = %u %u\n"
		"tx-blocks = %u\nrx-blocks = %u\nword-size = %u\n",
		m->read_only, s->lo.offset, s->lo.size, s->hi.offset, s->hi.size, s->lo.blocks,
		s->hi.blocks, s->word_size);
	if (s->alignment)
		dprintf(fd, "dcache-alignment = %u\n", s->alignment);
	close(fd);
}

static void object_open(struct object *m, const struct scenario *s)
{
	char path[64];

	m->size = s->map_size;
	m->fd = memfd_create("inspect", MFD_CLOEXEC);
	assert_true(m->fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->fd);
	m->read_only = open(path, O_RDONLY);
	assert_true(m->read_only >= 0);
	write_config(m, s);
}

static void object_close(struct object *m)
{
	unlink(m->config);
	close(m->read_only);
	close(m->fd);
}

static struct json_object *inspect(struct object *m, const uint8_t *image)
{
	const char *argv[] = { "icbmsgctl", "inspect", "--json", "--dump=4k", m->config, NULL };
	uint8_t *after = malloc(m->size);
	struct json_object *o;

	assert_non_null(after);
	assert_int_equal(pwrite(m->fd, image, m->size, 0), m->size);
	run_program(&run, argv);
	if (run.status != 0 || *run.err)
		fail_msg("status %d: %s", run.status, run.err);
	assert_int_equal(pread(m->fd, after, m->size, 0), m->size);
	assert_memory_equal(image, after, m->size);
	free(after);
	o = json_tokener_parse(run.out);
	assert_non_null(o);
	return o;
}

static struct json_object *last_packet(struct json_object *view, const char *direction)
{
	struct json_object *packets = get(get(view, direction), "packets");
	size_t count = json_object_array_length(packets);

	assert_true(count > 0);
	return json_object_array_get_idx(packets, count - 1);
}

/* Name of endpoint @address as inspected, or NULL. */
static const char *endpoint_name(struct json_object *view, int64_t address)
{
	struct json_object *list = get(view, "endpoints"), *e;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		e = json_object_array_get_idx(list, i);
		if (number(e, "endpoint") == address)
			return json_object_get_string(get(e, "name"));
	}
	return NULL;
}

/* F transmits in tx here, I in rx; I is the initiator. */
static const char *direction_of(char side)
{
	return side == 'F' ? "tx" : "rx";
}

/* "open": the last packet of that side is the magic. */
static void check_open(struct json_object *view, char side)
{
	struct json_object *d = get(view, direction_of(side));

	assert_string_equal(
		json_object_get_string(get(last_packet(view, direction_of(side)), "kind")),
		"magic");
	assert_true(json_object_get_boolean(get(d, "magic")));
	assert_true(json_object_get_boolean(get(d, "writer_seen")));
}

/* "register NAME" on the initiator: announced in its last packet, and the name can be read. */
static void check_register(struct json_object *view, const char *name)
{
	struct json_object *p = last_packet(view, "rx");
	const char *found;

	if (strcmp(json_object_get_string(get(p, "kind")), "BOUND") != 0)
		return; /* too early: before the link was up */
	found = endpoint_name(view, number(p, "endpoint"));
	if (!found || strcmp(found, name) != 0)
		fail_msg("endpoint \"%s\" is called \"%s\"", name, found ? found : "(null)");
}

static void to_hex(char *out, size_t size, const char *text)
{
	out[0] = '\0';
	for (size_t i = 0; text[i] && 2 * i + 2 < size; i++)
		snprintf(out + 2 * i, size - 2 * i, "%02x", (unsigned char)text[i]);
}

/* "send EP text:..." : the last packet is DATA, and its buffer holds the text. */
static void check_send(struct json_object *view, char side, const char *text)
{
	struct json_object *p = last_packet(view, direction_of(side)), *buffer;
	char hex[256];

	if (strcmp(json_object_get_string(get(p, "kind")), "DATA") != 0)
		fail_msg("sending ended with %s", json_object_to_json_string(p));
	buffer = get(p, "buffer");
	assert_true(json_object_get_boolean(get(p, "pending")));
	assert_true(json_object_get_boolean(get(buffer, "valid")));
	assert_int_equal(number(buffer, "size"), strlen(text));
	to_hex(hex, sizeof(hex), text);
	assert_string_equal(json_object_get_string(get(buffer, "data")), hex);
}

static bool succeeded(const struct scenario_step *step)
{
	for (size_t i = 0; i < step->answers.count; i++)
		if (strncmp(step->answers.line[i], "ok", 2) == 0)
			return true;
	return false;
}

static unsigned int check_command(struct json_object *view, const struct scenario_step *step)
{
	const char *command = step->commands.count == 1 ? step->commands.line[0] : "";
	const char *text = strstr(command, " text:");

	if (!succeeded(step))
		return 0;
	if (strcmp(command, "open") == 0)
		check_open(view, step->side);
	else if (strncmp(command, "register ", 9) == 0 && step->side == 'I')
		check_register(view, command + 9);
	else if (strncmp(command, "send ", 5) == 0 && text)
		check_send(view, step->side, text + 6);
	else
		return 0;
	return 1;
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void check_ring(struct json_object *d, const uint8_t *begin, const struct layout_region *l)
{
	struct json_object *packets = get(d, "packets"), *p;
	int64_t used = 0;

	assert_int_equal(number(d, "rd_idx"), word(begin + l->rd_idx));
	assert_int_equal(number(d, "wr_idx"), word(begin + l->wr_idx));
	assert_int_equal(number(d, "ring_len"), l->ring_len);
	assert_false(json_object_get_boolean(get(d, "damaged")));
	for (size_t i = 0; i < json_object_array_length(packets); i++) {
		p = json_object_array_get_idx(packets, i);
		if (json_object_get_boolean(get(p, "pending")))
			used += 4 + (number(p, "size") + 3) / 4 * 4;
	}
	assert_int_equal(used, number(d, "used"));
}

static unsigned int check_scenario(const char *name)
{
	struct scenario *s = scenario_load(name);
	uint8_t *image = scenario_image_new(s);
	struct layout_region tx, rx;
	unsigned int checked = 0;
	struct json_object *view;
	struct object m;

	scenario_layout(s, 'F', &tx, &rx);
	object_open(&m, s);
	for (size_t i = 0; i < s->step_count; i++) {
		scenario_image_apply(s, i, image);
		view = inspect(&m, image);
		assert_string_equal(json_object_get_string(get(view, "role")), "follower");
		check_ring(get(view, "tx"), image + tx.begin, &tx);
		check_ring(get(view, "rx"), image + rx.begin, &rx);
		checked += check_command(view, &s->steps[i]);
		json_object_put(view);
	}
	object_close(&m);
	free(image);
	scenario_free(s);
	return checked;
}

static void test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; scenario_classic_names[i]; i++)
		if (check_scenario(scenario_classic_names[i]) < 5)
			fail_msg("%s: hardly anything was compared", scenario_classic_names[i]);
}

/* Random memory, with indices that are valid so that there is something to decode. */
static void test_garbage(void **state)
{
	struct scenario *s = scenario_load("classic64_a64");
	const char *argv[] = { "icbmsgctl", "inspect", "--dump", NULL, NULL };
	uint8_t *image = scenario_image_new(s);
	struct layout_region tx, rx;
	uint64_t random = 7;
	struct object m;

	(void)state;
	scenario_layout(s, 'F', &tx, &rx);
	object_open(&m, s);
	argv[3] = m.config;
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < s->map_size; i++) /* small numbers: they may be headers */
			image[i] =
				(uint8_t)(random_below(&random, 3) ? 0 : random_below(&random, 8));
		image[tx.begin + tx.wr_idx] = image[rx.begin + rx.wr_idx] = 0x80;
		image[tx.begin] = image[rx.begin] = 0;
		json_object_put(inspect(&m, image));
		run_program(&run, argv);
		assert_int_equal(run.status, 0);
		for (const char *c = run.out; *c; c++)
			assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
	}
	object_close(&m);
	free(image);
	scenario_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_garbage),
	};

	if (!getenv("ICBMSG_BIN_DIR") || !getenv("ICBMSG_SOURCE_DIR"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
