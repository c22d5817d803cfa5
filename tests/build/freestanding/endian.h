/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For code that is compiled for machines whose C library is not here. All of them are
 * little-endian; it is looked at, never run.
 */
#define le32toh(v) (v)
#define htole32(v) (v)
