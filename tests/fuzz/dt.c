// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the input as a devicetree blob, behind one byte that chooses how the node is asked
 * for. Any bytes give a link that keeps its promises or one error, in bounded time; memory ends
 * where the input ends.
 */
#include "fuzz/fuzz.h"

#include "core/dt.h"

static void check_region(const struct dt_region *r)
{
	CHECK(r->size > 0 && r->size <= UINT32_MAX);
	CHECK(r->address <= UINT64_MAX - r->size);
}

static void check_text(const char *text)
{
	CHECK(memchr(text, '\0', DT_TEXT_SIZE));
	for (; *text; text++)
		CHECK(*text >= 0x20 && *text < 0x7f);
}

static void check_link(const struct dt_link *l)
{
	check_region(&l->tx);
	check_region(&l->rx);
	CHECK(l->tx.address + l->tx.size <= l->rx.address ||
	      l->rx.address + l->rx.size <= l->tx.address);
	CHECK(l->tx_blocks >= 1 && l->tx_blocks <= LAYOUT_BLOCKS_MAX);
	CHECK(l->rx_blocks >= 1 && l->rx_blocks <= LAYOUT_BLOCKS_MAX);
	CHECK((l->alignment & (l->alignment - 1)) == 0);
	CHECK(l->word_size == 0 || l->word_size == 4 || l->word_size == 8);
	CHECK(memchr(l->path, '\0', DT_PATH_SIZE));
	check_text(l->cpu);
	check_text(l->mailboxes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { NULL, "ipc0", "/ipc/ipc0", "self" };
	struct input in = { data, size };
	const char *name = names[take8(&in) % 4];
	char error[CONFIG_ERROR_SIZE] = "";
	struct dt_link link;
	size_t blob_size = in.size;
	void *blob = take_memory(&in, blob_size);

	if (dt_parse(&link, blob, blob_size, name, "fuzz.dtb", error) == 0)
		check_link(&link);
	else
		CHECK(strncmp(error, "fuzz.dtb:", 9) == 0);
	free(blob);
	return 0;
}
