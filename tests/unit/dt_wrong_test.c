// SPDX-License-Identifier: Apache-2.0
/*
 * What is missing or contradictory in a devicetree, and the translation of addresses. Messages are
 * compared whole: they are what users see.
 */
#include "unit/dt.h"

#include <errno.h>

static void assert_bad(const char *text, const char *node, int expected, const char *message)
{
	struct dt_link link = { .tx_blocks = 42 };

	assert_int_equal(read_text(&link, text, node), expected);
	assert_string_equal(error, message);
	assert_int_equal(link.tx_blocks, 42);
}

static void nodes_that_are_not_there(void **state)
{
	static const char two[] =
		TREE(TX RX "uart: serial@3000 { reg = <0x3000 4>; };"
			   "a { ipc: link { compatible = \"zephyr,ipc-icbmsg\"; }; };"
			   "b { link { compatible = \"zephyr,ipc-icbmsg\"; }; };"
			   "off { compatible = \"zephyr,ipc-icbmsg\"; status = \"disabled\"; };");

	(void)state;
	assert_bad(
		TREE(TX RX), NULL, -ENOENT,
		"t.dts: no node in it is compatible with \"zephyr,ipc-icbmsg\"; is it the tree of "
		"the firmware that uses ICBMSG?");
	assert_bad(TREE(LINK("status = \"disabled\";")), NULL, -ENOENT,
		   "t.dts: its ICBMSG nodes are disabled: /ipc; set status = \"okay\"");
	assert_bad(two, NULL, -ENOTUNIQ,
		   "t.dts: several ICBMSG nodes; say which of them: /a/link, /b/link");
	assert_bad(two, "link", -ENOTUNIQ,
		   "t.dts: several ICBMSG nodes are called link; say which of them: /a/link, "
		   "/b/link");
	assert_bad(two, "lin", -ENOENT,
		   "t.dts: no ICBMSG node has the label, alias, path or name lin; there are: "
		   "/a/link, /b/link");
	assert_bad(two, "/a/link/x", -ENOENT,
		   "t.dts: no ICBMSG node has the label, alias, path or name /a/link/x; there are: "
		   "/a/link, /b/link");
	assert_bad(two, "uart", -ENOENT,
		   "t.dts:/serial@3000: is not compatible with \"zephyr,ipc-icbmsg\"; these are: "
		   "/a/link, /b/link");
	assert_bad(two, "/off", -ENOENT, "t.dts:/off: is disabled; set status = \"okay\"");
}

static void properties_that_are_wrong(void **state)
{
	(void)state;
	assert_bad(TREE(TX RX LINK("rx-region = <&rx>; " BLOCKS)), NULL, -EINVAL,
		   "t.dts:/ipc: tx-region: missing; it has to point to a memory node");
	assert_bad(TREE(TX RX LINK("tx-region = <&tx>; rx-region = <99>; " BLOCKS)), NULL, -EINVAL,
		   "t.dts:/ipc: rx-region: no node has the phandle 99");
	assert_bad(TREE(TX RX LINK("tx-region = <&tx &rx>; rx-region = <&rx>; " BLOCKS)), NULL,
		   -EINVAL, "t.dts:/ipc: tx-region: has 8 bytes; write one number in < >");
	assert_bad(TREE(TX RX LINK(REGIONS "tx-blocks = <16>; ")), NULL, -EINVAL,
		   "t.dts:/ipc: rx-blocks: missing; write for example rx-blocks = <16>;");
	assert_bad(TREE(TX RX LINK(REGIONS "tx-blocks = <0>; ")), NULL, -EINVAL,
		   "t.dts:/ipc: tx-blocks: 0 is not a number from 1 to 256");
	assert_bad(TREE(TX RX LINK(REGIONS "tx-blocks = <257>; ")), NULL, -EINVAL,
		   "t.dts:/ipc: tx-blocks: 257 is not a number from 1 to 256");
	assert_bad(TREE(TX RX LINK(REGIONS BLOCKS "dcache-alignment = <24>;")), NULL, -EINVAL,
		   "t.dts:/ipc: dcache-alignment: 24 is not a power of two");
	assert_bad(TREE(TX RX LINK(REGIONS BLOCKS "dcache-alignment = [00];")), NULL, -EINVAL,
		   "t.dts:/ipc: dcache-alignment: has 1 bytes; write one number in < >");
}

#define BAD_TX(tx) TREE(tx RX LINK(REGIONS BLOCKS))

static void regions_that_are_wrong(void **state)
{
	(void)state;
	assert_bad(BAD_TX("tx: a { };"), NULL, -EINVAL,
		   "t.dts:/a: reg: missing; a region needs reg = <ADDRESS SIZE>;");
	assert_bad(
		BAD_TX("tx: a { reg = <0x1000>; };"), NULL, -EINVAL,
		"t.dts:/a: reg: has 4 bytes, but #address-cells 1 and #size-cells 1 of its parent "
		"make entries of 8");
	assert_bad(
		BAD_TX("tx: a { reg; };"), NULL, -EINVAL,
		"t.dts:/a: reg: has 0 bytes, but #address-cells 1 and #size-cells 1 of its parent "
		"make entries of 8");
	assert_bad(BAD_TX("tx: a { reg = <0x1000 0>; };"), NULL, -EINVAL,
		   "t.dts:/a: reg: a size of 0x0; it has to be from 1 to below 4G");
	assert_bad(
		BAD_TX("tx: a { reg = <0x1800 0x801>; };"), NULL, -EINVAL,
		"t.dts:/ipc: rx-region 0x2000 + 0x800 overlaps tx-region 0x1800 + 0x801; move or "
		"shrink one");
	assert_bad(BAD_TX("b { #address-cells = <3>; #size-cells = <1>; "
			  "tx: a { reg = <0 0 0 1>; }; };"),
		   NULL, -EINVAL, "t.dts:/b: #address-cells: is not <1> or <2>");
	assert_bad(BAD_TX("b { #address-cells = <1>; #size-cells = <0>; "
			  "tx: a { reg = <4>; }; };"),
		   NULL, -EINVAL, "t.dts:/b: #size-cells: is not <1> or <2>");
	assert_bad(BAD_TX("b { #address-cells = <2>; #size-cells = <2>; "
			  "tx: a { reg = <0 0 1 0>; }; };"),
		   NULL, -EINVAL,
		   "t.dts:/b/a: reg: a size of 0x100000000; it has to be from 1 to below 4G");
	assert_bad(BAD_TX("b { #address-cells = <2>; #size-cells = <2>; "
			  "tx: a { reg = <0xffffffff 0xfffff000 0 0x1000>; }; };"),
		   NULL, -EINVAL, "t.dts:/b/a: reg: 0xfffffffffffff000 + 0x1000 is beyond 64 bits");
}

#define BUS(ranges, reg)                                                                    \
	BAD_TX("b { #address-cells = <1>; #size-cells = <1>; " ranges " tx: a { reg = " reg \
	       "; }; };")

static void ranges(void **state)
{
	struct dt_link l;

	(void)state;
	assert_bad(BUS("ranges = <0 0x5000>;", "<0 4>"), NULL, -EINVAL,
		   "t.dts:/b: ranges: 8 bytes are no whole number of entries");
	assert_bad(BUS("ranges = <0 0x5000 0x800>;", "<0x400 0x401>"), NULL, -EINVAL,
		   "t.dts:/b: ranges: 0x400 + 0x401 reaches beyond the entry of 0x0 + 0x800");
	assert_bad(
		BAD_TX("b { #address-cells = <2>; #size-cells = <2>; ranges; c { "
		       "#address-cells = <1>; #size-cells = <1>; "
		       "ranges = <0 0xffffffff 0xffffff00 0x800>; tx: a { reg = <0x400 4>; }; }; };"),
		NULL, -EINVAL, "t.dts:/b/c: ranges: 0xffffffffffffff00 + 0x800 is beyond 64 bits");
	assert_int_equal(read_text(&l, BUS("ranges = <0 0x5000 0x800>;", "<0x400 0x400>"), NULL),
			 0);
	assert_int_equal(l.tx.address, 0x5400);
	/* As Zephyr's build: untranslated where nothing matches, or no ranges are. */
	assert_int_equal(read_text(&l, BUS("ranges = <0 0x5000 0x800>;", "<0x800 0x400>"), NULL),
			 0);
	assert_int_equal(l.tx.address, 0x800);
	assert_int_equal(read_text(&l, BUS("", "<0x800 0x400>"), NULL), 0);
	assert_int_equal(l.tx.address, 0x800);
}

/* libfdt 1.6 would follow it until the stack ends. */
static void alias_of_itself(void **state)
{
	(void)state;
	assert_bad(
		TREE("aliases { self = \"self\"; a = \"b\"; b = \"a\"; }; " TX RX LINK(
			REGIONS BLOCKS)),
		"self", -ENOENT,
		"t.dts: no ICBMSG node has the label, alias, path or name self; there are: /ipc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nodes_that_are_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(properties_that_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(regions_that_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(alias_of_itself, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
