// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsgctl layout --json` prints every recorded layout as it is recorded, and refuses what a
 * firmware build refuses.
 */
#include "programs/run.h"

#include <dirent.h>
#include <json.h>

static struct run run;

static int64_t number(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		fail_msg("no \"%s\" in %s", key, json_object_to_json_string(o));
	return json_object_get_int64(value);
}

/* The numbers of a recorded entry as arguments. */
static void run_layout(struct json_object *entry)
{
	char tx[64], rx[64], tx_blocks[32], rx_blocks[32], align[32], word[32];
	const char *argv[] = { "icbmsgctl", "layout",      "--json",  "--tx",
			       tx,          "--rx",        rx,        "--tx-blocks",
			       tx_blocks,   "--rx-blocks", rx_blocks, "--word-size",
			       word,        NULL,          NULL,      NULL };
	struct json_object *in;
	long alignment = (long)number(entry, "dcache_alignment");

	assert_true(json_object_object_get_ex(entry, "in", &in));
	snprintf(tx, sizeof(tx), "%ld:%ld", (long)number(in, "tx_off"),
		 (long)number(in, "tx_size"));
	snprintf(rx, sizeof(rx), "0x%lx:%ld", (unsigned long)number(in, "rx_off"),
		 (long)number(in, "rx_size"));
	snprintf(tx_blocks, sizeof(tx_blocks), "%ld", (long)number(in, "tx_blocks"));
	snprintf(rx_blocks, sizeof(rx_blocks), "%ld", (long)number(in, "rx_blocks"));
	snprintf(word, sizeof(word), "%ld", (long)number(entry, "word_bits") / 8);
	snprintf(align, sizeof(align), "%ld", alignment);
	if (alignment >= 0) {
		argv[13] = "--dcache-alignment";
		argv[14] = align;
	}
	run_program(&run, argv);
}

static void check_entry(struct json_object *entry)
{
	const char *want = json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN);
	struct json_object *unused, *in;
	char text[32];

	run_layout(entry);
	if (json_object_object_get_ex(entry, "error", &unused)) {
		if (run.status != 1 || *run.out)
			fail_msg("not refused: %s\n%s%s", want, run.out, run.err);
		/* The blocks are what is wrong with all of them. */
		json_object_object_get_ex(entry, "in", &in);
		snprintf(text, sizeof(text), "%ld + %ld blocks", (long)number(in, "tx_blocks"),
			 (long)number(in, "rx_blocks"));
		assert_non_null(strstr(run.err, text));
		return;
	}
	/* Same fields, same order, same forms: the same text. */
	run.out[strcspn(run.out, "\n")] = '\0';
	if (run.status != 0 || strcmp(run.out, want) != 0)
		fail_msg("status %d\n%s\ninstead of\n%s\n%s", run.status, run.out, want, run.err);
}

static int is_classic(const struct dirent *d)
{
	return strncmp(d->d_name, "classic", 7) == 0;
}

static void test_recorded(void **state)
{
	char folder[4096], path[8192];
	struct dirent **files;
	size_t entries = 0;
	int count;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/tests/conformance/layouts",
		 getenv("ICBMSG_SOURCE_DIR"));
	count = scandir(folder, &files, is_classic, alphasort);
	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		struct json_object *list;

		snprintf(path, sizeof(path), "%s/%s", folder, files[i]->d_name);
		list = json_object_from_file(path);
		assert_non_null(list);
		for (size_t n = 0; n < json_object_array_length(list); n++, entries++)
			check_entry(json_object_array_get_idx(list, n));
		json_object_put(list);
		free(files[i]);
	}
	free(files);
	assert_true(entries >= 280);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_recorded) };

	if (!getenv("ICBMSG_BIN_DIR") || !getenv("ICBMSG_SOURCE_DIR"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
