/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A devicetree as found on disk, as a blob: a blob already, source, or a folder as in /proc.
 */
#ifndef ICBMSG_CORE_DT_FILE_H
#define ICBMSG_CORE_DT_FILE_H

#include <stddef.h>

#include "core/config.h"

/*
 * Read @path: a blob as it is; anything else through dtc(1), which is run for it: a folder is taken
 * for a tree of properties like /proc/device-tree, other files for source. The caller frees *@blob.
 * Returns 0 or a negative errno with a text in @error: those of open(2) and read(2), -ENOPKG
 * without dtc, -EINVAL for source that it refuses, -EFBIG, -ENOMEM.
 */
int dt_file_read(void **blob, size_t *size, const char *path, char error[CONFIG_ERROR_SIZE]);

#endif
