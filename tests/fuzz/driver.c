// SPDX-License-Identifier: Apache-2.0

/*
 * Runs a fuzz target without libFuzzer, so that every build and compiler repeats the seeds as an
 * ordinary test: each seed as it is, every prefix of a short one, then some thousand mutations that
 * are the same on every run. Inputs sit in blocks of exactly their size, where the address
 * sanitizer sees the first byte too far. With -v each case is named before it runs: the last name
 * printed is the one that failed. A file given in place of a folder is run too, to repeat a crash.
 */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST_INPUT 65536u
#define SHORT_SEED 512u
#define DEFAULT_MUTATIONS 5000ul

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed {
	char *name;
	uint8_t *data;
	size_t size;
};

static struct seed *seeds;
static size_t seed_count;
static unsigned long runs;
static bool verbose;
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static void *must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "fuzz driver: out of memory\n");
		exit(1);
	}
	return memory;
}

/* xorshift64*: good enough to mutate with, and the same everywhere. */
static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return limit ? (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32) % limit : 0;
}

static void run(const char *name, const char *what, unsigned long number, const uint8_t *data,
		size_t size)
{
	uint8_t *exact = must(malloc(size ? size : 1));

	if (verbose)
		fprintf(stderr, "%s: %s %lu, %zu bytes\n", name, what, number, size);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	runs++;
}

static int seed_add(const char *path)
{
	uint8_t *data = must(malloc(LARGEST_INPUT));
	FILE *file = fopen(path, "rbe");
	size_t size;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(data);
		return -1;
	}
	size = fread(data, 1, LARGEST_INPUT, file);
	fclose(file);
	seeds = must(realloc(seeds, (seed_count + 1) * sizeof(*seeds)));
	seeds[seed_count].name = must(strdup(path));
	seeds[seed_count].data = data;
	seeds[seed_count].size = size;
	seed_count++;
	return 0;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int seeds_load(const char *path)
{
	struct dirent **entries;
	struct stat status;
	int count, failed = 0;

	if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
		return seed_add(path);
	/* Sorted: the order decides the mutations, and folders have none of their own. */
	count = scandir(path, &entries, visible, alphasort);
	if (count < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < count; i++) {
		char *name;

		if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
			name = must(NULL);
		failed |= seeds_load(name);
		free(name);
		free(entries[i]);
	}
	free(entries);
	return failed;
}

/* Values at which lengths, counts and offsets tend to break. */
static void put_boundary(uint8_t *data, size_t size)
{
	static const uint32_t values[] = {
		0,       1,          2,          3,          4,          7,      8,
		0x7f,    0x80,       0xff,       0x100,      0x7fff,     0x8000, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff,
	};
	uint32_t value = values[random_below(sizeof(values) / sizeof(values[0]))];
	uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			     (uint8_t)(value >> 24) };
	size_t at = random_below((uint32_t)size);

	memcpy(data + at, bytes, size - at < 4 ? size - at : 4);
}

/* Replaces what follows a random point with the end of another seed. */
static size_t splice(uint8_t *data, size_t size)
{
	const struct seed *other = &seeds[random_below((uint32_t)seed_count)];
	size_t at = random_below((uint32_t)size + 1);
	size_t from = random_below((uint32_t)other->size + 1);
	size_t length = other->size - from;

	if (length > LARGEST_INPUT - at)
		length = LARGEST_INPUT - at;
	memcpy(data + at, other->data + from, length);
	return at + length;
}

static size_t mutate(uint8_t *data, size_t size)
{
	size_t at;

	switch (size ? random_below(6) : 5) {
	case 0:
		data[random_below((uint32_t)size)] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 1:
		data[random_below((uint32_t)size)] = (uint8_t)random_below(256);
		return size;
	case 2:
		put_boundary(data, size);
		return size;
	case 3:
		return random_below((uint32_t)size);
	case 4:
		at = random_below((uint32_t)size);
		memmove(data + at, data + at + 1, size - at - 1);
		return size - 1;
	default:
		return splice(data, size);
	}
}

static void run_mutations(unsigned long count)
{
	uint8_t *data = must(malloc(LARGEST_INPUT));

	for (unsigned long i = 0; i < count; i++) {
		const struct seed *seed = &seeds[i % seed_count];
		size_t size = seed->size;

		memcpy(data, seed->data, size);
		for (uint32_t n = 1 + random_below(4); n; n--)
			size = mutate(data, size);
		run(seed->name, "mutation", i, data, size);
	}
	free(data);
}

static void run_seed(const struct seed *seed)
{
	run(seed->name, "whole, run", runs, seed->data, seed->size);
	if (seed->size > SHORT_SEED)
		return;
	for (size_t size = 0; size < seed->size; size++)
		run(seed->name, "prefix", size, seed->data, size);
}

static void seeds_free(void)
{
	for (size_t i = 0; i < seed_count; i++) {
		free(seeds[i].name);
		free(seeds[i].data);
	}
	free(seeds);
}

int main(int argc, char **argv)
{
	unsigned long mutations = DEFAULT_MUTATIONS;
	int option, failed = 0;

	while ((option = getopt(argc, argv, "n:v")) != -1) {
		if (option == 'n') {
			mutations = strtoul(optarg, NULL, 10);
		} else if (option == 'v') {
			verbose = true;
		} else {
			fprintf(stderr, "usage: %s [-v] [-n MUTATIONS] SEEDS...\n", argv[0]);
			return 2;
		}
	}
	for (int i = optind; i < argc; i++)
		failed |= seeds_load(argv[i]);
	if (!failed && !seed_count) {
		fprintf(stderr, "%s: no seeds: name a folder with at least one file\n", argv[0]);
		failed = 1;
	}
	if (!failed) {
		for (size_t i = 0; i < seed_count; i++)
			run_seed(&seeds[i]);
		run_mutations(mutations);
		printf("%zu seeds, %lu runs\n", seed_count, runs);
	}
	seeds_free();
	return failed ? 1 : 0;
}
