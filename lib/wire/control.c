// SPDX-License-Identifier: Apache-2.0
/*
 * The magic packet that announces a side of an ICMsg link (protocol.md section 3).
 */
#include "wire/control.h"

const uint8_t control_magic[CONTROL_MAGIC_SIZE] = {
	0x45, 0x6d, 0x31, 0x6c, 0x31, 0x4b, 0x30, 0x72, 0x6e, 0x33, 0x6c, 0x69, 0x34,
};
