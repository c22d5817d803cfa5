// SPDX-License-Identifier: Apache-2.0

/* Stands in for the layers until the first of them arrives; goes with it. */

extern const int icbmsg_no_layers_yet;
const int icbmsg_no_layers_yet = 1;
