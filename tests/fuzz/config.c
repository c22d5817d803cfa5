// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the input as a configuration file. Any bytes give sections whose values all parse,
 * or one error; and what is set key by key from them resolves or is refused, without any other
 * effect.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* A resolved configuration keeps its promises. */
static void check_values(const struct config_values *v)
{
	require(v->tx.offset + v->tx.size <= v->memory.size);
	require(v->rx.offset + v->rx.size <= v->memory.size);
	require(v->tx_layout.begin - v->tx.address + v->tx_layout.total <= v->tx.size);
	require(v->rx_layout.begin - v->rx.address + v->rx_layout.total <= v->rx.size);
	require((v->tx.offset + v->tx_layout.begin - v->tx.address) % 4 == 0);
	require(v->tx.offset >= v->rx.offset + v->rx.size ||
		v->rx.offset >= v->tx.offset + v->tx.size);
}

static void resolve(const struct config_section *s)
{
	struct icbmsg_config *cfg;
	struct config_values v;
	int i;

	require(config_new(&cfg) == 0);
	for (i = 0; i < KEY_COUNT; i++)
		if (s->entries[i].text)
			require(config_set(cfg, config_keys[i].name, s->entries[i].text) == 0);
	if (config_resolve(cfg, &v, true) == 0)
		check_values(&v);
	else
		require(strlen(config_error(cfg)) > 0);
	config_free(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_section *list, *s;
	char error[CONFIG_ERROR_SIZE] = "";
	FILE *stream;

	if (size == 0)
		return 0; /* fmemopen() refuses it */
	stream = fmemopen((void *)data, size, "r");
	require(stream != NULL);
	if (config_file_parse(&list, stream, "fuzz.conf", error) == 0) {
		for (s = list; s; s = s->next)
			resolve(s);
		config_section_free(list);
	} else {
		require(strncmp(error, "fuzz.conf:", 10) == 0);
	}
	fclose(stream);
	return 0;
}
