/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
