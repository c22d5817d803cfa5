/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The public interface of libicbmsg, and the only header that is installed.
 */

#ifndef ICBMSG_H
#define ICBMSG_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of the library in use, "MAJOR.MINOR.PATCH". The string is static: it stays valid
 * and is never freed. Any thread may call this.
 */
const char *icbmsg_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ICBMSG_H */
