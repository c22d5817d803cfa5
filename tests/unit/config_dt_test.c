// SPDX-License-Identifier: Apache-2.0
/*
 * A devicetree in a configuration: which keys it stands in for, who overrides whom, and where a
 * value says it comes from.
 */
#include "unit/config_rig.h"

#define DOCUMENTATION SHAPES_DIR "/documentation.dts"

static void assert_value(const char *key, const char *value, const char *origin)
{
	const char *got = config_origin(cfg, key);

	assert_string_equal(config_get(cfg, key), value);
	if (origin)
		assert_string_equal(got, origin);
	else
		assert_null(got);
}

static void as_it_is(void **state)
{
	(void)state;
	set("geometry", "dt:" DOCUMENTATION);
	assert_value("memory", "mem:0x20070000+0x8800", DOCUMENTATION ":/ipc/ipc0");
	assert_value("tx-region", "0x0 0x800", DOCUMENTATION ":/ipc/ipc0:tx-region");
	assert_value("rx-region", "0x8000 0x800", DOCUMENTATION ":/ipc/ipc0:rx-region");
	assert_value("tx-address", "0x20070000", DOCUMENTATION ":/ipc/ipc0:tx-region");
	assert_value("rx-address", "0x20078000", DOCUMENTATION ":/ipc/ipc0:rx-region");
	assert_value("tx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
	assert_value("rx-blocks", "32", DOCUMENTATION ":/ipc/ipc0:rx-blocks");
	assert_value("dcache-alignment", "32", DOCUMENTATION ":/ipc/ipc0:dcache-alignment");
	/* The tree's CPU is not that of the firmware at the other side. */
	assert_null(config_get(cfg, "word-size"));
	assert_string_equal(config_remarks(cfg),
			    "CPU of the tree: arm,cortex-m33f\n"
			    "Mailboxes of the node: tx: /mbox@5002a000 0, rx: /mbox@5002a000 1\n");
}

static void from_the_other_side(void **state)
{
	struct config_values v;

	(void)state;
	set("geometry-peer", "yes");
	set("geometry", "dt:" DOCUMENTATION ":ipc0");
	assert_value("tx-region", "0x8000 0x800", DOCUMENTATION ":/ipc/ipc0:rx-region");
	assert_value("rx-region", "0x0 0x800", DOCUMENTATION ":/ipc/ipc0:tx-region");
	assert_value("tx-blocks", "32", DOCUMENTATION ":/ipc/ipc0:rx-blocks");
	assert_value("rx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
	assert_value("word-size", "4", DOCUMENTATION ":/ipc/ipc0");
	assert_int_equal(config_resolve(cfg, &v, true), 0);
	assert_int_equal(v.tx.address, 0x20078000);
	assert_int_equal(v.tx.offset, 0x8000);
	assert_int_equal(v.memory.size, 0x8800);
	assert_int_equal(v.tx_layout.block_count, 32);
	assert_int_equal(v.tx_layout.alignment, 32);
}

/* Whatever order the keys come in. */
static void peer_is_changed(void **state)
{
	(void)state;
	set("geometry", "dt:" DOCUMENTATION);
	assert_value("tx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
	set("geometry-peer", "yes");
	assert_value("tx-blocks", "32", DOCUMENTATION ":/ipc/ipc0:rx-blocks");
	set("geometry-peer", "no");
	assert_value("tx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
}

/* Keys win over the tree, and a later tree replaces an earlier one whole. */
static void overridden(void **state)
{
	struct config_values v;

	(void)state;
	set("tx-blocks", "7");
	set("geometry", "dt:" DOCUMENTATION);
	set("geometry-peer", "yes");
	set("word-size", "8");
	assert_value("tx-blocks", "7", NULL);
	assert_value("word-size", "8", NULL);
	assert_int_equal(config_resolve(cfg, &v, true), 0);
	assert_int_equal(v.tx_geometry.blocks, 7);
	assert_int_equal(v.rx_geometry.blocks, 16);
	assert_int_equal(v.tx_geometry.word_size, 8);
	set("geometry", "dt:" SHAPES_DIR "/imx_mu.dts");
	assert_value("tx-blocks", "7", NULL);
	assert_value("rx-blocks", "64", SHAPES_DIR "/imx_mu.dts:/ipc/icbmsg:tx-blocks");
	assert_null(config_get(cfg, "dcache-alignment"));
}

static void from_files(void **state)
{
	(void)state;
	assert_int_equal(
		load("[instance a]\nrx-blocks = 5\ngeometry = dt:" DOCUMENTATION "\n", NULL), 0);
	assert_value("rx-blocks", "5", config_origin(cfg, "rx-blocks"));
	assert_value("tx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
	/* A later file changes the side only. */
	assert_int_equal(load("[instance a]\ngeometry-peer = yes\n", NULL), 0);
	assert_value("tx-blocks", "32", DOCUMENTATION ":/ipc/ipc0:rx-blocks");
	assert_value("rx-blocks", "5", config_origin(cfg, "rx-blocks"));
	assert_non_null(strstr(config_origin(cfg, "rx-blocks"), ":2"));
}

static void word_size_is_asked_for(void **state)
{
	struct config_values v;

	(void)state;
	set("geometry", "dt:" DOCUMENTATION);
	assert_unresolved(true,
			  "geometry: the devicetree does not tell the word size of the firmware's "
			  "CPU; write word-size = 4, or 8 for firmware of 64 bits");
	set("word-size", "4");
	assert_int_equal(config_resolve(cfg, &v, true), 0);
}

static void values(void **state)
{
	static const char *const bad[] = { "", "dt", "dt:", "dt::ipc0", "fdt:x.dtb", "x.dtb" };
	char longer[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(config_set(cfg, "geometry", bad[i]), -EINVAL);
	assert_string_equal(
		config_error(cfg),
		"geometry: \"x.dtb\" is not dt:FILE or dt:FILE:NODE (a devicetree, and a "
		"node in it); write for example geometry = dt:zephyr.dts:ipc0");
	snprintf(longer, sizeof(longer), "dt:%0*d", 300, 0);
	assert_int_equal(config_set(cfg, "geometry", longer), -EINVAL);
	snprintf(longer, sizeof(longer), "dt:x:%0*d", 300, 0);
	assert_int_equal(config_set(cfg, "geometry", longer), -EINVAL);
	assert_int_equal(config_set(cfg, "geometry-peer", "true"), -EINVAL);
}

/* A tree that cannot be read changes nothing. */
static void failures_change_nothing(void **state)
{
	(void)state;
	set("geometry", "dt:" DOCUMENTATION);
	assert_int_equal(config_set(cfg, "geometry", "dt:/nonexistent.dtb"), -ENOENT);
	assert_string_equal(config_error(cfg),
			    "geometry: /nonexistent.dtb: does not exist; check the path");
	assert_value("geometry", "dt:" DOCUMENTATION, NULL);
	assert_value("tx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
	assert_int_equal(config_set(cfg, "geometry", "dt:" DOCUMENTATION ":x"), -ENOENT);
	assert_value("geometry", "dt:" DOCUMENTATION, NULL);
	assert_int_equal(
		load("[instance a]\nspin = no\n\ngeometry = dt:/nonexistent.dtb\ntx-blocks = 9\n",
		     NULL),
		-ENOENT);
	assert_non_null(strstr(config_error(cfg),
			       ":4: geometry: /nonexistent.dtb: does not exist; check the path"));
	assert_null(config_get(cfg, "spin"));
	assert_value("tx-blocks", "16", DOCUMENTATION ":/ipc/ipc0:tx-blocks");
}

/* Regions too small for the blocks: the message names the property. */
static void blocks_do_not_fit(void **state)
{
	static const char tree[] =
		"/dts-v1/; / { #address-cells = <1>; #size-cells = <1>;"
		"tx: tx { reg = <0x1000 0x80>; }; rx: rx { reg = <0x2000 0x800>; };"
		"ipc { compatible = \"zephyr,ipc-icbmsg\"; tx-region = <&tx>; rx-region = <&rx>;"
		"tx-blocks = <200>; rx-blocks = <16>; }; };";
	char text[100];

	(void)state;
	strcpy(path, "/tmp/icbmsg-test-XXXXXX");
	make_file(path, tree, strlen(tree));
	snprintf(text, sizeof(text), "dt:%s", path);
	set("geometry", text);
	set("word-size", "4");
	snprintf(text, sizeof(text), "%s:/ipc:tx-region: tx-region: ", path);
	assert_int_equal(config_resolve(cfg, &(struct config_values){ 0 }, true), -EINVAL);
	assert_memory_equal(config_error(cfg), text, strlen(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(from_the_other_side, setup, teardown),
		cmocka_unit_test_setup_teardown(peer_is_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(overridden, setup, teardown),
		cmocka_unit_test_setup_teardown(from_files, setup, teardown),
		cmocka_unit_test_setup_teardown(word_size_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(values, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(blocks_do_not_fit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
