// SPDX-License-Identifier: Apache-2.0

/*
 * The smallest user of an installed libicbmsg.
 */

#include <icbmsg.h>
#include <stdio.h>

int main(void)
{
	return puts(icbmsg_version()) < 0;
}
