// SPDX-License-Identifier: Apache-2.0
/*
 * A link that goes through a daemon: registering, the daemon's end and its coming back, with the
 * same memory and with other.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ends.h"
#include "fake_daemon.h"

static struct fake f;
static struct icbmsg *link_;
static struct seen a, b;
static struct icbmsg_unbound last_unbound;
static int last_error;
static char last_log[256];
static unsigned int fds;
static const char *spin; /* the key, or NULL */

static int setup(void **state)
{
	(void)state;
	fds = count_fds();
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	last_error = 0;
	fake_init(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_deinit(&f);
	assert_int_equal(count_fds(), fds);
	return 0;
}

static void keep_warning(void *user, enum icbmsg_log_level level, const char *line)
{
	(void)user;
	if (level == ICBMSG_LOG_WARNING)
		snprintf(last_log, sizeof(last_log), "%s", line);
}

static void connect_client(void)
{
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	if (spin)
		assert_int_equal(icbmsg_config_set(cfg, "spin", spin), 0);
	if (icbmsg_connect(&link_, cfg, f.path) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	icbmsg_set_log(link_, keep_warning, NULL);
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	last_unbound = *info;
	seen_callbacks.unbound(ept, info, user);
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	last_error = error;
	seen_callbacks.error(ept, error, message, user);
}

static int try_register(struct seen *seen, const char *name)
{
	struct icbmsg_ept_callbacks callbacks = seen_callbacks;

	callbacks.unbound = on_unbound;
	callbacks.error = on_error;
	return icbmsg_ept_register(link_, &seen->ept, name, &callbacks, seen);
}

static void bind_to(struct seen *seen, const char *name)
{
	assert_int_equal(try_register(seen, name), 0);
	assert_int_equal(icbmsg_ept_wait_bound(seen->ept, SURELY), 0);
	ends_until(link_, NULL, &seen->bound, 1);
}

static void pass(struct seen *seen, const char *text)
{
	int before = seen->received;

	assert_int_equal(icbmsg_send(seen->ept, text, strlen(text), SURELY), 0);
	ends_until(link_, NULL, &seen->received, before + 1);
	assert_int_equal(seen->size, strlen(text));
	assert_memory_equal(seen->data, text, strlen(text));
}

static void until_count(const unsigned int *count, unsigned int value)
{
	int64_t end = ends_now() + SURELY;

	while (fake_count(count) < value) {
		assert_true(ends_now() < end);
		assert_true(icbmsg_dispatch(link_, MS) >= 0);
	}
}

static void until_all_is_free(uint32_t blocks)
{
	int64_t end = ends_now() + SURELY;

	while (ends_stats(link_).tx_blocks_free < blocks) {
		assert_true(ends_now() < end);
		assert_true(icbmsg_dispatch(link_, 100 * MS) >= 0);
	}
}

static void start(void)
{
	fake_start(&f);
	connect_client();
}

static void finish(void)
{
	assert_int_equal(icbmsg_close(link_), 0);
	fake_stop(&f);
}

/* ------------------------------------------------------------------------------------------------
 * Endpoints
 */

static void messages_pass(void **state)
{
	struct icbmsg_layout layout;

	(void)state;
	start();
	bind_to(&a, "chat");
	bind_to(&b, "more");
	for (int n = 0; n < 500; n++)
		pass(n % 2 ? &a : &b, n % 3 ? "hello" : "");
	icbmsg_get_layout(link_, &layout, sizeof(layout));
	assert_false(layout.initiator);
	assert_int_equal(icbmsg_max_size(link_), layout.tx.max_payload);
	assert_int_equal(ends_counter(link_, "rescues"), 0);
	assert_true(ends_counter(link_, "doorbells_received") > 0);
	finish();
}

static int refuse_some(const char *name)
{
	if (!strcmp(name, "absent"))
		return -ENOENT;
	return strcmp(name, "taken") ? 0 : -EBUSY;
}

static void the_daemon_may_refuse(void **state)
{
	(void)state;
	f.decide = refuse_some;
	start();
	for (int n = 0; n < 3; n++) {
		assert_int_equal(try_register(&a, "absent"), -ENOENT);
		assert_string_equal(last_log, "endpoint absent: icbmsgd refuses it: because");
		assert_int_equal(try_register(&a, "taken"), -EBUSY);
		assert_null(a.ept);
	}
	bind_to(&a, "given");
	assert_int_equal(try_register(&b, "given"), -EEXIST);
	pass(&a, "x");
	assert_int_equal(a.error, 0);
	finish();
}

/* More names than a link can have at a time, one after the other. */
static void names_come_and_go(void **state)
{
	char name[16];

	(void)state;
	start();
	bind_to(&b, "stays");
	for (int n = 0; n < 20; n++) {
		snprintf(name, sizeof(name), "e%d", n % 7);
		memset(&a, 0, sizeof(a));
		bind_to(&a, name);
		pass(&a, name);
		pass(&b, "y");
		icbmsg_ept_deregister(a.ept);
	}
	until_count(&f.counts.deregistered, 20);
	finish();
}

static void register_another(struct seen *seen)
{
	assert_int_equal(try_register(&b, "second"), 0);
	assert_int_equal(icbmsg_ept_wait_bound(b.ept, SURELY), 0);
	seen->on_bound = NULL;
}

static void callbacks_may_register(void **state)
{
	(void)state;
	start();
	a.on_bound = register_another;
	bind_to(&a, "first");
	ends_until(link_, NULL, &b.bound, 1);
	pass(&b, "z");
	finish();
}

#define NAMES 20

static void *register_many(void *user)
{
	const char *prefix = user;
	struct icbmsg_ept *ept = NULL;
	char name[32];

	for (int n = 0; n < NAMES; n++) {
		snprintf(name, sizeof(name), "%s%d", prefix, n);
		if (icbmsg_ept_register(link_, &ept, name, NULL, NULL) < 0 ||
		    icbmsg_ept_wait_bound(ept, SURELY) < 0)
			return user;
		if (n % 2)
			icbmsg_ept_deregister(ept);
	}
	return NULL;
}

static void threads_take_turns(void **state)
{
	static char prefixes[3][2] = { "x", "y", "z" };
	pthread_t threads[3];
	void *result;

	(void)state;
	start();
	bind_to(&a, "busy");
	for (int n = 0; n < 3; n++)
		pthread_create(&threads[n], NULL, register_many, prefixes[n]);
	for (int n = 0; n < 200; n++)
		pass(&a, "meanwhile");
	for (int n = 0; n < 3; n++) {
		pthread_join(threads[n], &result);
		assert_null(result);
	}
	assert_int_equal(fake_count(&f.counts.registered), 1 + 3 * NAMES);
	finish();
}

/* The limits of the link behind the daemon, not only of the memory before it. */
static void large_messages_are_refused(void **state)
{
	size_t size = 0;
	void *data;

	(void)state;
	f.max_to_core = 100;
	start();
	bind_to(&a, "small");
	assert_int_equal(icbmsg_max_size(link_), 100);
	assert_int_equal(icbmsg_send(a.ept, link_, 101, 0), -EMSGSIZE);
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &data), 0);
	assert_int_equal(size, 100);
	assert_int_equal(icbmsg_send_nocopy(a.ept, data, 101), -EMSGSIZE);
	memset(data, 'd', 100);
	assert_int_equal(icbmsg_send_nocopy(a.ept, data, 100), 0);
	ends_until(link_, NULL, &a.received, 1);
	assert_int_equal(a.size, 100);
	size = 101;
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &data), -EMSGSIZE);
	finish();
}

/* ------------------------------------------------------------------------------------------------
 * The daemon goes and comes
 */

static void comes_back(void **state)
{
	(void)state;
	start();
	bind_to(&a, "chat");
	bind_to(&b, "other");
	for (int life = 1; life < 5; life++) {
		pass(&a, "before");
		fake_stop(&f);
		ends_until(link_, NULL, &a.unbound, life);
		ends_until(link_, NULL, &b.unbound, life);
		assert_int_equal(last_unbound.reason, ICBMSG_UNBOUND_DAEMON_GONE);
		assert_int_equal(last_unbound.unknown_tx, 0);
		assert_int_equal(icbmsg_send(a.ept, "lost", 4, SURELY), -ENOTCONN);
		fake_start(&f);
		ends_until(link_, NULL, &a.bound, life + 1);
		ends_until(link_, NULL, &b.bound, life + 1);
		pass(&a, "after");
		pass(&b, "after");
	}
	assert_int_equal(fake_count(&f.counts.connections), 5);
	assert_int_equal(fake_count(&f.counts.taken), 4);
	finish();
}

/* What is held stays what it was, although nobody has to wait for it any more. */
static void held_buffers_stay(void **state)
{
	static const bool refuses[] = { false, true };
	static struct seen holder;

	(void)state;
	for (int n = 0; n < 2; n++) {
		memset(&holder, 0, sizeof(holder));
		f.refuses_memory = refuses[n];
		start();
		holder.hold = true;
		bind_to(&holder, "held");
		pass(&holder, "keep me");
		fake_stop(&f);
		ends_until(link_, NULL, &holder.unbound, 1);
		fake_start(&f);
		ends_until(link_, NULL, &holder.bound, 2);
		if (refuses[n])
			assert_memory_equal(holder.held_data[0], "keep me", 7);
		else
			assert_int_equal(*(const char *)holder.held_data[0] * 0, 0);
		assert_false(icbmsg_rx_is_current(link_, holder.held[0]));
		holder.hold = false;
		pass(&holder, "go on");
		assert_int_equal(icbmsg_release_rx(link_, holder.held[0]), -ESTALE);
		pass(&holder, "go on");
		finish();
	}
}

static void unknown_messages_are_counted(void **state)
{
	(void)state;
	f.holds = true;
	start();
	bind_to(&a, "sink");
	for (int n = 0; n < 3; n++)
		assert_int_equal(icbmsg_send(a.ept, "into the dark", 13, SURELY), 0);
	until_count(&f.counts.messages, 3);
	fake_stop(&f);
	ends_until(link_, NULL, &a.unbound, 1);
	assert_int_equal(last_unbound.unknown_tx, 3);
	fake_start(&f);
	ends_until(link_, NULL, &a.bound, 2);
	finish();
}

static void other_memory(void **state)
{
	static const struct fake_shape shapes[] = {
		{ 0x8000, 0x4000, 32, 16 },
		{ 0x4000, 0x8000, 16, 64 },
		{ 0x1000, 0x1000, 2, 2 },
		{ 0x1000, 0x1000, 4, 2 },
	};
	struct icbmsg_layout layout;
	size_t size = 64;
	void *data;

	(void)state;
	start();
	bind_to(&a, "moves");
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &data), 0);
	for (int n = 0; n < 4; n++) {
		fake_stop(&f);
		f.shape = shapes[n];
		fake_start(&f);
		ends_until(link_, NULL, &a.bound, n + 2);
		for (int k = 0; k < 50; k++)
			pass(&a, "in another place");
		icbmsg_get_layout(link_, &layout, sizeof(layout));
		assert_int_equal(layout.tx.block_count, shapes[n].blocks_to_daemon);
		assert_int_equal(layout.rx.block_count, shapes[n].blocks_to_client);
		assert_int_equal(icbmsg_max_size(link_), layout.tx.max_payload);
		until_all_is_free(layout.tx.block_count);
	}
	/* The caller's still, but good for nothing. */
	memset(data, 'x', size);
	assert_int_equal(icbmsg_send_nocopy(a.ept, data, size), -EINVAL);
	assert_int_equal(icbmsg_drop_tx_buffer(link_, data), -EINVAL);
	finish();
}

static void registered_while_it_is_away(void **state)
{
	(void)state;
	start();
	fake_stop(&f);
	assert_int_equal(try_register(&b, "late"), 0);
	assert_int_equal(icbmsg_dispatch(link_, 30 * MS), 0);
	fake_start(&f);
	ends_until(link_, NULL, &b.bound, 1);
	pass(&b, "better");
	finish();
}

static int refuse_all(const char *name)
{
	(void)name;
	return -EACCES;
}

static void refused_when_it_is_back(void **state)
{
	(void)state;
	start();
	bind_to(&a, "chat");
	fake_stop(&f);
	f.decide = refuse_all;
	fake_start(&f);
	ends_until(link_, NULL, &a.error, 1);
	assert_int_equal(last_error, -EACCES);
	assert_false(icbmsg_ept_is_bound(a.ept));
	/* And it is asked again by the next one. */
	fake_stop(&f);
	f.decide = NULL;
	fake_start(&f);
	ends_until(link_, NULL, &a.bound, 2);
	pass(&a, "well");
	finish();
}

static sem_t asked, told;

static int answer_when_told(const char *name)
{
	if (strcmp(name, "chat") != 0)
		return 0;
	sem_post(&asked);
	while (sem_wait(&told) < 0)
		;
	return 0;
}

/* Also if its place is another's by the time the daemon answers. */
static void given_back_before_the_answer(void **state)
{
	(void)state;
	sem_init(&asked, 0, 0);
	sem_init(&told, 0, 1);
	f.decide = answer_when_told;
	start();
	bind_to(&a, "chat");
	sem_wait(&asked);
	for (unsigned int life = 1; life <= 2; life++) {
		fake_stop(&f);
		fake_start(&f);
		while (sem_trywait(&asked) < 0)
			assert_true(icbmsg_dispatch(link_, MS) >= 0);
		icbmsg_ept_deregister(a.ept);
		sem_post(&told);
		if (life == 2)
			bind_to(&b, "other");
		until_count(&f.counts.deregistered, life);
		sem_post(&told);
		memset(&a, 0, sizeof(a));
		bind_to(&a, "chat");
		sem_wait(&asked);
		pass(&a, "mine again");
	}
	pass(&b, "mine");
	finish();
}

/* ------------------------------------------------------------------------------------------------
 * What a daemon should not do
 */

static int never_answer(const char *name)
{
	return strcmp(name, "ignored") ? 0 : 1;
}

static void requests_have_a_deadline(void **state)
{
	(void)state;
	f.decide = never_answer;
	start();
	bind_to(&a, "chat");
	assert_int_equal(try_register(&b, "ignored"), -ETIMEDOUT);
	assert_null(b.ept);
	/* A late answer would be taken for another's: the connection is a new one. */
	ends_until(link_, NULL, &a.bound, 2);
	pass(&a, "still");
	finish();
}

static const uint8_t *junk;
static size_t junk_size;

static int answer_with_junk(const char *name)
{
	if (strcmp(name, "junk") != 0)
		return 0;
	fake_send(f.client, junk, junk_size, -1);
	return 1;
}

/* Once: the next connection is to work. */
static int junk_at_first(const char *name)
{
	return fake_count(&f.counts.connections) == 1 ? answer_with_junk(name) : 0;
}

static void junk_ends_the_connection(void **state)
{
	static const uint8_t unknown[] = { 77 }, hello[24] = { CLIENT_HELLO };
	static const uint8_t shorter[] = { CLIENT_ANSWER, 0, 0, 0, 0, 0, 0 };
	static const uint8_t positive[] = { CLIENT_ANSWER, 0, 0, 0, 1, 2, 3, 4 };
	static const uint8_t longer[CLIENT_PACKET_MAX + 1] = { CLIENT_ANSWER };
	static const struct {
		const uint8_t *packet;
		size_t size;
	} cases[] = {
		{ unknown, sizeof(unknown) }, { hello, sizeof(hello) },
		{ shorter, sizeof(shorter) }, { positive, sizeof(positive) },
		{ longer, sizeof(longer) },   { longer, 0 },
	};

	(void)state;
	f.decide = junk_at_first;
	for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++) {
		junk = cases[n].packet;
		junk_size = cases[n].size;
		f.counts.connections = 0;
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		start();
		bind_to(&a, "chat");
		/* It is asked for again over the next connection, or when that is there. */
		bind_to(&b, "junk");
		ends_until(link_, NULL, &a.bound, 2);
		pass(&a, "and on");
		assert_int_equal(fake_count(&f.counts.connections), 2);
		finish();
	}
}

static int answer_unasked(const char *name)
{
	static const struct client_answer answer = { .type = CLIENT_ANSWER };

	if (!strcmp(name, "twice") && fake_count(&f.counts.connections) == 1)
		fake_send(f.client, &answer, sizeof(answer), -1);
	return 0;
}

static void one_answer_is_enough(void **state)
{
	(void)state;
	f.decide = answer_unasked;
	start();
	bind_to(&a, "twice");
	until_count(&f.counts.connections, 2);
	ends_until(link_, NULL, &a.bound, 1);
	finish();
}

static unsigned int fail_hellos;

static bool hang_up_a_few_times(struct fake *d, int fd)
{
	(void)d;
	(void)fd;
	return fail_hellos > 0 && fail_hellos-- > 0;
}

static void tries_until_it_is_welcome(void **state)
{
	(void)state;
	f.instead = hang_up_a_few_times;
	start();
	bind_to(&a, "chat");
	fake_stop(&f);
	fail_hellos = 3;
	fake_start(&f);
	ends_until(link_, NULL, &a.bound, 2);
	assert_int_equal(fail_hellos, 0);
	pass(&a, "at last");
	finish();
}

static void closed_while_it_is_away(void **state)
{
	(void)state;
	start();
	a.hold = true;
	bind_to(&a, "chat");
	pass(&a, "held");
	fake_stop(&f);
	ends_until(link_, NULL, &a.unbound, 1);
	icbmsg_ept_deregister(a.ept);
	assert_int_equal(icbmsg_close(link_), 0);
	assert_memory_equal(a.held_data[0], "held", 4);
	icbmsg_release_rx(link_, a.held[0]);
}

static void *close_soon(void *user)
{
	(void)user;
	ends_until_inside(link_, 1);
	assert_int_equal(icbmsg_close(link_), 0);
	return NULL;
}

static void closing_ends_a_request(void **state)
{
	pthread_t closer;

	(void)state;
	f.decide = never_answer;
	start();
	pthread_create(&closer, NULL, close_soon, NULL);
	assert_int_equal(try_register(&a, "ignored"), -ESHUTDOWN);
	pthread_join(closer, NULL);
	fake_stop(&f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(messages_pass),
		T(the_daemon_may_refuse),
		T(names_come_and_go),
		T(callbacks_may_register),
		T(threads_take_turns),
		T(large_messages_are_refused),
		T(comes_back),
		T(held_buffers_stay),
		T(unknown_messages_are_counted),
		T(other_memory),
		T(registered_while_it_is_away),
		T(refused_when_it_is_back),
		T(given_back_before_the_answer),
		T(requests_have_a_deadline),
		T(junk_ends_the_connection),
		T(one_answer_is_enough),
		T(tries_until_it_is_welcome),
		T(closed_while_it_is_away),
		T(closing_ends_a_request),
	};

	int failed = cmocka_run_group_tests_name("looks before it sleeps", tests, NULL, NULL);

	/* Every wake-up is to come over the socket then. */
	spin = "no";
	return failed + cmocka_run_group_tests_name("sleeps at once", tests, NULL, NULL);
}
