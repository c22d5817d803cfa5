/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Register accesses in the configuration: the grammar is icbmsg.conf(5)'s "REGISTERS".
 */
#ifndef ICBMSG_CORE_CONFIG_REGISTER_H
#define ICBMSG_CORE_CONFIG_REGISTER_H

#include "core/config_keys.h"
#include "mem/register.h"

/* The whole of @text. False, with the part that is wrong named in @why, if it is no such list. */
bool config_parse_registers(struct register_list *out, const char *text, char why[CONFIG_WHY_SIZE]);

#endif
