// SPDX-License-Identifier: Apache-2.0
/*
 * SHA-256 through libcrypto: anybody can check what is printed with sha256sum(1).
 */
#include "digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "util/cleanup.h"

#define READ_SIZE (256u << 10)

static void free_context(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static int add_file(EVP_MD_CTX *ctx, int fd, void *buffer)
{
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, buffer, READ_SIZE, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (!EVP_DigestUpdate(ctx, buffer, (size_t)n))
			return -EIO;
		at += n;
	}
}

int digest_file(int fd, char out[DIGEST_SIZE])
{
	_cleanup_(free_context) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_(free_ptr) void *buffer = malloc(READ_SIZE);
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int size, i;
	int ret;

	if (!ctx || !buffer)
		return -ENOMEM;
	if (!EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		return -EIO;
	ret = add_file(ctx, fd, buffer);
	if (ret < 0)
		return ret;
	if (!EVP_DigestFinal_ex(ctx, md, &size) || size * 2 >= DIGEST_SIZE)
		return -EIO;
	for (i = 0; i < size; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", md[i]);
	return 0;
}
