/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client protocol of icbmsgd: how a program that uses libicbmsg shares a link with others.
 *
 * A client connects to the SEQPACKET socket RUNDIR/INSTANCE CLIENT_SOCKET_SUFFIX. After a hello both
 * sides map one sealed memfd, and from there on the client and the daemon speak ICBMSG to each other
 * over it, classic generation, as over the memory of a board. The socket stays for three things:
 * doorbells, the registration of endpoints, and to notice that the other side is gone.
 *
 * Every packet begins with its type, one byte. Numbers are the machine's own, both sides being on
 * the same one; structs have no padding and grow at the end: a reader ignores what is behind the
 * members it knows, and takes missing ones for 0. A packet that breaks a rule ends the connection.
 *
 * Hello
 *   The client's first packet is a struct client_hello, the daemon's answer a struct client_welcome
 *   with the memory's descriptor (SCM_RIGHTS), or a struct client_refusal, and the end. The daemon
 *   chooses the highest version that both know.
 *   A client that has lost its daemon may bring the memory of the connection before (SCM_RIGHTS
 *   with the hello): what a program holds of it stays valid. The daemon takes it if it is of the
 *   size and the seals it would have made, and sends memory of its own otherwise.
 *
 * Memory
 *   Two regions, at offsets and of sizes that the welcome tells. The daemon is the initiator
 *   (protocol.md section 5): it announces endpoints, the client never does. Word size and alignment
 *   are CLIENT_WORD_SIZE and CLIENT_ALIGNMENT, which leaves room for session words. The memory is
 *   sealed against growing, shrinking and new seals.
 *
 * Doorbells
 *   One CLIENT_RING packet, either way, never blocking: where the socket's buffer is full, enough
 *   packets lie unread in it to make the other side look.
 *
 * Endpoints
 *   CLIENT_REGISTER asks for an endpoint by its name; the daemon answers every one with a
 *   CLIENT_ANSWER, in their order. A client has one request under way at a time. After an answer of
 *   0 the daemon announces the endpoint in memory whenever the other core has bound it, not earlier.
 *   CLIENT_DEREGISTER gives it back and has no answer; the client may ask for it again.
 *   When the link to the other core is lost, the daemon loses the session in memory as well, and
 *   begins a new one: for the client its peer has restarted, with the same counts of messages whose
 *   fate is not known. For that the daemon releases a client's message not before the other core
 *   has released it.
 */
#ifndef ICBMSG_CLIENT_PROTOCOL_H
#define ICBMSG_CLIENT_PROTOCOL_H

#include <stdint.h>

/** The versions that this code speaks. A version counts incompatible changes. */
#define CLIENT_VERSION_MIN 1
#define CLIENT_VERSION_MAX 1

#define CLIENT_SOCKET_SUFFIX ".sock"

/** Bytes of the largest packet, either way. */
#define CLIENT_PACKET_MAX 512u

#define CLIENT_WORD_SIZE 8u
#define CLIENT_ALIGNMENT 64u

/** client_hello.magic: "ICBM" read as a little-endian number. */
#define CLIENT_MAGIC UINT32_C(0x4d424349)

enum client_packet {
	CLIENT_RING = 0, /**< one byte; either way */
	CLIENT_HELLO = 1,
	CLIENT_WELCOME = 2,
	CLIENT_REFUSAL = 3,
	CLIENT_REGISTER = 4,   /**< the name follows, without a NUL */
	CLIENT_DEREGISTER = 5, /**< the name follows, without a NUL */
	CLIENT_ANSWER = 6,
};

struct client_hello {
	uint8_t type;
	uint8_t version_min, version_max;
	uint8_t reserved; /**< 0 */
	uint32_t magic;
	uint64_t features; /**< bits that the client understands; none are defined yet */
	/** Wishes for the two directions, in bytes of a region; 0: as the daemon likes. */
	uint32_t to_daemon, to_client;
};

struct client_welcome {
	uint8_t type;
	uint8_t version;
	uint8_t reserved[6]; /**< 0 */
	uint64_t features;   /**< of the client's, those the daemon has, too */
	uint64_t size;       /**< of the memory, bytes */
	struct client_region {
		uint64_t offset; /**< in the memory */
		uint32_t size;   /**< bytes */
		uint32_t blocks;
	} to_daemon, to_client;
	/** The largest messages that the link behind it carries, bytes. */
	uint64_t max_to_core, max_from_core;
};

/** One line of text follows, without a NUL. */
struct client_refusal {
	uint8_t type;
	uint8_t version_min, version_max; /**< that the daemon speaks */
	uint8_t reserved;                 /**< 0 */
	int32_t error;                    /**< a negative errno value */
};

/** If error is not 0, one line of text follows, without a NUL. */
struct client_answer {
	uint8_t type;
	uint8_t reserved[3]; /**< 0 */
	int32_t error;       /**< 0 or a negative errno value: -ENOENT, -EBUSY, ... */
};

#endif
