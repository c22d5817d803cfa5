/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells in the configuration. Each parser fills in its part of a struct doorbell_spec, which
 * @out points to, or returns false with the part of @text that is wrong named in @why.
 */
#ifndef ICBMSG_CORE_CONFIG_DOORBELL_H
#define ICBMSG_CORE_CONFIG_DOORBELL_H

#include "core/config_keys.h"

bool config_parse_doorbell(void *out, const char *text);
bool config_parse_doorbell_in(void *out, const char *text, char why[CONFIG_WHY_SIZE]);
bool config_parse_doorbell_out(void *out, const char *text, char why[CONFIG_WHY_SIZE]);
bool config_parse_doorbell_setup(void *out, const char *text, char why[CONFIG_WHY_SIZE]);
bool config_parse_doorbell_ack(void *out, const char *text, char why[CONFIG_WHY_SIZE]);

#endif
