/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libicbmsg: talk to a Zephyr core (or another libicbmsg) over shared memory, with Zephyr's ICBMSG
 * protocol.
 *
 * An *instance* is one link to one other domain. It carries up to ICBMSG_EPT_COUNT_MAX named
 * *endpoints*; both sides register an endpoint of the same name, and once it is *bound* messages
 * flow both ways, each at most icbmsg_max_size() bytes, in order per endpoint.
 *
 *     icbmsg_config_new(&cfg);
 *     icbmsg_config_load(cfg, "board.conf", NULL);
 *     icbmsg_open(&link, cfg);
 *     icbmsg_ept_register(link, &ept, "ep0", &callbacks, NULL);
 *     icbmsg_ept_wait_bound(ept, -1);
 *     icbmsg_send(ept, "hello", 5, -1);
 *     while (icbmsg_dispatch(link, -1) >= 0)
 *             ;
 *
 * Errors
 *   Functions that return int return 0 or a count on success, or a negative errno value. Outputs
 *   are written on success only. Every function lists the errors it can return; besides those a
 *   function that returns int may return -EINVAL for a NULL where none is allowed. The others must
 *   not be given NULL, unless they say so.
 *
 * Growth
 *   Structs that a program passes with their size grow at the end in later versions; the others
 *   have reserved members, which are zero: the library writes zero, and so must a program.
 *
 * Timeouts
 *   int64_t nanoseconds: 0 = do not wait, negative = wait for ever (ICBMSG_FOREVER).
 *
 * Threads
 *   Any thread may call any function on an instance or its endpoints at any time, with two
 *   exceptions: one thread at a time dispatches (icbmsg_dispatch, icbmsg_next_event), and nothing
 *   may be called on an object whose icbmsg_close or icbmsg_ept_deregister has begun, other than
 *   what those say. A configuration is used by one thread at a time. The library starts no threads,
 *   handles no signals, prints nothing and keeps no global state. All its descriptors are
 *   close-on-exec.
 *
 * Progress
 *   As there are no hidden threads, the link makes progress while a thread is inside
 *   icbmsg_dispatch, icbmsg_next_event or a call that waits. A call that waits reads the other
 *   side's control messages meanwhile (so a single-threaded program cannot dead-lock on its own
 *   released buffers), but callbacks run inside icbmsg_dispatch only.
 *
 * The facts about the protocol come from shared/protocol.md of the project; "section N" below is
 * its section N.
 */
#ifndef ICBMSG_H
#define ICBMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Endpoints of one instance: addresses 0 to 253 (section 4). */
#define ICBMSG_EPT_COUNT_MAX 254
/** Bytes of an endpoint's name without its NUL. A limit of this library; Zephyr has none. */
#define ICBMSG_EPT_NAME_MAX 255
/** Timeout: wait for ever. */
#define ICBMSG_FOREVER INT64_C(-1)

/** The library's version, "MAJOR.MINOR.PATCH"; static. */
const char *icbmsg_version(void);

/** An instance: one link to one other domain. */
struct icbmsg;
/** An endpoint registered on an instance. */
struct icbmsg_ept;
/** What is needed to open an instance. */
struct icbmsg_config;

/* ------------------------------------------------------------------------------------------------
 * Configuration
 */

/**
 * Make an empty configuration. The keys and their defaults are those of icbmsg.conf(5).
 * The caller owns *@cfg and frees it with icbmsg_config_free().
 * Errors: -ENOMEM.
 */
int icbmsg_config_new(struct icbmsg_config **cfg);

/** Free a configuration; NULL is allowed. Instances opened with it are not affected. */
void icbmsg_config_free(struct icbmsg_config *cfg);

/**
 * Read the section [instance @instance] of the file @path over what is set already.
 * @instance NULL: the file's only instance section.
 * Errors: those of open(2) and read(2); -EINVAL for anything wrong in the file: the text of
 * icbmsg_config_error() names file, line, key and remedy; -ENOENT if the file has no such section;
 * -ENOTUNIQ if @instance is NULL and there are several; -ENOMEM.
 */
int icbmsg_config_load(struct icbmsg_config *cfg, const char *path, const char *instance);

/**
 * Set one key, e.g. "tx-blocks" to "16". A later value replaces an earlier one.
 * "geometry" names a devicetree, which is read at once, as it is by icbmsg_config_load(): what it
 * says stands in for the keys that are not set otherwise. Source (.dts) and folders are compiled by
 * dtc(1), which is run and waited for.
 * Errors: -ENOENT for an unknown key; -EINVAL for a value it cannot have; -ENOMEM. Of "geometry",
 * and then of icbmsg_config_load() as well: those of open(2) and read(2); -ENOENT if the devicetree
 * has no such node; -ENOTUNIQ if it has several and none is named; -EINVAL for what is missing or
 * contradictory in it; -EBADMSG if it is damaged; -EFBIG; -ENOPKG if dtc is needed and missing.
 */
int icbmsg_config_set(struct icbmsg_config *cfg, const char *key, const char *value);

/**
 * The value of a key as text, NULL if it is not set or not known. Owned by the configuration, valid
 * until it is changed or freed.
 */
const char *icbmsg_config_get(const struct icbmsg_config *cfg, const char *key);

/**
 * Where a key's value was read: "FILE:LINE", or "FILE:NODE" and mostly ":PROPERTY" of a devicetree;
 * NULL if it was not read from a file. Owned by the configuration, valid until it is changed or
 * freed.
 */
const char *icbmsg_config_origin(const struct icbmsg_config *cfg, const char *key);

/**
 * What the devicetree says that no key can, such as the mailboxes the firmware uses: lines for
 * people, each with its newline; "" if nothing, or if no devicetree is used. Owned by the
 * configuration, valid until it is changed or freed.
 */
const char *icbmsg_config_remarks(const struct icbmsg_config *cfg);

/**
 * The name of key number @n, from 0; NULL behind the last one. Static.
 * @fallback: NULL, or where its default goes, as text; NULL if it has none that is a constant.
 */
const char *icbmsg_config_key(unsigned int n, const char **fallback);

/** One piece of a configuration file; what it points to is valid during the call only. */
struct icbmsg_config_item {
	const char *section; /**< "instance", "endpoint" or "daemon" */
	const char *name;    /**< what follows it in the heading, "" for nothing */
	const char *key;     /**< NULL: this is the heading itself */
	const char *value;   /**< NULL of a heading */
	const char *path;    /**< of the file, as it was given */
	unsigned int line;   /**< from 1 */
	uint64_t reserved[4];
};

/** Returns 0, or a negative errno value to end the reading. */
typedef int (*icbmsg_config_item_fn)(void *user, const struct icbmsg_config_item *item);

/**
 * Read the file @path and show every heading and every key to @fn, in the order of the file. For
 * programs that keep sections of their own, [endpoint INSTANCE/NAME] and [daemon], beside the
 * instances: their keys are shown as they are, those of instances have been checked. @cfg is for
 * the text of icbmsg_config_error() only; nothing in it is set.
 * Errors: as icbmsg_config_load() for what is wrong in the file; what @fn returns.
 */
int icbmsg_config_scan(struct icbmsg_config *cfg, const char *path, icbmsg_config_item_fn fn,
		       void *user);

/**
 * One line about the last call on @cfg that failed (icbmsg_open included): what is wrong, where,
 * and what to do. Never NULL; "" if none failed. Owned by the configuration, valid until the next
 * call on it.
 */
const char *icbmsg_config_error(const struct icbmsg_config *cfg);

/** One direction of a link as it lies in memory (section 1). Offsets and sizes in bytes. */
struct icbmsg_region_layout {
	uint64_t begin;      /**< aligned start, in the addresses that the firmware sees */
	uint32_t total;      /**< usable bytes from @begin; all offsets count from there */
	uint32_t rd_idx;     /**< offset of the read index */
	uint32_t wr_idx;     /**< offset of the write index */
	uint32_t ring_data;  /**< offset of the packet ring's data */
	uint32_t ring_len;   /**< length of the packet ring's data */
	uint32_t blocks_off; /**< offset of block 0 = size of the control area */
	uint32_t block_size;
	uint32_t block_count;
	uint32_t max_payload; /**< the largest message this direction can carry */
	uint32_t reserved[6];
};

/** Both directions, seen from this side. */
struct icbmsg_layout {
	struct icbmsg_region_layout tx;
	struct icbmsg_region_layout rx;
	uint32_t alignment;   /**< effective dcache-alignment: at least 4 */
	uint32_t word_size;   /**< of the firmware's CPU, 4 or 8: size of a block's header */
	uint32_t packet_size; /**< ring bytes reserved per control message */
	bool initiator;       /**< this side's role in endpoint binding (section 5) */
	bool device_memory;   /**< of an open instance: the mapping takes aligned accesses only, and
			       * the calls without copying return -EOPNOTSUPP */
};

/**
 * Compute the layout that a configuration leads to. Nothing is opened or mapped.
 * @size: sizeof(struct icbmsg_layout) as the caller was compiled with; later versions append
 * fields.
 * Errors: -EINVAL if a key is missing or the firmware's build would refuse the numbers:
 * icbmsg_config_error() names them.
 */
int icbmsg_config_layout(struct icbmsg_config *cfg, struct icbmsg_layout *layout, size_t size);

/**
 * Check a configuration as icbmsg_open() does, as far as that is possible without looking for what
 * it names. Nothing is opened or mapped.
 * Errors: -EINVAL if a key is missing, or what is set cannot be: icbmsg_config_error() tells what.
 */
int icbmsg_config_check(struct icbmsg_config *cfg);

/* ------------------------------------------------------------------------------------------------
 * Instance
 */

/**
 * Map the memory, take over the doorbells and announce this side to the other. Does not wait: the
 * link comes up when the other side is there and this side dispatches or waits. Where the memory may
 * hold a live session of firmware with an earlier program, nothing is written until the firmware
 * has started anew (ICBMSG_LINK_HELD; section 9): a new announcement would damage it.
 * The caller owns *@link and closes it with icbmsg_close(). @cfg may be freed afterwards.
 * Descriptors named by number in the configuration are duplicated; the caller keeps its own.
 * Errors: -EINVAL, -ENOENT, -EACCES, -EBADF, -ENODEV and others of open(2), mmap(2), fcntl(2) for
 * what the configuration names; -EBUSY if another program has this side of the link, or its
 * state-file, open; -EBADMSG if that holds something else; icbmsg_config_error() says which and
 * what to do. -ENOMEM.
 */
int icbmsg_open(struct icbmsg **link, struct icbmsg_config *cfg);

/**
 * The same through icbmsgd(8), which owns the link and shares it among programs: everything else in
 * this header is as with icbmsg_open(), with these differences.
 *   - Geometry, memory and doorbells come from the daemon. Of @cfg the keys `spin` and `state-file`
 *     count; it may be empty.
 *   - icbmsg_ept_register() asks the daemon, and returns its refusal.
 *   - Where the daemon ends, endpoints are unbound (ICBMSG_UNBOUND_DAEMON_GONE), and bound again
 *     without being asked when it is back: whoever dispatches or waits tries to reach it again, up
 *     to once a second. Held buffers stay readable meanwhile. Where the daemon comes back with other
 *     memory, buffers of icbmsg_get_tx_buffer() can be written still, but neither sent nor dropped
 *     (-EINVAL), and icbmsg_max_size() can be another.
 *   - A restart of the other core is passed on: unbound, with the number of messages whose fate is
 *     not known, and bound.
 * @target: the path of the instance's socket, RUNDIR/INSTANCE.sock, if there is a slash in it;
 * else the instance's name, below /run/icbmsg unless the library was built otherwise; NULL for the
 * instance that icbmsg_config_load() has read last.
 * Waits for the daemon's answer, 5 s at most.
 * The caller owns *@link and closes it with icbmsg_close(). @cfg may be freed afterwards.
 * Errors: -ENOENT, -ECONNREFUSED if no daemon is there, or it does not have the instance; -EACCES;
 * -EPROTONOSUPPORT if the daemon speaks other versions of the protocol; what else it refuses with,
 * e.g. -EBUSY for too many clients; -ETIMEDOUT, -ECONNRESET, -EPROTO if what listens there does not
 * answer as icbmsgd does; -EINVAL without a name, -ENAMETOOLONG; those of icbmsg_open() for memory
 * and `state-file`. icbmsg_config_error() says what is wrong and what to do.
 */
int icbmsg_connect(struct icbmsg **link, struct icbmsg_config *cfg, const char *target);

/**
 * Close an instance: threads that wait in it return -ESHUTDOWN, all endpoints are deregistered, the
 * memory is unmapped. Another libicbmsg sees that the session is over (section 3, session words); to
 * Zephyr nothing can be said (section 5 has no message for it), and it has to be restarted before
 * another program can take this side over.
 * Held receive buffers stay readable until the last is released with icbmsg_release_rx(), the only
 * call allowed after this one; the mapping goes then. Transmit buffers not sent are dropped. NULL
 * is allowed.
 * Errors: -EDEADLK inside a callback: the instance stays open.
 */
int icbmsg_close(struct icbmsg *link);

/**
 * A descriptor that polls readable (POLLIN) when icbmsg_dispatch() has something to do: a doorbell,
 * a message to deliver, a timer. Then call icbmsg_dispatch() with timeout 0. Owned by the instance;
 * only to be polled. Without a doorbell (doorbell = poll) a timer takes its place.
 */
int icbmsg_get_fd(struct icbmsg *link);

/**
 * Read what has arrived and run callbacks for it; wait up to @timeout_ns for the first.
 * Returns the number of callbacks run: 0 when the time is up, or when what happened has no
 * callback.
 * Returns to the caller after at most one pass over what had arrived, so that a busy peer cannot
 * keep it.
 * Errors: -EBUSY if another thread dispatches; -EDEADLK inside a callback; -ESHUTDOWN if the
 * instance is closed meanwhile.
 */
int icbmsg_dispatch(struct icbmsg *link, int64_t timeout_ns);

/** The largest message that can ever be sent, in bytes. */
size_t icbmsg_max_size(const struct icbmsg *link);

/** The largest message that can ever be received, in bytes. */
size_t icbmsg_max_rx_size(const struct icbmsg *link);

/** The layout of an open instance. @size as in icbmsg_config_layout(). */
void icbmsg_get_layout(struct icbmsg *link, struct icbmsg_layout *layout, size_t size);

/** Severity of a log line; misbehaviour of the other side is ICBMSG_LOG_WARNING. */
enum icbmsg_log_level {
	ICBMSG_LOG_ERROR = 1,
	ICBMSG_LOG_WARNING,
	ICBMSG_LOG_INFO,
	ICBMSG_LOG_DEBUG,
};

typedef void (*icbmsg_log_fn)(void *user, enum icbmsg_log_level level, const char *line);

/**
 * Where log lines go; NULL (the default) drops them. @line has no newline and is valid during the
 * call only. Lines tell state changes and misbehaviour, once per kind; never one per message. The
 * function may be called from any thread that uses the instance; it must be quick, as other threads
 * wait meanwhile, and must not call back into the instance.
 */
void icbmsg_set_log(struct icbmsg *link, icbmsg_log_fn fn, void *user);

/* ------------------------------------------------------------------------------------------------
 * Endpoints
 */

/** Why an endpoint is not bound any more. */
enum icbmsg_unbound_reason {
	ICBMSG_UNBOUND_PEER_RESTART = 1, /**< the other side started anew, or closed */
	ICBMSG_UNBOUND_PROTOCOL_ERROR,   /**< what it wrote cannot be from a working peer */
	ICBMSG_UNBOUND_DAEMON_GONE,      /**< icbmsg_connect(): icbmsgd has ended, or let us go */
};

/** Static text for an enum icbmsg_unbound_reason. */
const char *icbmsg_unbound_reason_name(enum icbmsg_unbound_reason reason);

/** Details of an unbound event. */
struct icbmsg_unbound {
	enum icbmsg_unbound_reason reason;
	uint32_t unknown_tx; /**< messages sent on this endpoint that the other side had not released:
				  whether it handled them is not known */
	uint32_t reserved[6];
};

/**
 * What an endpoint reports. Any may be NULL. They run inside icbmsg_dispatch(), one at a time,
 * without any lock: they may send, wait, hold, release, register and deregister, this endpoint
 * included. They must not dispatch or close. For one endpoint bound, unbound and received come in
 * wire order.
 */
struct icbmsg_ept_callbacks {
	/** Messages can be sent from now on. */
	void (*bound)(struct icbmsg_ept *ept, void *user);
	/** The link was lost. It is bound again without being asked when the other side is back. */
	void (*unbound)(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user);
	/**
	 * A message. @data is the shared buffer itself where the mapping allows it: it is aligned
	 * to 4 bytes only, and the other side could still change it, so fetch once what you check.
	 * Valid until the callback returns, or longer with icbmsg_hold_rx().
	 */
	void (*received)(struct icbmsg_ept *ept, const void *data, size_t size, void *user);
	/** Blocks have become free after a send or icbmsg_get_tx_buffer() returned -ENOBUFS. */
	void (*writable)(struct icbmsg_ept *ept, void *user);
	/**
	 * Something is wrong with this endpoint: -EBADMSG, the other side sent something for it
	 * that could not be delivered (its buffer reaches outside the region); or after
	 * icbmsg_connect() what icbmsgd refuses it with since it has come back (-ENOENT, -EACCES,
	 * -EBUSY; it asks again when it has been gone again). @message is one line, valid during
	 * the call.
	 */
	void (*error)(struct icbmsg_ept *ept, int error, const char *message, void *user);
	/**
	 * The other side has released some tracked message that was sent on this endpoint, one or
	 * more: icbmsg_tx_state() tells of each.
	 */
	void (*released)(struct icbmsg_ept *ept, void *user);
	void (*reserved[3])(void);
};

/**
 * Register an endpoint. It is bound as soon as the other side has registered the same name, before
 * or after this call. An endpoint that was deregistered may be registered again by the same name;
 * if it was bound it is bound again at once (section 5).
 * @name is copied. @callbacks is copied; NULL for none. *@ept is owned by the instance and ends
 * with icbmsg_ept_deregister() or icbmsg_close().
 * Errors: -EINVAL for an empty name; -ENAMETOOLONG for one over ICBMSG_EPT_NAME_MAX or too long
 * for the blocks of the initiator, which sends it; -EEXIST if it is registered; -ENOSPC if there
 * are ICBMSG_EPT_COUNT_MAX (of an initiator: names ever used, as addresses stay); -ESHUTDOWN.
 * After icbmsg_connect() this waits for the daemon's answer, as a call that waits does: also inside a
 * callback. Further errors then: -ENOENT if the daemon does not export the endpoint, -EACCES if not
 * to this program, -EBUSY if another one has it for itself, -ETIMEDOUT after 5 s, and others that the
 * daemon gives; its reason is logged. While the daemon is gone this succeeds, and the error callback
 * tells if the daemon refuses the endpoint when it is back.
 */
int icbmsg_ept_register(struct icbmsg *link, struct icbmsg_ept **ept, const char *name,
			const struct icbmsg_ept_callbacks *callbacks, void *user);

/**
 * Deregister an endpoint: no callback runs for it afterwards (called inside one of its own, that
 * one is the last). Local only (icbmsgd is told, after icbmsg_connect()): the other side is not
 * told, and what it sends for this name is released and dropped. Messages that wait for delivery are
 * released; threads that wait on the endpoint return -ECANCELED. Waits for a callback of this
 * endpoint that runs in another thread. @ept is invalid afterwards.
 */
void icbmsg_ept_deregister(struct icbmsg_ept *ept);

/**
 * Wait until the endpoint is bound. With a timeout of 0 this looks at what has arrived, also if the
 * endpoint is bound: released blocks can be had then, and nothing is delivered.
 * Errors: -ETIMEDOUT; -ECANCELED if it is deregistered meanwhile; -ESHUTDOWN if the instance is
 * closed meanwhile.
 */
int icbmsg_ept_wait_bound(struct icbmsg_ept *ept, int64_t timeout_ns);

/** Whether the endpoint is bound at this moment. */
bool icbmsg_ept_is_bound(struct icbmsg_ept *ept);

/** The endpoint's name; owned by the endpoint. */
const char *icbmsg_ept_name(const struct icbmsg_ept *ept);

/** The pointer given to icbmsg_ept_register(). */
void *icbmsg_ept_user(const struct icbmsg_ept *ept);

/** The instance it is registered on. */
struct icbmsg *icbmsg_ept_link(const struct icbmsg_ept *ept);

/* ------------------------------------------------------------------------------------------------
 * Sending
 */

/**
 * Send a copy of @size bytes (0 is a message too), waiting up to @timeout_ns for free blocks.
 * Errors: -EMSGSIZE if it is larger than icbmsg_max_size(); -ENOTCONN if the endpoint is not bound
 * (it becomes bound while some thread dispatches or waits, see "Progress"); -ENOBUFS with timeout 0
 * if there is no room now (the writable callback tells when to try again); -ETIMEDOUT; -ECONNRESET
 * if the other side restarted while waiting or sending; -EPROTO if it does not read its control
 * messages at all; -ECANCELED if the endpoint is deregistered meanwhile; -ESHUTDOWN.
 */
int icbmsg_send(struct icbmsg_ept *ept, const void *data, size_t size, int64_t timeout_ns);

/**
 * Take a buffer in the shared memory itself, to be filled in place and given to
 * icbmsg_send_nocopy() or icbmsg_drop_tx_buffer(). Until then it belongs to the caller, over any
 * restart of the other side.
 * @size in: bytes wanted; 0 = the longest free run there is now (waiting only if nothing is free);
 * icbmsg_max_size() = the largest there can be. Out: bytes usable, at least what was wanted.
 * *@data is aligned to 4 bytes.
 * Errors: as icbmsg_send(); -EOPNOTSUPP on memory that needs aligned accesses (use icbmsg_send()).
 */
int icbmsg_get_tx_buffer(struct icbmsg_ept *ept, size_t *size, int64_t timeout_ns, void **data);

/**
 * Send the first @size bytes of a buffer of icbmsg_get_tx_buffer(); whole blocks behind them are
 * free again at once. Never waits. On success the buffer belongs to the other side; on an error the
 * caller keeps it.
 * Errors: -EINVAL if @data is not such a buffer; -EMSGSIZE if @size is more than it holds;
 * -ENOTCONN if the endpoint is not bound; -ECONNRESET if the other side turns out to have
 * restarted; -EPROTO if it does not read its control messages at all; -ESHUTDOWN.
 */
int icbmsg_send_nocopy(struct icbmsg_ept *ept, void *data, size_t size);

/**
 * Give a buffer of icbmsg_get_tx_buffer() back unsent.
 * Errors: -EINVAL if @data is not such a buffer; -ESHUTDOWN.
 */
int icbmsg_drop_tx_buffer(struct icbmsg *link, void *data);

/** A message that was sent, with the numbers of its session and message: never mistaken. */
struct icbmsg_tx {
	uint64_t id;
};

/**
 * Send as icbmsg_send() does, and write a handle to *@tx by which icbmsg_tx_state() tells what
 * became of the message. An event (ICBMSG_EVENT_RELEASED, the released callback) tells when the other
 * side has released it. For programs that pass messages on: who takes one over gives the original
 * back only then. Released does not mean understood: the other side may have dropped it.
 * Errors: as icbmsg_send().
 */
int icbmsg_send_tracked(struct icbmsg_ept *ept, const void *data, size_t size, int64_t timeout_ns,
			struct icbmsg_tx *tx);

/**
 * The same for icbmsg_send_nocopy().
 * Errors: as icbmsg_send_nocopy().
 */
int icbmsg_send_nocopy_tracked(struct icbmsg_ept *ept, void *data, size_t size,
			       struct icbmsg_tx *tx);

/**
 * What became of a tracked message. Never waits. The answer is final once it is not -EINPROGRESS,
 * with one exception: 0 becomes -ESTALE when the session has ended and the blocks have been used
 * again since. Who asks at every released and unbound event, before sending more, learns the truth.
 * Returns 0 if the other side has released it.
 * Errors: -EINPROGRESS if it has not yet; -ESTALE if the session ended before it did (the message
 * is one of icbmsg_unbound.unknown_tx); -ENOENT if @tx is no handle of this instance.
 */
int icbmsg_tx_state(struct icbmsg *link, struct icbmsg_tx tx);

/* ------------------------------------------------------------------------------------------------
 * Holding received buffers
 */

/** A received buffer that is held, with the numbers of its session and message: never mistaken. */
struct icbmsg_rx {
	uint64_t id;
};

/**
 * Keep the buffer whose received callback runs (or whose event was returned last) beyond its end.
 * While it is held the other side cannot use its blocks. Counted: each hold needs one
 * icbmsg_release_rx().
 * Errors: -ENOENT if @data is not the buffer being delivered; -ESTALE if the other side restarted
 * since; -EOPNOTSUPP on memory that needs aligned accesses (copy instead); -ESHUTDOWN.
 */
int icbmsg_hold_rx(struct icbmsg *link, const void *data, struct icbmsg_rx *rx);

/**
 * Undo one hold; after the last the other side gets its blocks back. Any thread, any order, also
 * after icbmsg_close().
 * Errors: -ESTALE if the other side restarted since (nothing to do; the memory is its own again);
 * -ENOENT if that buffer is not held.
 */
int icbmsg_release_rx(struct icbmsg *link, struct icbmsg_rx rx);

/**
 * Whether a held buffer still is the message it was. False after a restart of the other side, which
 * may write to it from then on. A thread that alone uses the instance asks before it reads: nothing
 * changes between its calls. Otherwise ask afterwards: what was read before counts if this is true.
 */
bool icbmsg_rx_is_current(struct icbmsg *link, struct icbmsg_rx rx);

/* ------------------------------------------------------------------------------------------------
 * Events one by one: what icbmsg_dispatch() is made of, for language bindings and other loops
 */

enum icbmsg_event_type {
	ICBMSG_EVENT_BOUND = 1,
	ICBMSG_EVENT_UNBOUND,
	ICBMSG_EVENT_RECEIVED,
	ICBMSG_EVENT_WRITABLE,
	ICBMSG_EVENT_ERROR,
	ICBMSG_EVENT_RELEASED,
};

/** One event. Fields that a type does not name are zero. */
struct icbmsg_event {
	enum icbmsg_event_type type;
	struct icbmsg_ept *ept;
	const void *data;              /**< RECEIVED: as in the received callback */
	size_t size;                   /**< RECEIVED */
	struct icbmsg_unbound unbound; /**< UNBOUND */
	int error;                     /**< ERROR: a negative errno value */
	const char *message;           /**< ERROR: one line */
	uint64_t reserved[4];
};

/**
 * The next event, waiting up to @timeout_ns. The event returned before is finished with: a received
 * buffer that was not held is released.
 * Returns 1 with *@event written, 0 when the time is up (the last event is finished with then,
 * too).
 * Errors: as icbmsg_dispatch().
 */
int icbmsg_next_event(struct icbmsg *link, struct icbmsg_event *event, int64_t timeout_ns);

/**
 * Finish with the last event without asking for another: a received buffer that was not held is
 * released.
 * Errors: -EBUSY, -EDEADLK and -ESHUTDOWN as icbmsg_dispatch().
 */
int icbmsg_event_done(struct icbmsg *link);

/* ------------------------------------------------------------------------------------------------
 * Looking inside
 */

/** State of the link to the other side. */
enum icbmsg_link_state {
	ICBMSG_LINK_WAITING = 1, /**< announced; the other side has not answered yet */
	ICBMSG_LINK_UP,          /**< both sides have read the other's announcement (section 3) */
	ICBMSG_LINK_BACKING_OFF, /**< the other side restarts all the time or writes nonsense: it
				      is given up to 1 s before this side announces itself again */
	ICBMSG_LINK_HELD, /**< the memory holds a session of an earlier program of this side, which
			       firmware cannot leave: this side announces itself when the other one
			       has started anew (section 9) */
	ICBMSG_LINK_CLOSED, /**< nobody has it open; for a state-file only */
};

/** Static text for an enum icbmsg_link_state. */
const char *icbmsg_link_state_name(enum icbmsg_link_state state);

/**
 * The counters that most programs ask for. They are some of those below, by the same names, and of
 * the same time: since the state-file was made, or since icbmsg_open() where there is none.
 */
struct icbmsg_stats {
	enum icbmsg_link_state state;
	uint32_t tx_blocks_free; /**< blocks of ours that are free now */
	uint32_t rx_held;        /**< received buffers not released yet */
	uint64_t tx_messages, tx_bytes;
	uint64_t rx_messages, rx_bytes; /**< delivered */
	uint64_t rx_dropped; /**< given to nobody: not registered, or lost in a restart */
	uint64_t tx_packets, rx_packets; /**< control messages in the rings */
	uint64_t doorbells_sent;
	uint64_t doorbells_elided; /**< not needed, the other side was awake (section 6) */
	uint64_t doorbells_received;
	uint64_t rescues;        /**< doorbells repeated because nothing had moved */
	uint64_t doorbells_lost; /**< rescues after which it did move */
	uint64_t waits;          /**< calls that had to wait for blocks */
	uint64_t bad_packets;    /**< malformed or too short control messages */
	uint64_t bad_blocks;     /**< block index or length outside the region */
	uint64_t bad_endpoints;  /**< endpoint address not known */
	uint64_t bad_releases;   /**< of a block that was not outstanding */
	uint64_t restarts;       /**< of the other side, noticed */
	uint64_t tx_unknown;     /**< messages that were on their way then: fate unknown */
	uint64_t bad_types;      /**< control messages of an unknown type */
	uint64_t bad_bounds;     /**< announcements of endpoints that cannot be accepted */
};

/** Read the counters. @size: sizeof(struct icbmsg_stats) as the caller was compiled with. */
void icbmsg_get_stats(struct icbmsg *link, struct icbmsg_stats *stats, size_t size);

enum icbmsg_counter_kind {
	ICBMSG_COUNTER = 1, /**< only grows; wraps at 2^64 */
	ICBMSG_GAUGE,       /**< what is the case at this moment */
	ICBMSG_PEAK,        /**< the largest value there has been of something */
};

/** What a counter is about. All text is static. */
struct icbmsg_counter_info {
	const char *name; /**< lower-case letters, digits and _; stays the same in later versions */
	const char *unit; /**< plural, or "ns" */
	const char *help; /**< one line without a full stop */
	enum icbmsg_counter_kind kind;
	uint32_t reserved[5];
};

/** How many counters there are. Later versions may have more, in another order. */
size_t icbmsg_counter_count(void);

/**
 * What counter @n, below icbmsg_counter_count(), is about.
 * Errors: -ENOENT if there is none.
 */
int icbmsg_counter_info(size_t n, struct icbmsg_counter_info *info);

/**
 * Read the first @max counters, all of one moment: @values[n] is what icbmsg_counter_info() tells
 * of @n. Counters and peaks outlive the loss of the link, and where there is a state-file also
 * icbmsg_close() and the death of the process: the next icbmsg_open() goes on counting.
 * Returns how many were written.
 */
int icbmsg_counter_read(struct icbmsg *link, uint64_t *values, size_t max);

enum icbmsg_direction {
	ICBMSG_TX = 0, /**< written by this side */
	ICBMSG_RX = 1, /**< written by the other side */
};

/** What a flight recorder's entry tells. */
enum icbmsg_record_kind {
	ICBMSG_RECORD_PACKET = 1, /**< a control message */
	ICBMSG_RECORD_ANNOUNCED,  /**< this side announced itself (section 3) */
	ICBMSG_RECORD_MAGIC,      /**< the other side's announcement was read */
	ICBMSG_RECORD_UP,         /**< the link came up */
	ICBMSG_RECORD_LOST,       /**< the session ended; @type is an enum icbmsg_unbound_reason */
};

/** One entry of the flight recorder: the last control messages each way. */
struct icbmsg_record {
	uint64_t number;  /**< counts all entries ever made, from 1 */
	uint64_t time_ns; /**< CLOCK_MONOTONIC, as coarse as the system's tick (1 to 10 ms) */
	uint32_t session; /**< counts the sessions of one icbmsg_open() */
	enum icbmsg_direction direction;
	enum icbmsg_record_kind kind;
	uint32_t offset; /**< PACKET: in the ring's data */
	uint32_t size;   /**< PACKET: bytes of the control message */
	uint8_t type;    /**< PACKET: of the control message (section 4) */
	uint8_t ept;     /**< PACKET: endpoint address */
	uint8_t block;   /**< PACKET: first block of the buffer it is about */
	uint8_t reserved[13];
};

/** Entries that icbmsg_get_records() can return at most. */
#define ICBMSG_RECORDS_MAX 512

/**
 * Copy the newest @max entries of the flight recorder, oldest first.
 * Returns how many.
 */
int icbmsg_get_records(struct icbmsg *link, struct icbmsg_record *records, size_t max);

/**
 * The same from the state-file that @cfg names, whether the link is open in some process or its
 * owner has died.
 * Errors: those of open(2) and read(2); -EBADMSG if the file holds no session of this version;
 * -ENOENT if @cfg has no state-file. icbmsg_config_error() says which.
 */
int icbmsg_load_records(struct icbmsg_config *cfg, struct icbmsg_record *records, size_t max);

/** A copy of what one side knows of a link, all of one moment. */
struct icbmsg_status;

/**
 * Copy what @link knows.
 * The caller owns *@status and frees it with icbmsg_status_free().
 * Errors: -ENOMEM.
 */
int icbmsg_status_new(struct icbmsg_status **status, struct icbmsg *link);

/**
 * The same from the state-file that @cfg names, whether the link is open in some process or its
 * owner has died. Nothing is written, and the owner does not notice; what it changes meanwhile may
 * be in the copy or not.
 * Errors: as icbmsg_load_records(); -ENOMEM.
 */
int icbmsg_status_load(struct icbmsg_status **status, struct icbmsg_config *cfg);

/** Free a status; NULL is allowed. */
void icbmsg_status_free(struct icbmsg_status *status);

/** The link as a whole. */
struct icbmsg_link_status {
	enum icbmsg_link_state state; /**< if not @open: when it was open last */
	bool open;                    /**< some process has the link open */
	bool initiator;               /**< role in endpoint binding (section 5) */
	uint32_t session;             /**< counts the sessions of one icbmsg_open() */
	uint32_t restarts_in_a_row;   /**< of the other side, without a working link in between */
	uint64_t retry_ns;            /**< BACKING_OFF: when this side will announce itself again,
				CLOCK_MONOTONIC; otherwise 0 */
	uint64_t reserved[6];
};

/** Errors: none but those of all functions. */
int icbmsg_status_get_link(const struct icbmsg_status *status, struct icbmsg_link_status *link);

/** State of an endpoint on this side. */
enum icbmsg_ept_state {
	ICBMSG_EPT_UNUSED = 1, /**< neither registered (any more) nor bound */
	ICBMSG_EPT_UNBOUND,    /**< registered; the other side has not announced it, or not yet */
	ICBMSG_EPT_ANNOUNCED,  /**< registered and announced by this side, not confirmed yet */
	ICBMSG_EPT_BOUND,      /**< bound; if not registered, its messages are dropped */
};

/** Static text for an enum icbmsg_ept_state. */
const char *icbmsg_ept_state_name(enum icbmsg_ept_state state);

/** One endpoint. The counts begin when its name is first registered. */
struct icbmsg_ept_status {
	const char *name; /**< owned by the status */
	enum icbmsg_ept_state state;
	bool registered;
	bool has_address; /**< of a follower only while it is bound */
	uint8_t address;  /**< on the wire (section 4) */
	uint32_t queued;  /**< received messages whose callback has not begun */
	uint64_t tx_messages, tx_bytes;
	uint64_t rx_messages, rx_bytes; /**< delivered */
	uint64_t reserved[6];
};

/**
 * Endpoint number @n, in the order of registration.
 * Errors: -ENOENT if there are fewer.
 */
int icbmsg_status_get_ept(const struct icbmsg_status *status, size_t n,
			  struct icbmsg_ept_status *ept);

/** As icbmsg_counter_read(). */
int icbmsg_status_get_counters(const struct icbmsg_status *status, uint64_t *values, size_t max);

/** As icbmsg_get_records(). */
int icbmsg_status_get_records(const struct icbmsg_status *status, struct icbmsg_record *records,
			      size_t max);

/** A copy of both regions at one moment, decoded; made without writing to them. */
struct icbmsg_snapshot;

/** A region's indices, as found. */
struct icbmsg_snapshot_ring {
	uint32_t rd_idx, wr_idx;
	bool valid; /**< both are multiples of 4 below ring_len */
	bool damaged; /**< what is pending is not packets up to @wr_idx: only those before are found */
	uint32_t used;  /**< bytes between them, 0 unless valid */
	uint32_t space; /**< bytes free for packets, 0 unless valid */
	uint32_t reserved[4];
};

/** One packet found in a ring. */
struct icbmsg_snapshot_packet {
	uint32_t offset; /**< in the ring's data */
	uint32_t size;   /**< payload bytes */
	bool pending;    /**< not consumed yet; otherwise it is history */
	bool magic;      /**< announces a side (section 3) */
	bool control;    /**< a control message: has the next three (section 4); otherwise 0 */
	uint8_t type; /**< 0 DATA, 1 RELEASE_DATA, 2 BOUND, 3 RELEASE_BOUND; 0x7f: libicbmsg's, to be
			      ignored; others unknown */
	uint8_t ept;  /**< endpoint address */
	uint8_t block;       /**< first block of the buffer it is about */
	const uint8_t *data; /**< the payload; owned by the snapshot */
	uint64_t reserved[2];
};

/** A buffer that a packet points to. */
struct icbmsg_snapshot_buffer {
	uint32_t block;      /**< its first block */
	uint64_t size;       /**< payload bytes as its header says */
	bool valid;          /**< ends inside the region */
	const uint8_t *data; /**< the payload if valid; owned by the snapshot */
	uint64_t reserved[2];
};

/**
 * Copy the two regions that @cfg names. Opens and maps the memory for reading only; doorbells need
 * not be configured, are not touched, and the users of the link do not notice. What they do
 * meanwhile may be in the copy or not.
 * The caller owns *@snapshot and frees it with icbmsg_snapshot_free().
 * Errors: those of icbmsg_open() that concern the memory and its layout.
 */
int icbmsg_snapshot_new(struct icbmsg_snapshot **snapshot, struct icbmsg_config *cfg);

/** Free a snapshot; NULL is allowed. */
void icbmsg_snapshot_free(struct icbmsg_snapshot *snapshot);

/** The indices of one direction. */
int icbmsg_snapshot_get_ring(const struct icbmsg_snapshot *snapshot, enum icbmsg_direction dir,
			     struct icbmsg_snapshot_ring *ring);

/**
 * Packet number @n of one direction, oldest first: consumed ones that can still be told apart, then
 * the pending ones. Consumed packets lie behind no index: what is told of them is as sure as a
 * guess can be whose chain of packets ends exactly at rd_idx.
 * Errors: -ENOENT if there are fewer.
 */
int icbmsg_snapshot_get_packet(const struct icbmsg_snapshot *snapshot, enum icbmsg_direction dir,
			       size_t n, struct icbmsg_snapshot_packet *packet);

/**
 * The buffer that starts at @block, as its header says now: whether there is one is known only from
 * a packet that points to it, and its blocks may have been used again since.
 * Errors: -ENOENT if the region has no such block.
 */
int icbmsg_snapshot_get_buffer(const struct icbmsg_snapshot *snapshot, enum icbmsg_direction dir,
			       uint32_t block, struct icbmsg_snapshot_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif
