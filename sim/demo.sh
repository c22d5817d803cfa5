#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh BIN: what `./dev demo` shows, with the programs in folder BIN.

set -eu

bin=$1

if [ ! -x "$bin/icbmsg-sim" ]; then
	echo "demo: $bin/icbmsg-sim is not part of this tree yet" >&2
	exit 1
fi
"$bin/icbmsg-sim" --help
