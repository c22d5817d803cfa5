// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells in the configuration: both directions by one key or each by its own, registers by
 * place, action and value, and messages that name the part that is wrong.
 */
#include "unit/config_rig.h"

static void assert_unresolved_says(const char *part)
{
	struct config_values v;

	assert_int_equal(config_resolve(cfg, &v, false), -EINVAL);
	assert_says(part);
}

static void each_direction_has_its_key(void **state)
{
	struct config_values v;

	(void)state;
	set_all_but_doorbells();
	set("doorbell-in", "eventfd:7");
	set("doorbell-out", "none");
	v = resolve();
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_EVENTFD);
	assert_int_equal(v.doorbell.in.fd, 7);
	assert_int_equal(v.doorbell.out.kind, DOORBELL_OUT_NOBODY);
	assert_int_equal(v.doorbell.setup.count, 0);
	set("doorbell-in", "poll:busy");
	set("doorbell-out", "eventfd:8");
	v = resolve();
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_BUSY);
	assert_int_equal(v.doorbell.out.kind, DOORBELL_OUT_EVENTFD);
	assert_int_equal(v.doorbell.out.fd, 8);
	set("doorbell-in", "uio:ipc mailbox");
	v = resolve();
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_UIO);
	assert_string_equal(v.doorbell.in.name, "ipc mailbox");
	assert_int_equal(v.doorbell.in.ack.count, 0);
}

static void both_directions_are_needed_once(void **state)
{
	(void)state;
	set_all_but_doorbells();
	assert_unresolved_says("doorbell: missing; write for example doorbell = eventfd:5,6");
	set("doorbell-in", "poll");
	assert_unresolved_says("doorbell-out: missing; write for example doorbell-out = register:");
	set("doorbell-out", "none");
	resolve();
	set("doorbell", "poll");
	assert_unresolved_says("doorbell-in: doorbell is set, too, and stands for both directions");
}

static void the_other_direction_is_needed(void **state)
{
	(void)state;
	set_all_but_doorbells();
	set("doorbell-out", "none");
	assert_unresolved_says("doorbell-in: missing; write for example doorbell-in = uio:mailbox");
	set("doorbell", "poll");
	assert_unresolved_says("doorbell-out: doorbell is set, too");
}

static void only_interrupts_are_acknowledged(void **state)
{
	struct config_values v;

	(void)state;
	set_all_but_doorbells();
	set("doorbell-in", "poll");
	set("doorbell-out", "none");
	set("doorbell-ack", "uio:mu+0x118 w1c32 1");
	assert_unresolved_says("doorbell-ack: there is no interrupt to acknowledge");
	set("doorbell-in", "uio:mu");
	v = resolve();
	assert_int_equal(v.doorbell.in.ack.count, 1);
	assert_int_equal(v.doorbell.in.ack.at[0].action, REGISTER_W1C);
}

static void peers_and_vectors_of_a_bus(void **state)
{
	struct config_values v;

	(void)state;
	set_all_but_doorbells();
	set("memory", "ivshmem:/run/bus");
	set("doorbell", "ivshmem");
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_IVSHMEM);
	assert_string_equal(v.memory.name, "/run/bus");
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_IVSHMEM);
	assert_int_equal(v.doorbell.out.kind, DOORBELL_OUT_IVSHMEM);
	assert_int_equal(v.doorbell.target.peer, IVSHMEM_ANY);
	assert_int_equal(v.doorbell.target.vector, 0);
	set("doorbell", "ivshmem:65535");
	assert_int_equal(resolve().doorbell.target.peer, 65535);
	set("doorbell", "ivshmem:any,7");
	v = resolve();
	assert_int_equal(v.doorbell.target.peer, IVSHMEM_ANY);
	assert_int_equal(v.doorbell.target.vector, 7);
	set("memory", "ivshmem-pci");
	assert_unresolved_says("doorbell: a guest cannot see who else is there");
	set("doorbell", "ivshmem:2,1");
	v = resolve();
	assert_int_equal(v.memory.kind, MEMORY_IVSHMEM_PCI);
	assert_string_equal(v.memory.name, "");
	assert_int_equal(v.doorbell.target.peer, 2);
	assert_int_equal(v.doorbell.target.vector, 1);
	set("memory", "ivshmem-pci:0000:00:1f.7");
	assert_string_equal(resolve().memory.name, "0000:00:1f.7");
	set("memory", "shm:x");
	assert_unresolved_says("doorbell: ivshmem rings through the bus that the memory is on");
}

static void paths_of_sockets_are_short(void **state)
{
	char text[8 + IVSHMEM_PATH_MAX + 2] = "ivshmem:";

	(void)state;
	memset(text + 8, 'x', IVSHMEM_PATH_MAX);
	assert_int_equal(config_set(cfg, "memory", text), 0);
	text[8 + IVSHMEM_PATH_MAX] = 'x';
	assert_int_equal(config_set(cfg, "memory", text), -EINVAL);
}

static void a_bus_may_ring_one_way(void **state)
{
	struct config_values v;

	(void)state;
	set_all_but_doorbells();
	set("memory", "ivshmem:/run/bus");
	set("doorbell-in", "poll:1ms");
	set("doorbell-out", "ivshmem:1");
	v = resolve();
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_POLL);
	assert_int_equal(v.doorbell.target.peer, 1);
	set("doorbell-in", "ivshmem");
	set("doorbell-out", "none");
	assert_int_equal(resolve().doorbell.in.kind, DOORBELL_IN_IVSHMEM);
	set("memory", "shm:x");
	assert_unresolved_says("doorbell-in: ivshmem rings through");
}

static void intervals_may_adapt(void **state)
{
	struct config_values v;

	(void)state;
	set_all_but_doorbells();
	set("doorbell", "poll:50us..20ms");
	v = resolve();
	assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_POLL);
	assert_int_equal(v.doorbell.out.kind, DOORBELL_OUT_NOBODY);
	assert_int_equal(v.doorbell.in.interval_ns, 50000);
	assert_int_equal(v.doorbell.in.interval_max_ns, 20000000);
	set("doorbell", "poll:5ms");
	v = resolve();
	assert_int_equal(v.doorbell.in.interval_max_ns, 5000000);
	assert_int_equal(config_set(cfg, "doorbell", "poll:20ms..50us"), -EINVAL);
	assert_int_equal(config_set(cfg, "doorbell", "poll:1us..50us"), -EINVAL);
	assert_int_equal(config_set(cfg, "doorbell", "poll:1ms..2m"), -EINVAL);
	assert_int_equal(config_set(cfg, "doorbell", "poll:1ms.."), -EINVAL);
	assert_int_equal(config_set(cfg, "doorbell", "poll:1ms..2ms..3ms"), -EINVAL);
}

static struct register_list ring(const char *text)
{
	set("doorbell-in", "poll");
	set("doorbell-out", text);
	assert_int_equal(resolve().doorbell.out.kind, DOORBELL_OUT_REGISTER);
	return resolve().doorbell.out.ring;
}

static void places_of_registers(void **state)
{
	struct register_list l;

	(void)state;
	set_all_but_doorbells();
	l = ring("register:mem:0x5d1b0024 set32 0x80000");
	assert_int_equal(l.count, 1);
	assert_int_equal(l.at[0].place, REGISTER_MEM);
	assert_int_equal(l.at[0].offset, 0x5d1b0024);
	l = ring("register:uio:mailbox write32 1");
	assert_int_equal(l.at[0].place, REGISTER_UIO);
	assert_string_equal(l.at[0].name, "mailbox");
	assert_string_equal(l.at[0].map, "");
	assert_int_equal(l.at[0].offset, 0);
	l = ring("register:uio:1/map0+0x60 write32 1");
	assert_string_equal(l.at[0].name, "1");
	assert_string_equal(l.at[0].map, "map0");
	assert_int_equal(l.at[0].offset, 0x60);
	l = ring("register:file:/sys/bus/pci/devices/0000:00:04.0/resource0+12 write32 0x10000");
	assert_int_equal(l.at[0].place, REGISTER_FILE);
	assert_string_equal(l.at[0].name, "/sys/bus/pci/devices/0000:00:04.0/resource0");
	assert_int_equal(l.at[0].offset, 12);
}

static void actions_on_registers(void **state)
{
	static const struct {
		const char *text;
		enum register_action action;
		unsigned int bits;
		uint64_t value;
	} all[] = {
		{ "register:mem:1 write8 0xff", REGISTER_WRITE, 8, 0xff },
		{ "register:mem:2 set16 0x8000", REGISTER_SET, 16, 0x8000 },
		{ "register:mem:4\tclear32  3 ", REGISTER_CLEAR, 32, 3 },
#ifdef __LP64__ /* other CPUs have no single access of 64 bits, and say so */
		{ "register: mem:8 w1c64 0xffffffffffffffff", REGISTER_W1C, 64, UINT64_MAX },
#endif
		{ "register:mem:4 write32 0", REGISTER_WRITE, 32, 0 },
	};

	(void)state;
	set_all_but_doorbells();
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct register_list l = ring(all[i].text);

		assert_int_equal(l.count, 1);
		assert_int_equal(l.at[0].action, all[i].action);
		assert_int_equal(l.at[0].bits, all[i].bits);
		assert_true(l.at[0].value == all[i].value);
	}
}

static void several_accesses(void **state)
{
	struct register_list l;

	(void)state;
	set_all_but_doorbells();
	l = ring("register:mem:0 write32 1, uio:a set8 2 ,file:/f+4 clear16 3");
	assert_int_equal(l.count, 3);
	assert_int_equal(l.at[0].place, REGISTER_MEM);
	assert_int_equal(l.at[1].place, REGISTER_UIO);
	assert_int_equal(l.at[1].bits, 8);
	assert_int_equal(l.at[2].place, REGISTER_FILE);
	assert_int_equal(l.at[2].value, 3);
	set("doorbell-setup", "mem:0 set32 1, mem:4 set32 1, mem:8 set32 1, mem:12 set32 1");
	assert_int_equal(resolve().doorbell.setup.count, 4);
}

static void wrong_parts_are_named(void **state)
{
	static const struct {
		const char *key, *text, *says;
	} bad[] = {
		{ "doorbell-in", "uio:", "uio: takes the name or number of a UIO device" },
		{ "doorbell-in", "uio:mu/map0", "whole device, so write uio:mu" },
		{ "doorbell-in", "eventfd:5,6", "eventfd: takes the number of one descriptor" },
		{ "doorbell-out", "ivshmem:x", "ivshmem, ivshmem:PEER or ivshmem:PEER,VECTOR" },
		{ "doorbell-out", "ivshmem:1,65536", "ivshmem:PEER,VECTOR" },
		{ "doorbell-in", "none", "uio:DEVICE, eventfd:NUMBER, ivshmem, poll" },
		{ "doorbell-in", "poll:5",
		  "poll:MIN..MAX or poll:busy; write for example "
		  "doorbell-in = uio:mailbox" },
		{ "doorbell-out", "poll", "register:PLACE ACTION VALUE, eventfd:NUMBER, ivshmem" },
		{ "doorbell-out", "eventfd:x", "the number of one descriptor" },
		{ "doorbell-out", "register:", "\"\" is no place of a register: mem:ADDRESS" },
		{ "doorbell-out", "register:0x1000 write32 1", "\"0x1000\" is no place" },
		{ "doorbell-out", "register:mem:fish write32 1", "\"fish\" is no physical" },
		{ "doorbell-out", "register:mem:0x1000+4 write32 1",
		  "\"0x1000+4\" is no physical" },
		{ "doorbell-out", "register:uio: write32 1", "\"\" is no name of a UIO device" },
		{ "doorbell-out", "register:uio:a/ write32 1", "\"\" is no name of a map" },
		{ "doorbell-out", "register:uio:a+x write32 1", "\"x\" is no offset" },
		{ "doorbell-out", "register:file:f+0 write32 1", "\"f\" is no path from /" },
		{ "doorbell-out", "register:mem:0x1000",
		  "\"\" is no action: write, set, clear or" },
		{ "doorbell-out", "register:mem:0x1000 0x1", "\"0x1\" is no action" },
		{ "doorbell-out", "register:mem:0x1000 write 1", "\"write\": write, set" },
		{ "doorbell-out", "register:mem:0x1000 write12 1", "with 8, 16, 32 or 64 behind" },
		{ "doorbell-out", "register:mem:0x1000 write128 1", "\"write128\"" },
		{ "doorbell-out", "register:mem:0x1000 write32", "write32 needs a value" },
		{ "doorbell-out", "register:mem:0x1000 write32 yes", "and \"yes\" is none" },
		{ "doorbell-out", "register:mem:0x1000 write8 0x100",
		  "0x100 has more than 8 bits" },
		{ "doorbell-out", "register:mem:0x1000 set32 0", "set32 0 changes no bit" },
		{ "doorbell-out", "register:mem:0x1002 write32 1",
		  "0x1002 is not a multiple of 4" },
		{ "doorbell-out", "register:uio:a+0x4 write64 1", "as write64 wants it" },
		{ "doorbell-out", "register:mem:0 write32 1 2", "\"2\" behind the value; a comma" },
		{ "doorbell-out", "register:mem:0 write32 1,", "\"\" is no place" },
		{ "doorbell-setup", "register:mem:0 write32 1", "\"register:mem:0\" is no place" },
		{ "doorbell-ack",
		  "mem:0 set8 1,mem:0 set8 1,mem:0 set8 1,mem:0 set8 1,mem:0 set8 1",
		  "more than 4 accesses" },
		{ "doorbell-ack", "mem:0 w1c32 1\x01", "and \"1?\" is none" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(config_set(cfg, bad[i].key, bad[i].text), -EINVAL);
		assert_says(bad[i].says);
		assert_says(bad[i].key);
	}
}

static void long_words_are_refused(void **state)
{
	char text[512] = "register:uio:";

	(void)state;
	memset(text + strlen(text), 'x', 300);
	assert_int_equal(config_set(cfg, "doorbell-out", text), -EINVAL);
	assert_says("a word of more than");
	strcpy(text + 13 + REGISTER_NAME_MAX + 1, " write32 1");
	assert_int_equal(config_set(cfg, "doorbell-out", text), -EINVAL);
	assert_says("is no name of a UIO device");
	strcpy(text + 13 + REGISTER_NAME_MAX, " write32 1");
	set("doorbell-out", text);
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "uio:", 4);
	assert_int_equal(config_set(cfg, "doorbell-in", text), -EINVAL);
}

/* The file that users copy from. */
static void the_example_is_right(void **state)
{
	static const struct {
		const char *name;
		unsigned int setup, ack, ring;
	} all[] = {
		{ "mu-v2", 1, 1, 1 }, { "mu-v1", 1, 1, 1 },  { "ipcc", 2, 1, 1 },
		{ "soft", 0, 1, 1 },  { "polled", 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct icbmsg_config *own;
		struct config_values v;

		assert_int_equal(config_new(&own), 0);
		if (config_load(own, MAILBOXES_CONF, all[i].name) != 0 ||
		    config_resolve(own, &v, false) != 0)
			fail_msg("%s", config_error(own));
		config_free(own);
		assert_int_equal(v.doorbell.setup.count, all[i].setup);
		assert_int_equal(v.doorbell.in.ack.count, all[i].ack);
		assert_int_equal(v.doorbell.out.ring.count, all[i].ring);
	}
}

/* Another one: who is rung from host and guest. */
static void the_bus_example_is_right(void **state)
{
	static const struct {
		const char *name;
		enum memory_kind memory;
		int peer;
	} all[] = {
		{ "core", MEMORY_IVSHMEM, IVSHMEM_ANY },
		{ "host", MEMORY_IVSHMEM, IVSHMEM_ANY },
		{ "guest", MEMORY_IVSHMEM_PCI, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct icbmsg_config *own;
		struct config_values v;

		assert_int_equal(config_new(&own), 0);
		if (config_load(own, IVSHMEM_CONF, all[i].name) != 0 ||
		    config_resolve(own, &v, false) != 0)
			fail_msg("%s", config_error(own));
		config_free(own);
		assert_int_equal(v.memory.kind, all[i].memory);
		assert_int_equal(v.doorbell.in.kind, DOORBELL_IN_IVSHMEM);
		assert_int_equal(v.doorbell.target.peer, all[i].peer);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_direction_has_its_key),
		T(both_directions_are_needed_once),
		T(the_other_direction_is_needed),
		T(only_interrupts_are_acknowledged),
		T(peers_and_vectors_of_a_bus),
		T(a_bus_may_ring_one_way),
		T(paths_of_sockets_are_short),
		T(intervals_may_adapt),
		T(places_of_registers),
		T(actions_on_registers),
		T(several_accesses),
		T(wrong_parts_are_named),
		T(long_words_are_refused),
		T(the_example_is_right),
		T(the_bus_example_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
