// SPDX-License-Identifier: Apache-2.0
/*
 * Reading recorded scenarios: see scenario.h.
 */
#include "support/scenario.h"

#include <err.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define PAGE ((size_t)4096)

const char *const scenario_classic_names[] = {
	"classic32_a32",
	"classic32_doc800",
	"classic32_r32k",
	"classic64_a64",
	"classic64_doc800",
	"classic64_odd",
	NULL,
};

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		errx(1, "scenario: no key \"%s\" in %s", key, json_object_to_json_string(o));
	return value;
}

static uint32_t get_u32(struct json_object *o, const char *key)
{
	return (uint32_t)json_object_get_int64(get(o, key));
}

static uint32_t item_u32(struct json_object *array, size_t i)
{
	return (uint32_t)json_object_get_int64(json_object_array_get_idx(array, i));
}

static void *zeroed(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		err(1, "scenario");
	return p;
}

static char *copy_string(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		err(1, "scenario");
	return copy;
}

static void load_region(struct scenario_region *r, struct json_object *o)
{
	*r = (struct scenario_region){ item_u32(o, 0), item_u32(o, 1), item_u32(o, 2) };
}

/* A string, an array of strings, or null. */
static void load_lines(struct scenario_lines *lines, struct json_object *o)
{
	size_t i, n = 0;

	if (json_object_is_type(o, json_type_array))
		n = json_object_array_length(o);
	else if (json_object_is_type(o, json_type_string))
		n = 1;
	lines->line = zeroed(n, sizeof(*lines->line));
	lines->count = n;
	for (i = 0; i < n; i++)
		lines->line[i] = copy_string(json_object_get_string(
			json_object_is_type(o, json_type_array) ? json_object_array_get_idx(o, i) :
								  o));
}

static void load_diff(struct scenario_diff *diff, struct json_object *o, uint32_t map_size)
{
	const char *hex = json_object_get_string(json_object_array_get_idx(o, 1));
	uint32_t i;

	diff->offset = item_u32(o, 0);
	diff->size = (uint32_t)strlen(hex) / 2;
	if (diff->offset > map_size || diff->size > map_size - diff->offset)
		errx(1, "scenario: a change at %u lies outside the mapping of %u bytes",
		     diff->offset, map_size);
	diff->bytes = zeroed(diff->size, 1);
	for (i = 0; i < diff->size; i++)
		if (sscanf(hex + 2 * (size_t)i, "%2hhx", &diff->bytes[i]) != 1)
			errx(1, "scenario: not hexadecimal: %s", hex);
}

static void load_step(const struct scenario *s, struct scenario_step *step, struct json_object *o)
{
	struct json_object *diffs = get(o, "diff");
	size_t i;

	step->number = (int)get_u32(o, "n");
	step->side = *json_object_get_string(get(o, "side"));
	step->description = copy_string(json_object_get_string(get(o, "desc")));
	snprintf(step->sha256, sizeof(step->sha256), "%s",
		 json_object_get_string(get(o, "sha256")));
	load_lines(&step->commands, get(o, "cmd"));
	load_lines(&step->answers, get(o, "answers"));
	if (sscanf(step->description, "after %u more", &step->round_trips) != 1)
		step->round_trips = 0;

	step->diff_count = json_object_array_length(diffs);
	step->diffs = zeroed(step->diff_count, sizeof(*step->diffs));
	for (i = 0; i < step->diff_count; i++)
		load_diff(&step->diffs[i], json_object_array_get_idx(diffs, i), s->map_size);
}

static void load_config(struct scenario *s, struct json_object *root)
{
	struct json_object *config = get(root, "config");
	struct json_object *side = get(get(root, "layout"), "F");

	s->map_size = get_u32(config, "map");
	s->alignment = get_u32(config, "align"); /* null reads as 0 */
	s->word_size = get_u32(side, "word_bits") / 8;
	s->fill = (uint8_t)get_u32(root, "fill");
	load_region(&s->lo, get(config, "lo"));
	load_region(&s->hi, get(config, "hi"));
}

struct scenario *scenario_load(const char *name)
{
	const char *source = getenv("ICBMSG_SOURCE_DIR");
	struct scenario *s = zeroed(1, sizeof(*s));
	_cleanup_(free_ptr) char *path = NULL;
	struct json_object *root, *steps;
	size_t i;

	if (!source)
		errx(1,
		     "scenario: run this through ctest, or set ICBMSG_SOURCE_DIR to the sources");
	if (asprintf(&path, "%s/tests/conformance/scenarios/%s.json", source, name) < 0)
		err(1, "scenario");
	root = json_object_from_file(path);
	if (!root)
		errx(1, "%s: %s", path, json_util_get_last_err());

	s->name = copy_string(name);
	load_config(s, root);
	steps = get(root, "steps");
	s->step_count = json_object_array_length(steps);
	s->steps = zeroed(s->step_count, sizeof(*s->steps));
	for (i = 0; i < s->step_count; i++)
		load_step(s, &s->steps[i], json_object_array_get_idx(steps, i));
	json_object_put(root);
	return s;
}

static void free_lines(struct scenario_lines *lines)
{
	while (lines->count)
		free(lines->line[--lines->count]);
	free(lines->line);
}

void scenario_free(struct scenario *s)
{
	size_t i, k;

	if (!s)
		return;
	for (i = 0; i < s->step_count; i++) {
		struct scenario_step *step = &s->steps[i];

		for (k = 0; k < step->diff_count; k++)
			free(step->diffs[k].bytes);
		free(step->diffs);
		free(step->description);
		free_lines(&step->commands);
		free_lines(&step->answers);
	}
	free(s->steps);
	free(s->name);
	free(s);
}

static void layout_one(const struct scenario *s, struct layout_region *out,
		       const struct scenario_region *own, const struct scenario_region *other)
{
	struct layout_geometry g = {
		.base = own->offset,
		.size = own->size,
		.blocks = own->blocks,
		.peer_blocks = other->blocks,
		.alignment = s->alignment,
		.word_size = s->word_size,
	};
	char error[LAYOUT_ERROR_SIZE];

	if (layout_classic(out, &g, error) < 0)
		errx(1, "%s: %s", s->name, error);
}

void scenario_layout(const struct scenario *s, char side, struct layout_region *tx,
		     struct layout_region *rx)
{
	layout_one(s, side == 'F' ? tx : rx, &s->lo, &s->hi);
	layout_one(s, side == 'F' ? rx : tx, &s->hi, &s->lo);
}

uint8_t *scenario_image_new(const struct scenario *s)
{
	size_t size = (s->map_size + PAGE - 1) / PAGE * PAGE;
	uint8_t *image = aligned_alloc(PAGE, size);

	if (!image)
		err(1, "scenario");
	memset(image, s->fill, size);
	return image;
}

void scenario_image_apply(const struct scenario *s, size_t step, uint8_t *image)
{
	const struct scenario_step *st = &s->steps[step];
	size_t i;

	for (i = 0; i < st->diff_count; i++)
		memcpy(image + st->diffs[i].offset, st->diffs[i].bytes, st->diffs[i].size);
}
