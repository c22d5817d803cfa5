// SPDX-License-Identifier: Apache-2.0
/*
 * The firmware stand-in is what Zephyr is: two of them, told what Zephyr was told in the recorded
 * scenarios, leave the same bytes in all of the memory and give the same answers after every step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/commander.h"
#include "support/scenario.h"

/* Step 42's messages: their sequence numbers follow from the bytes recorded. */
#define ROUND_TRIP_FIRST 100u
#define ROUND_TRIP_SIZE 20u

struct run {
	struct scenario *scenario;
	uint8_t *expected;
	uint8_t *memory;
	struct commander f, i;
	char *answers; /* all lines of the step so far, each with a newline */
};

static void collect(const char *line, void *user)
{
	struct run *run = user;
	char *old = run->answers;

	assert_true(asprintf(&run->answers, "%s%s\n", old, line) >= 0);
	free(old);
}

static void forget_answers(struct run *run)
{
	free(run->answers);
	run->answers = strdup("");
	assert_non_null(run->answers);
}

static void run_start(struct run *run, const char *name)
{
	struct layout_region tx, rx;

	*run = (struct run){ .scenario = scenario_load(name) };
	run->expected = scenario_image_new(run->scenario);
	run->memory = scenario_image_new(run->scenario);
	run->f.peer_pending = &run->i.pending;
	run->i.peer_pending = &run->f.pending;
	run->f.say = run->i.say = collect;
	run->f.user = run->i.user = run;
	scenario_layout(run->scenario, 'F', &tx, &rx);
	assert_int_equal(commander_init(&run->f, run->memory, &tx, &rx, 0), 0);
	assert_int_equal(commander_init(&run->i, run->memory, &rx, &tx, 0), 0);
	assert_false(run->f.fw.initiator);
	assert_true(run->i.fw.initiator);
	forget_answers(run);
}

static void run_end(struct run *run)
{
	commander_deinit(&run->f);
	commander_deinit(&run->i);
	free(run->answers);
	free(run->memory);
	free(run->expected);
	scenario_free(run->scenario);
}

/* I sends, F receives and releases, I frees. */
static void round_trips(struct run *run, uint32_t count)
{
	char command[64];
	uint32_t k;

	for (k = 0; k < count; k++) {
		snprintf(command, sizeof(command), "send ep0 prng:%u:%u", ROUND_TRIP_FIRST + k,
			 ROUND_TRIP_SIZE);
		commander_do(&run->i, command);
		commander_do(&run->f, "pump");
		commander_do(&run->i, "pump");
	}
	forget_answers(run);
}

static void check_answers(const struct run *run, const struct scenario_step *step)
{
	const char *rest = run->answers;
	size_t k;

	for (k = 0; k < step->answers.count; k++) {
		size_t length = strcspn(rest, "\n");
		const char *want = step->answers.line[k];

		if (length != strlen(want) || memcmp(rest, want, length) != 0)
			fail_msg("%s, step %d (%s): answered\n%.*s\nrecorded is\n%s",
				 run->scenario->name, step->number, step->description, (int)length,
				 rest, want);
		rest += length + (rest[length] == '\n');
	}
	if (*rest)
		fail_msg("%s, step %d: said more than recorded: %s", run->scenario->name,
			 step->number, rest);
}

static void check_memory(const struct run *run, const struct scenario_step *step)
{
	uint32_t k;

	for (k = 0; k < run->scenario->map_size; k++)
		if (run->memory[k] != run->expected[k])
			fail_msg("%s, step %d (%s): byte %u is %02x, recorded is %02x",
				 run->scenario->name, step->number, step->description, k,
				 run->memory[k], run->expected[k]);
}

static void run_step(struct run *run, size_t number)
{
	const struct scenario_step *step = &run->scenario->steps[number];
	struct commander *side = step->side == 'F' ? &run->f : &run->i;
	size_t k;

	round_trips(run, step->round_trips);
	for (k = 0; k < step->commands.count; k++)
		assert_true(commander_do(side, step->commands.line[k]));
	scenario_image_apply(run->scenario, number, run->expected);
	check_answers(run, step);
	check_memory(run, step);
	forget_answers(run);
}

static void replay(void **state)
{
	struct run run;
	size_t k;

	run_start(&run, *state);
	assert_int_equal(run.scenario->step_count, 44);
	assert_int_equal(run.scenario->steps[42].round_trips, 30);
	for (k = 0; k < run.scenario->step_count; k++)
		run_step(&run, k);
	run_end(&run);
}

/* The player itself: what it replays is what was recorded, by the recorded digests. */
static void images_have_the_recorded_digests(void **state)
{
	struct scenario *s = scenario_load(*state);
	uint8_t *image = scenario_image_new(s);
	size_t k;

	for (k = 0; k < s->step_count; k++) {
		char file[] = "/tmp/icbmsg-image-XXXXXX";
		char command[128], digest[65] = "";
		int fd = mkstemp(file);
		FILE *f;

		scenario_image_apply(s, k, image);
		f = fdopen(fd, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(image, 1, s->map_size, f), s->map_size);
		assert_int_equal(fclose(f), 0);
		snprintf(command, sizeof(command), "sha256sum %s", file);
		f = popen(command, "re");
		assert_non_null(f);
		assert_int_equal(fscanf(f, "%64s", digest), 1);
		assert_int_equal(pclose(f), 0);
		remove(file);
		assert_string_equal(digest, s->steps[k].sha256);
	}
	free(image);
	scenario_free(s);
}

int main(void)
{
	struct CMUnitTest tests[16];
	size_t n = 0, k;

	for (k = 0; scenario_classic_names[k]; k++)
		tests[n++] = (struct CMUnitTest){
			.name = scenario_classic_names[k],
			.test_func = replay,
			.initial_state = (void *)scenario_classic_names[k],
		};
	tests[n++] = (struct CMUnitTest){
		.name = "images_have_the_recorded_digests",
		.test_func = images_have_the_recorded_digests,
		.initial_state = (void *)scenario_classic_names[0],
	};
	return _cmocka_run_group_tests("replay", tests, n, NULL, NULL);
}
