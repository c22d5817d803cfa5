/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two regions that two simulated cores share, seen from either: command-line options, layouts
 * for the firmware model, and configuration keys for libicbmsg.
 *
 * Everything is named from core A, the library's side; core B sees it mirrored.
 */
#ifndef ICBMSG_SIM_GEOMETRY_H
#define ICBMSG_SIM_GEOMETRY_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/layout.h"

struct geometry {
	uint32_t tx_size; /* bytes of the region that A writes */
	uint32_t rx_size;
	uint32_t tx_blocks;
	uint32_t rx_blocks;
	uint32_t alignment;
	uint32_t word_size;
	bool b_initiates; /* otherwise A does: its rx region lies lower */
};

enum side { SIDE_A, SIDE_B };

#define GEOMETRY_DEFAULT                                                              \
	{                                                                             \
		.tx_size = 65536, .rx_size = 65536, .tx_blocks = 32, .rx_blocks = 24, \
		.alignment = 4, .word_size = 4                                        \
	}

/* Options, for a struct option array; their values start at GEOMETRY_OPTION. */
enum {
	GEOMETRY_OPTION = 0x100,
	GEOMETRY_REGION_SIZE = GEOMETRY_OPTION,
	GEOMETRY_TX_BLOCKS,
	GEOMETRY_RX_BLOCKS,
	GEOMETRY_ALIGNMENT,
	GEOMETRY_WORD_SIZE,
	GEOMETRY_INITIATOR,
	GEOMETRY_OPTION_END,
};

/* clang-format off */
#define GEOMETRY_OPTIONS                                                                           \
	{ "region-size", required_argument, NULL, GEOMETRY_REGION_SIZE },                          \
	{ "tx-blocks", required_argument, NULL, GEOMETRY_TX_BLOCKS },                              \
	{ "rx-blocks", required_argument, NULL, GEOMETRY_RX_BLOCKS },                              \
	{ "dcache-alignment", required_argument, NULL, GEOMETRY_ALIGNMENT },                       \
	{ "word-size", required_argument, NULL, GEOMETRY_WORD_SIZE },                              \
	{ "initiator", required_argument, NULL, GEOMETRY_INITIATOR }
/* clang-format on */

#define GEOMETRY_HELP                                                                    \
	"      --region-size BYTES[,BYTES]  of each region, or of A's tx and rx (64k)\n" \
	"      --tx-blocks N, --rx-blocks N blocks of A's tx and rx region (32, 24)\n"   \
	"      --dcache-alignment A         a power of two from 1 to 1M (4)\n"           \
	"      --word-size 4|8              of the firmware's CPU (4)\n"                 \
	"      --initiator A|B              who announces the endpoints (A)\n"

/* Take option @c with @arg. False if it is none of the above; a wrong value is a usage error. */
bool geometry_option(struct geometry *g, int c, const char *arg);

/* Bytes of the memory that holds both regions. */
uint64_t geometry_memory_size(const struct geometry *g);

/*
 * Both regions as @side lays them out. -EINVAL with a sentence in @error for what a firmware build
 * would refuse.
 */
int geometry_layout(const struct geometry *g, enum side side, struct layout_region *tx,
		    struct layout_region *rx, char error[LAYOUT_ERROR_SIZE]);

/* The keys of icbmsg.conf(5) that this geometry decides, for @side. */
#define GEOMETRY_SETTINGS 6
struct geometry_setting {
	const char *key;
	char value[48];
};

void geometry_settings(const struct geometry *g, enum side side,
		       struct geometry_setting out[GEOMETRY_SETTINGS]);

#endif
