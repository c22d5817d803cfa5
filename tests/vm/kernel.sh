#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kernel.sh FOLDER: Debian's kernel for virtual machines, unpacked below FOLDER and never installed.
# Prints the folder that holds boot/ and lib/modules/. Nothing is fetched if it is there already.

set -eu

folder=$1
[ "$(dpkg --print-architecture)" = amd64 ] || {
	echo "kernel.sh: the virtual machines are x86-64, and their programs are built here" >&2
	exit 1
}
# The package without a version depends on the one that has the files.
package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
	sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || {
	echo "kernel.sh: apt-cache knows no linux-image-cloud-amd64; run apt-get update" >&2
	exit 1
}
if [ ! -d "$folder/$package" ]; then
	mkdir -p "$folder"
	work=$(mktemp -d "$folder/new-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	chmod 755 "$work"
	(cd "$work" && apt-get -q download "$package" >&2 && dpkg -x "$package"_*.deb tree)
	mv "$work/tree" "$folder/$package"
fi
echo "$folder/$package"
