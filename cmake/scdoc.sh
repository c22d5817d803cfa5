#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# scdoc.sh SCDOC SOURCE OUTPUT: build one man page; anything scdoc complains about is an error,
# and a page that did not come out whole is not left behind.

set -eu

scdoc=$1 source=$2 output=$3
mkdir -p "$(dirname "$output")"
if ! complaints=$("$scdoc" <"$source" 2>&1 >"$output.tmp") || [ -n "$complaints" ]; then
	echo "$source: $complaints" >&2
	rm -f "$output.tmp"
	exit 1
fi
mv "$output.tmp" "$output"
