/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading trees in tests of lib/core/dt*.c: from text, which messages call "t.dts".
 */
#ifndef ICBMSG_TESTS_UNIT_DT_H
#define ICBMSG_TESTS_UNIT_DT_H

#include "unit/files.h"

#include "core/dt.h"
#include "core/dt_file.h"

/* A tree of two regions and one link, in parts. */
#define TREE(root) "/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; " root " };"
#define TX "tx: memory@1000 { reg = <0x1000 0x800>; };"
#define RX "rx: memory@2000 { reg = <0x2000 0x800>; };"
#define LINK(properties) "ipc { compatible = \"zephyr,ipc-icbmsg\"; " properties " };"
#define REGIONS "tx-region = <&tx>; rx-region = <&rx>; "
#define BLOCKS "tx-blocks = <16>; rx-blocks = <16>; "

static char error[CONFIG_ERROR_SIZE];
static int fds_before;

static inline int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* Read @node of the file @path; its name in messages is "t.dts". */
static inline int read_tree(struct dt_link *link, const char *path, const char *node)
{
	size_t size;
	void *blob;
	int ret;

	if (dt_file_read(&blob, &size, path, error) < 0)
		fail_msg("%s", error);
	ret = dt_parse(link, blob, size, node, "t.dts", error);
	free(blob);
	return ret;
}

static inline int read_text(struct dt_link *link, const char *text, const char *node)
{
	char path[] = "/tmp/icbmsg-test-XXXXXX";
	int ret;

	make_file(path, text, strlen(text));
	ret = read_tree(link, path, node);
	unlink(path);
	return ret;
}

#endif
