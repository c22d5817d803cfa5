// SPDX-License-Identifier: Apache-2.0

/*
 * The only file whose symbols leave the shared library: thin public functions over lib/core.
 */

#include "icbmsg.h"

#pragma GCC visibility push(default)

const char *icbmsg_version(void)
{
	return "0.1.0";
}

#pragma GCC visibility pop
