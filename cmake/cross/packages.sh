#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh ARCH PACKAGE...: unpack Debian's packages of another architecture, and what they need
# beside the C library, into build/cross/ARCH, for the toolchain files beside this script. Nothing
# is installed, no privileges are needed, and the system's apt does not learn of the architecture.

set -eu

arch=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)/build/cross/$arch
stamp=$root/packages
[ "$(cat "$stamp" 2>/dev/null)" != "$*" ] || exit 0

rm -rf "$root"
mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial"
: >"$root/apt/status"

# foreign COMMAND...: apt-get as if this were such a machine, with the system's sources.
foreign() {
	apt-get -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o Dir::State="$root/apt" -o Dir::State::lists="$root/apt/lists" \
		-o Dir::State::status="$root/apt/status" -o Dir::Cache="$root/apt" \
		-o Dir::Cache::archives="$root/apt/archives" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User= "$@" </dev/null
}

foreign update || echo "packages.sh: a list is missing; going on with the others" >&2
foreign install -y --download-only --no-install-recommends "$@"
for deb in "$root"/apt/archives/*.deb; do
	case ${deb##*/} in
	# The cross compiler has these.
	libc6* | libc-dev* | linux-libc-dev* | libgcc* | libstdc++* | gcc-* | libcrypt1* | libcrypt-dev*) ;;
	*) dpkg -x "$deb" "$root" ;;
	esac
done
rm -rf "$root/apt"
echo "$*" >"$stamp"
