/* SPDX-License-Identifier: Apache-2.0 */
#define EMSGSIZE 90
#define ENOBUFS 105
#define EPROTO 71
