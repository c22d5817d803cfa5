// SPDX-License-Identifier: Apache-2.0
/*
 * Configuration: what each key takes and refuses, and what is refused because of what keys mean
 * together. Messages are compared whole: they are what users see.
 */
#include "unit/config_rig.h"

#include "core/config_keys.h"

static void defaults(void **state)
{
	struct config_values v;

	(void)state;
	assert_string_equal(config_error(cfg), "");
	set_all();
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_SHM);
	assert_string_equal(v.memory.name, "/x");
	assert_true(v.memory.create);
	assert_int_equal(v.memory.mode, 0600);
	assert_int_equal(v.memory.type, MEM_NORMAL);
	assert_int_equal(v.memory.size, 8192);
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_POLL);
	assert_int_equal(v.doorbell.in.interval_ns, 1000000);
	assert_int_equal(v.tx.address, 0);
	assert_int_equal(v.rx.address, 4096);
	assert_int_equal(v.tx_layout.alignment, 4);
	assert_int_equal(v.rx_layout.alignment, 4);
	assert_int_equal(v.tx_layout.header_size, 4);
	assert_int_equal(v.tx_layout.block_count, 16);
	assert_int_equal(v.rx_layout.block_count, 18);
	assert_int_equal(v.tx_geometry.peer_blocks, 18);
	assert_int_equal(v.rx_geometry.peer_blocks, 16);
	assert_int_equal(v.rescue_interval_ns, 50000000);
	assert_string_equal(v.wire, "classic");
	assert_string_equal(v.name, "");
	assert_null(config_get(cfg, "word-size"));
	assert_string_equal(config_get(cfg, "tx-region"), "0 4k");
	assert_null(config_get(cfg, "nonsense"));
}

static void memory_values(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("memory", "shm:/with.slash");
	set("memory-create", "no");
	set("memory-mode", "0640");
	set("memory-type", "device");
	v = resolve();
	assert_string_equal(v.memory.name, "/with.slash");
	assert_false(v.memory.create);
	assert_int_equal(v.memory.mode, 0640);
	assert_int_equal(v.memory.type, MEM_DEVICE);
	set("memory", "fd:2147483647");
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_FD);
	assert_int_equal(v.memory.fd, INT32_MAX);
	set("memory", "file:/sys/bus/pci/devices/0000:00:04.0/resource2");
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_FILE);
	assert_string_equal(v.memory.name, "/sys/bus/pci/devices/0000:00:04.0/resource2");
}

/* The source decides about the type unless it is told. */
static void the_memory_type_may_be_left_open(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	v = resolve();
	assert_false(v.memory.type_given);
	set("memory-type", "normal");
	v = resolve();
	assert_true(v.memory.type_given);
	assert_int_equal(v.memory.type, MEM_NORMAL);
}

static void physical_memory_values(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("memory", "mem:0x20070004");
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_DEVMEM);
	assert_int_equal(v.memory.address, 0x20070004);
	assert_int_equal(v.memory.limit, 0);
	assert_true(v.memory.sync);
	set("memory", "mem:512M+0x10000");
	set("memory-sync", "no");
	v = resolve();
	assert_int_equal(v.memory.address, 0x20000000);
	assert_int_equal(v.memory.limit, 0x10000);
	assert_false(v.memory.sync);
}

/* Roles and alignment then come out as where the firmware sees the memory as Linux does. */
static void physical_addresses_are_the_default(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("memory", "mem:0x20070000");
	v = resolve();
	assert_int_equal(v.tx.address, 0x20070000 + v.tx.offset);
	assert_int_equal(v.rx.address, 0x20070000 + v.rx.offset);
	assert_int_equal(v.tx_layout.begin, v.tx.address);
	set("tx-address", "0x1000");
	set("rx-address", "0x9000");
	v = resolve();
	assert_int_equal(v.tx.address, 0x1000);
}

static void uio_memory_values(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("memory", "uio:ipc memory/shared/1");
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_UIO);
	assert_string_equal(v.memory.name, "ipc memory");
	assert_string_equal(v.memory.map, "shared/1");
	assert_int_equal(v.tx.address, v.tx.offset);
	set("memory", "uio:3");
	v = resolve();
	assert_string_equal(v.memory.name, "3");
	assert_string_equal(v.memory.map, "");
}

static void doorbell_values(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} intervals[] = {
		{ "poll:10us", 10000 },
		{ "poll:250us", 250000 },
		{ "poll:5ms", 5000000 },
		{ "poll:2s", 2000000000 },
		{ "poll:1m", INT64_C(60000000000) },
	};
	struct config_values v;
	size_t i;

	(void)state;
	set_all();
	set("doorbell", "eventfd:12,3");
	v = resolve();
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_EVENTFD);
	assert_int_equal(v.doorbell.in.fd, 12);
	assert_int_equal(v.doorbell.out.fd, 3);
	set("doorbell", "socket:7");
	v = resolve();
	assert_int_equal(v.doorbell.out.kind, DOORBELL_OUT_SOCKET);
	assert_int_equal(v.doorbell.in.fd, -1);
	assert_int_equal(v.doorbell.out.fd, 7);
	set("doorbell", "poll:busy");
	assert_int_equal(resolve().doorbell.in.kind, DOORBELL_IN_BUSY);
	for (i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		set("doorbell", intervals[i].text);
		v = resolve();
		assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_POLL);
		assert_true(v.doorbell.in.interval_ns == intervals[i].ns);
	}
}

static void geometry_values(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("tx-region", "0x10k \t 0X8000");
	set("rx-region", "1M 1M");
	set("tx-address", "0x20000000");
	set("rx-address", "1G");
	set("tx-blocks", "0x10");
	set("rx-blocks", "256");
	set("dcache-alignment", "64");
	set("word-size", "8");
	set("rescue-interval", "100us");
	v = resolve();
	assert_int_equal(v.tx.offset, 16384);
	assert_int_equal(v.tx.size, 32768);
	assert_int_equal(v.rx.offset, 1048576);
	assert_int_equal(v.memory.size, 2097152);
	assert_int_equal(v.tx_layout.begin, 0x20000000);
	assert_int_equal(v.rx.address, 0x40000000);
	assert_int_equal(v.tx_layout.alignment, 64);
	assert_int_equal(v.rx_layout.alignment, 64);
	assert_int_equal(v.tx_layout.header_size, 8);
	assert_int_equal(v.rx_layout.header_size, 8);
	assert_int_equal(v.rx_layout.block_count, 256);
	assert_int_equal(v.rescue_interval_ns, 100000);
	set("rescue-interval", "never");
	assert_int_equal(resolve().rescue_interval_ns, 0);
}

static const char *const bad[][2] = {
	{ "memory", "" },
	{ "memory", "x" },
	{ "memory", "shm:" },
	{ "memory", "shm:/" },
	{ "memory", "shm:a/b" },
	{ "memory", "shm:.." },
	{ "memory", "fd:" },
	{ "memory", "fd:-1" },
	{ "memory", "fd:1x" },
	{ "memory", "fd:2147483648" },
	{ "memory-create", "true" },
	{ "memory-mode", "0800" },
	{ "memory-mode", "01000" },
	{ "memory-mode", "rw" },
	{ "memory-mode", "" },
	{ "memory-type", "Normal" },
	{ "memory-sync", "1" },
	{ "memory", "ivshmem" },
	{ "memory", "ivshmem:" },
	{ "memory", "ivshmem-pci:00:04.0" },
	{ "memory", "ivshmem-pci:0000:00:04.0x" },
	{ "memory", "ivshmem-pci:0000:00:0g.0" },
	{ "memory", "ivshmem-pci:../0:00:04.0" },
	{ "memory", "ivshmem-pcie" },
	{ "doorbell", "ivshmem:" },
	{ "doorbell", "ivshmem:-1" },
	{ "doorbell", "ivshmem:65536" },
	{ "doorbell", "ivshmem:1," },
	{ "doorbell", "ivshmem:1,65536" },
	{ "doorbell", "ivshmem:1,2,3" },
	{ "doorbell", "ivshmem:every" },
	{ "memory", "mem:" },
	{ "memory", "mem:0x2007000g" },
	{ "memory", "mem:0x20070002" }, /* not a word */
	{ "memory", "mem:-4" },
	{ "memory", "mem:0x20070000+" },
	{ "memory", "mem:0x20070000+0" },
	{ "memory", "mem:0x20070000 0x1000" },
	{ "memory", "mem:0x8000000000000000" },
	{ "memory", "mem:0x7ffffffffffffffc+0x100" },
	{ "memory", "uio:" },
	{ "memory", "uio:/map0" },
	{ "memory", "uio:0/" },
	{ "memory", "file:" },
	{ "memory", "file:relative" },
	{ "doorbell", "eventfd" },
	{ "doorbell", "eventfd:1" },
	{ "doorbell", "eventfd:1,1" },
	{ "doorbell", "eventfd:1, 2" },
	{ "doorbell", "eventfd:1,2,3" },
	{ "doorbell", "socket:" },
	{ "doorbell", "socket:x" },
	{ "doorbell", "socket:5,6" },
	{ "doorbell", "poll:" },
	{ "doorbell", "poll:5" },
	{ "doorbell", "poll:9us" },
	{ "doorbell", "poll:61s" },
	{ "doorbell", "poll:2m" },
	{ "doorbell", "poll:1h" },
	{ "doorbell", "poll:99999999999999999999s" },
	{ "doorbell", "poll:0ms" },
	{ "tx-region", "0" },
	{ "tx-region", "0 0" },
	{ "tx-region", "0,4k" },
	{ "tx-region", "-1 4k" },
	{ "tx-region", "0 4G" },
	{ "tx-region", "0 4k 4k" },
	{ "rx-region", "0x 4k" },
	{ "rx-region", "99999999999999999999 4k" },
	{ "rx-region", "17179869184G 4k" },
	{ "tx-address", "0x1g" },
	{ "rx-address", "0x10000000000000000" },
	{ "tx-blocks", "0" },
	{ "tx-blocks", "257" },
	{ "rx-blocks", "16.5" },
	{ "rx-blocks", " 16" },
	{ "dcache-alignment", "0" },
	{ "dcache-alignment", "48" },
	{ "dcache-alignment", "2M" },
	{ "word-size", "2" },
	{ "word-size", "32" },
	{ "wire", "queue" },
	{ "wire", "" },
	{ "rescue-interval", "50" },
	{ "rescue-interval", "99us" },
	{ "rescue-interval", "0s" },
	{ "rescue-interval", "no" },
};

static void bad_values(void **state)
{
	char start[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (config_set(cfg, bad[i][0], bad[i][1]) != -EINVAL)
			fail_msg("%s = %s was taken", bad[i][0], bad[i][1]);
		snprintf(start, sizeof(start), "%s: \"%s\" is not ", bad[i][0], bad[i][1]);
		assert_memory_equal(config_error(cfg), start, strlen(start));
		assert_null(config_get(cfg, bad[i][0]));
	}
}

static void bad_value_texts(void **state)
{
	(void)state;
	config_set(cfg, "tx-blocks", "0");
	assert_error("tx-blocks: \"0\" is not a number from 1 to 256; "
		     "write for example tx-blocks = 16");
	config_set(cfg, "wire", "queue");
	assert_error("wire: \"queue\" is not a wire generation this version has: classic; "
		     "write for example wire = classic");
	config_set(cfg, "word-size", "\x1b[2J64");
	assert_error("word-size: \"?[2J64\" is not 4 or 8, the bytes of a word of the firmware's "
		     "CPU; write for example word-size = 8");
	config_set(cfg, "memory-create",
		   "a value so long that nobody would want to read all of it "
		   "in a message");
	assert_error("memory-create: \"a value so long that nobody would want to read all of it "
		     "in ...\" is not yes or no; write for example memory-create = no");
}

static void unknown_keys(void **state)
{
	(void)state;
	assert_int_equal(config_set(cfg, "tx-block", "1"), -ENOENT);
	assert_error("tx-block: no such key; did you mean tx-blocks?");
	assert_int_equal(config_set(cfg, "dcache_alignment", "1"), -ENOENT);
	assert_error("dcache_alignment: no such key; did you mean dcache-alignment?");
	assert_int_equal(config_set(cfg, "colour", "blue"), -ENOENT);
	assert_error("colour: no such key; icbmsg.conf(5) lists them");
	assert_int_equal(config_set(cfg, "", "x"), -ENOENT);
	assert_int_equal(config_set(cfg, NULL, "x"), -EINVAL);
	assert_int_equal(config_set(cfg, "wire", NULL), -EINVAL);
	assert_int_equal(config_load(cfg, NULL, NULL), -EINVAL);
	assert_int_equal(config_new(NULL), -EINVAL);
	config_free(NULL);
}

static void missing_keys(void **state)
{
	struct config_values v;

	(void)state;
	assert_unresolved(true, "tx-region: missing; write for example tx-region = 0 16k");
	set("tx-region", "0 4k");
	assert_unresolved(true, "rx-region: missing; write for example rx-region = 16k 16k");
	set("rx-region", "4k 4k");
	assert_unresolved(true, "tx-blocks: missing; write for example tx-blocks = 16");
	set("tx-blocks", "16");
	assert_unresolved(true, "rx-blocks: missing; write for example rx-blocks = 18");
	set("rx-blocks", "16");
	assert_int_equal(config_resolve(cfg, &v, true), 0);
	assert_int_equal(v.memory.kind, MEMORY_NONE);
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_NONE);
	assert_unresolved(false, "memory: missing; write for example memory = shm:icbmsg0");
	set("memory", "fd:3");
	assert_unresolved(false, "doorbell: missing; write for example doorbell = eventfd:5,6");
	set("doorbell", "poll");
	resolve();
}

static void regions_beyond_the_memory(void **state)
{
	(void)state;
	set_all();
	set("memory", "mem:0x20000000+8191");
	assert_unresolved(false, "memory: 0x1fff bytes, but the regions need 0x2000; correct the "
				 "regions, or the size behind the +");
	set("memory", "mem:0x20000000+8k");
	resolve();
}

static void overlapping_regions(void **state)
{
	(void)state;
	set_all();
	set("rx-region", "4095 4k");
	assert_unresolved(false, "rx-region: 0xfff + 0x1000 overlaps tx-region 0x0 + 0x1000; move "
				 "or shrink one");
	set("rx-region", "4k 4k");
	set("tx-address", "0x20000000");
	assert_unresolved(false, "tx-address: rx-address is missing; give both or none, as they "
				 "decide the roles");
	set("rx-address", "0x20000ffc");
	assert_unresolved(false, "rx-address: 0x20000ffc + 0x1000 overlaps tx-address 0x20000000 + "
				 "0x1000; give the firmware's addresses");
	set("rx-address", "0x1ffff000");
	resolve();
}

static void regions_beyond_everything(void **state)
{
	(void)state;
	set_all();
	set("tx-region", "0x7ffffffffffffff8 8");
	assert_unresolved(true,
			  "tx-region: 0x7ffffffffffffff8 + 0x8 is beyond any memory; the OFFSET "
			  "counts from the start of the memory");
	set("tx-region", "0 4k");
	set("tx-address", "0");
	set("rx-address", "0xfffffffffffff001");
	assert_unresolved(true,
			  "rx-address: 0xfffffffffffff001 + 0x1000 is beyond 64 bits; give the "
			  "firmware's address");
	set("rx-address", "0xffffffffffffeffd"); /* the layout's own limit */
	assert_int_equal(config_resolve(cfg, &(struct config_values){ 0 }, true), -EINVAL);
	assert_memory_equal(config_error(cfg), "rx-region: region at 0xffffffffffffeffd", 39);
}

static void impossible_layouts(void **state)
{
	(void)state;
	set_all();
	set("rx-region", "4k 256");
	assert_int_equal(config_resolve(cfg, &(struct config_values){ 0 }, true), -EINVAL);
	assert_memory_equal(config_error(cfg), "rx-region: region of 256 usable bytes", 37);
	set("rx-region", "4k 4k");
	set("rx-address", "0x1002");
	set("tx-address", "0");
	assert_unresolved(true,
			  "rx-region: its first word would be mapped at 0x1002, not a multiple "
			  "of 4; OFFSET and address must be equal modulo 4");
	set("rx-region", "0x1002 4k");
	resolve();
	set("rx-address", "0x2000");
	assert_unresolved(true,
			  "rx-region: its first word would be mapped at 0x1002, not a multiple "
			  "of 4; OFFSET and address must be equal modulo 4");
}

/* Firmware can be built with blocks that hold no more than their header, but no message fits. */
static void blocks_without_payload(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("tx-region", "0 352"); /* ring 8 + 8 * (2 + 34) = 296; 16 blocks share 56 */
	set("tx-blocks", "14");
	set("rx-blocks", "20");
	assert_int_equal(config_resolve(cfg, &v, true), 0);
	assert_int_equal(v.tx_layout.block_size, 4);
	assert_unresolved(false, "tx-blocks: blocks of 4 bytes hold no payload behind their header "
				 "of 4; use fewer blocks or a larger region");
}

static void keys_are_listed(void **state)
{
	const char *fallback = "?";
	unsigned int n = 0;

	(void)state;
	for (; config_key_name(n, NULL); n++)
		if (strcmp(config_key_name(n, NULL), "memory-create") == 0)
			config_key_name(n, &fallback);
	assert_int_equal(n, KEY_COUNT);
	assert_string_equal(fallback, "yes");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(defaults),
		T(memory_values),
		T(the_memory_type_may_be_left_open),
		T(physical_memory_values),
		T(physical_addresses_are_the_default),
		T(uio_memory_values),
		T(doorbell_values),
		T(geometry_values),
		T(bad_values),
		T(bad_value_texts),
		T(unknown_keys),
		T(missing_keys),
		T(regions_beyond_the_memory),
		T(overlapping_regions),
		T(regions_beyond_everything),
		T(impossible_layouts),
		T(blocks_without_payload),
		T(keys_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
