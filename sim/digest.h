/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of a file, as sha256sum(1) prints it. */
#ifndef ICBMSG_SIM_DIGEST_H
#define ICBMSG_SIM_DIGEST_H

#define DIGEST_SIZE 65u

/* The digest of all of @fd, from its beginning; the file position is not used. Negative errno. */
int digest_file(int fd, char out[DIGEST_SIZE]);

#endif
