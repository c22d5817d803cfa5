// SPDX-License-Identifier: Apache-2.0
/*
 * Geometry from devicetrees: trees in the shapes that boards have (tests/dt), what else a
 * tree tells, and the files that trees come in.
 */
#include "unit/dt.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

static struct dt_link read_shape(const char *shape, const char *node)
{
	struct dt_link link;
	char path[300];

	snprintf(path, sizeof(path), SHAPES_DIR "/%s.dts", shape);
	if (read_tree(&link, path, node) < 0)
		fail_msg("%s", error);
	return link;
}

static void assert_regions(const struct dt_link *l, uint64_t tx, uint64_t tx_size, uint64_t rx,
			   uint64_t rx_size)
{
	assert_int_equal(l->tx.address, tx);
	assert_int_equal(l->tx.size, tx_size);
	assert_int_equal(l->rx.address, rx);
	assert_int_equal(l->rx.size, rx_size);
}

static void documentation(void **state)
{
	struct dt_link l = read_shape("documentation", NULL);

	(void)state;
	assert_string_equal(l.path, "/ipc/ipc0");
	assert_regions(&l, 0x20070000, 0x800, 0x20078000, 0x800);
	assert_int_equal(l.tx_blocks, 16);
	assert_int_equal(l.rx_blocks, 32);
	assert_int_equal(l.alignment, 32);
	assert_int_equal(l.word_size, 4);
	assert_string_equal(l.cpu, "arm,cortex-m33f");
	assert_string_equal(l.mailboxes, "tx: /mbox@5002a000 0, rx: /mbox@5002a000 1");
}

static void nrf5340(void **state)
{
	static const char *const names[] = { "ipc0", "net-link", "/ipc/ipc0" };
	struct dt_link l;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		l = read_shape("nrf5340", names[i]);
		assert_string_equal(l.path, "/ipc/ipc0");
		assert_regions(&l, 0x20070000, 0x8000, 0x20078000, 0x7000);
		assert_int_equal(l.tx_blocks, 16);
		assert_int_equal(l.rx_blocks, 18);
		assert_int_equal(l.alignment, 0);
		assert_int_equal(l.word_size, 4);
	}
	/* By label, which differs from its name. */
	l = read_shape("nrf5340", "ipc_log");
	assert_string_equal(l.path, "/ipc/ipc1");
	assert_string_equal(l.mailboxes, "tx: /soc/peripheral@50000000/mbox@2a000 2, "
					 "rx: /soc/peripheral@50000000/mbox@2a000 3");
	assert_regions(&l, 0x2007f000, 0x800, 0x2007f800, 0x800);
}

static void nrf54h20(void **state)
{
	struct dt_link l = read_shape("nrf54h20", "ipc-1");

	(void)state;
	assert_regions(&l, 0x12fc01400, 0x400, 0x12fc01000, 0x400);
	assert_int_equal(l.tx_blocks, 8);
	assert_int_equal(l.rx_blocks, 16);
	assert_int_equal(l.word_size, 4);
	assert_string_equal(l.mailboxes, "/mailbox@5f908000 13, /mailbox@5f908000 14");
}

static void stm32h7(void **state)
{
	static const char *const names[] = { "icbmsg", "icbmsg@38000000", "link" };
	struct dt_link l;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		l = read_shape("stm32h7", names[i]);
		assert_string_equal(l.path, "/icbmsg@38000000");
		assert_regions(&l, 0x38000000, 0x8000, 0x30040000, 0x8000);
	}
	assert_int_equal(l.word_size, 4);
	assert_string_equal(l.cpu, "arm,cortex-m7, arm,cortex-m4f");
	assert_string_equal(l.mailboxes,
			    "rx: /soc/mailbox@58026400 1, tx: /soc/mailbox@58026400 0");
}

static void imx_mu(void **state)
{
	struct dt_link l = read_shape("imx_mu", "icbmsg");

	(void)state;
	assert_regions(&l, 0x55000000, 0x10000, 0x55010000, 0x10000);
	assert_int_equal(l.tx_blocks, 64);
	assert_string_equal(l.mailboxes,
			    "tx: /soc/mailbox@30ab0000 3 0, rx: /soc/mailbox@30ab0000 3 1");
}

/* ------------------------------------------------------------------------------------------------
 * Word sizes
 */

#define CPU(text) "cpu@" text " };"

static uint32_t word_size(const char *cpus)
{
	struct dt_link l;
	char text[1000];

	snprintf(text, sizeof(text),
		 TREE(TX RX LINK(REGIONS BLOCKS) "cpus { #address-cells = <1>; "
						 "#size-cells = <0>; %s };"),
		 cpus);
	assert_int_equal(read_text(&l, text, NULL), 0);
	return l.word_size;
}

static void word_sizes(void **state)
{
	(void)state;
	assert_int_equal(word_size(""), 0);
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-m0+\";")), 4);
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-r52\";")), 4);
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-r82\";")), 0);
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-a9\";")), 4);
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-a53\";")), 8);
	assert_int_equal(word_size(CPU("0 { riscv,isa = \"rv64gc\";")), 8);
	assert_int_equal(word_size(CPU("0 { riscv,isa-base = \"rv32i\";")), 4);
	assert_int_equal(word_size(CPU("0 { compatible = \"zephyr,native-sim-cpu\";")), 0);
	assert_int_equal(word_size(CPU("0 { compatible = \"intel,x86_64\";")), 0);
	/* Two of a kind, and two that differ. */
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-a53\";")
					   CPU("1 { compatible = \"arm,cortex-a53\";")),
			 8);
	assert_int_equal(word_size(CPU("0 { compatible = \"arm,cortex-a53\";")
					   CPU("1 { compatible = \"arm,cortex-m4\";")),
			 0);
	/* What is no CPU does not count. */
	assert_int_equal(
		word_size(CPU(
			"0 { compatible = \"arm,cortex-m4\";") "idle-states { compatible = \"arm,cortex-a53\"; };"),
		4);
}

static void mailboxes_do_not_matter(void **state)
{
	struct dt_link l;

	(void)state;
	assert_int_equal(read_text(&l, TREE(TX RX LINK(REGIONS BLOCKS "mboxes = <77 1 2>;")), NULL),
			 0);
	assert_string_equal(l.mailboxes, "");
	assert_int_equal(read_text(&l,
				   TREE(TX RX "m: m { #mbox-cells = <1>; }; " LINK(
					   REGIONS BLOCKS "mboxes = <&m 5>, <&m>;")),
				   NULL),
			 0);
	assert_string_equal(l.mailboxes, "/m 5");
}

/* ------------------------------------------------------------------------------------------------
 * Files and blobs
 */

static void assert_unreadable(const char *path, int expected, const char *message)
{
	size_t size = 42;
	void *blob;

	assert_int_equal(dt_file_read(&blob, &size, path, error), expected);
	assert_string_equal(error, message);
	assert_int_equal(size, 42);
}

static void files(void **state)
{
	char path[] = "/tmp/icbmsg-test-XXXXXX", message[200];

	(void)state;
	assert_unreadable("/nonexistent.dts", -ENOENT,
			  "/nonexistent.dts: does not exist; check the path");
	assert_unreadable("/dev/null", -EINVAL, "/dev/null: is neither a file nor a folder");
	make_file(path, "/dts-v1/; / {", 13);
	snprintf(message, sizeof(message), "%s: dtc refuses it: Error: %s:1.13-14 syntax error",
		 path, path);
	assert_unreadable(path, -EINVAL, message);
	unlink(path);
}

static void dtc_is_missing(void **state)
{
	char saved[4096];

	(void)state;
	snprintf(saved, sizeof(saved), "%s", getenv("PATH"));
	setenv("PATH", "/nonexistent", 1);
	assert_unreadable(SHAPES_DIR "/imx_mu.dts", -ENOPKG,
			  SHAPES_DIR
			  "/imx_mu.dts: needs the program dtc; install the package "
			  "device-tree-compiler, or give a .dtb that was made with it: dtc -@ -O "
			  "dtb -o FILE.dtb FILE.dts");
	setenv("PATH", saved, 1);
}

static int cannot_read(void *path)
{
	char message[100];
	size_t size;
	void *blob;

	if (dt_file_read(&blob, &size, path, error) != -EACCES)
		return 1;
	snprintf(message, sizeof(message), "%s: permission denied; make it readable for this user",
		 (char *)path);
	return strcmp(error, message) != 0;
}

static void permission(void **state)
{
	char path[] = "/tmp/icbmsg-test-XXXXXX";

	(void)state;
	make_file(path, "x", 1);
	chmod(path, 0);
	assert_int_equal(as_nobody(cannot_read, path), 0);
	unlink(path);
}

/* A program that leaves no zombies has nothing to wait for. */
static void children_are_reaped_elsewhere(void **state)
{
	struct dt_link l;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	l = read_shape("imx_mu", NULL);
	signal(SIGCHLD, SIG_DFL);
	assert_string_equal(l.path, "/ipc/icbmsg");
}

/* A tree as the kernel shows it: folders, and files with the bytes of properties. */
static void folder(void **state)
{
	static const unsigned char cell[] = { 0, 0, 0, 16 }, tx[] = { 0, 0, 0, 1 };
	static const unsigned char rx[] = { 0, 0, 0, 2 }, one[] = { 0, 0, 0, 1 };
	static const unsigned char reg_tx[] = { 0, 0, 16, 0, 0, 0, 8, 0 };
	static const unsigned char reg_rx[] = { 0, 0, 32, 0, 0, 0, 8, 0 };
	static const struct {
		const char *name;
		const void *data;
		size_t size;
	} files[] = {
		{ "#address-cells", one, 4 },
		{ "#size-cells", one, 4 },
		{ "tx/phandle", tx, 4 },
		{ "tx/reg", reg_tx, 8 },
		{ "rx/phandle", rx, 4 },
		{ "rx/reg", reg_rx, 8 },
		{ "ipc/tx-region", tx, 4 },
		{ "ipc/rx-region", rx, 4 },
		{ "ipc/tx-blocks", cell, 4 },
		{ "ipc/rx-blocks", cell, 4 },
		{ "ipc/compatible", "zephyr,ipc-icbmsg", 18 },
	};
	char base[] = "/tmp/icbmsg-test-XXXXXX", path[100], command[100];
	struct dt_link l;
	size_t i;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(base));
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", base, &"tx\0rx\0ipc"[3 * i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, files[i].name);
		f = fopen(path, "we");
		assert_non_null(f);
		assert_int_equal(fwrite(files[i].data, 1, files[i].size, f), files[i].size);
		fclose(f);
	}
	assert_int_equal(read_tree(&l, base, "ipc"), 0);
	assert_regions(&l, 0x1000, 0x800, 0x2000, 0x800);
	assert_int_equal(l.rx_blocks, 16);
	snprintf(command, sizeof(command), "rm -r %s", base);
	assert_int_equal(system(command), 0);
}

static void damaged_blobs(void **state)
{
	struct dt_link l;
	size_t size, n;
	void *blob, *copy;

	(void)state;
	assert_int_equal(dt_file_read(&blob, &size, SHAPES_DIR "/documentation.dts", error), 0);
	assert_int_equal(dt_parse(&l, "text", 4, NULL, "t.dtb", error), -EBADMSG);
	assert_string_equal(error,
			    "t.dtb: is no devicetree blob; give a .dtb, or a .dts by that name");
	assert_int_equal(dt_parse(&l, blob, size - 1, NULL, "t.dtb", error), -EBADMSG);
	assert_string_equal(error, "t.dtb: the devicetree is damaged (FDT_ERR_TRUNCATED); build it "
				   "again, or take another copy");
	/* Cut off anywhere, in memory that ends there. */
	for (n = 0; n < size; n++) {
		copy = malloc(n ? n : 1);
		assert_non_null(copy);
		memcpy(copy, blob, n);
		assert_int_equal(dt_parse(&l, copy, n, NULL, "t.dtb", error), -EBADMSG);
		free(copy);
	}
	free(blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(documentation, setup, teardown),
		cmocka_unit_test_setup_teardown(nrf5340, setup, teardown),
		cmocka_unit_test_setup_teardown(nrf54h20, setup, teardown),
		cmocka_unit_test_setup_teardown(stm32h7, setup, teardown),
		cmocka_unit_test_setup_teardown(imx_mu, setup, teardown),
		cmocka_unit_test_setup_teardown(word_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(mailboxes_do_not_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(files, setup, teardown),
		cmocka_unit_test_setup_teardown(dtc_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(permission, setup, teardown),
		cmocka_unit_test_setup_teardown(children_are_reaped_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(folder, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_blobs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
