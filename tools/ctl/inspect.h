/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two forms in which icbmsgctl inspect prints a view.
 */
#ifndef ICBMSG_TOOLS_CTL_INSPECT_H
#define ICBMSG_TOOLS_CTL_INSPECT_H

#include "ctl/view.h"

struct inspect_options {
	bool pending;  /**< leave history out */
	uint32_t dump; /**< bytes of each buffer to print, 0 for none */
};

void inspect_print_text(const struct view *v, const struct inspect_options *options);
void inspect_print_json(const struct view *v, const struct inspect_options *options);

#endif
