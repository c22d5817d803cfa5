#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh [TOP]: who may include whom. Prints one line per wrong include and fails if there is
# one, or if there was nothing to look at. System headers are free for all; this is about ours.

set -eu

cd "${1:-.}"
found=$(find lib sim tools daemon -type f \( -name '*.c' -o -name '*.h' \) 2>/dev/null | LC_ALL=C sort)
if [ -z "$found" ]; then
	echo "layers.sh: no sources below $(pwd)" >&2
	exit 1
fi

# shellcheck disable=SC2086 # our file names carry no blanks
awk '
BEGIN {
	# What a folder may name, by the folder part of the include, or whole.
	may["lib/util"] = "util"
	may["lib/wire"] = "util wire"
	may["lib/mem"] = "util mem"
	may["lib/proto"] = "util wire mem proto"
	may["lib/core"] = "util wire mem proto core icbmsg.h"
	may["lib/client"] = "util wire mem proto core client icbmsg.h"
	may["lib/api.c"] = "util wire mem proto core client icbmsg.h"
	may["lib/icbmsg.h"] = ""
	may["tools"] = "icbmsg.h client/control.h OWN"
	may["daemon"] = "icbmsg.h client/protocol.h client/control.h OWN"
	# The model of the firmware shares nothing with lib but arithmetic; the other core is lib itself.
	may["sim"] = "icbmsg.h util wire/layout.h OWN"
	layers = "^(util|wire|mem|proto|core|client)/"
}

FNR == 1 {
	place = FILENAME
	if (!(place in may)) {
		sub(/\/[^\/]*$/, "", place)
		while (!(place in may) && sub(/\/[^\/]*$/, "", place))
			;
	}
	if (!(place in may)) {
		printf "%s: no layer: add it to cmake/layers.sh\n", FILENAME
		bad = 1
	}
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	quoted = ($0 ~ /include[ \t]*"/)
	name = $0
	sub(/^[^"<]*["<]/, "", name)
	sub(/[">].*/, "", name)
	if (!quoted && name !~ layers && name != "icbmsg.h")
		next
	if (!allowed(name)) {
		printf "%s:%d: %s may not include \"%s\" (it may: %s)\n", FILENAME, FNR, place, name,
			may[place] == "" ? "system headers only" : may[place]
		bad = 1
	}
}

function allowed(name,    words, n, i, folder) {
	if (name ~ /(^|\/)\.\.?\//)
		return 0
	folder = name
	if (!sub(/\/.*/, "", folder))
		folder = "OWN"
	n = split(may[place], words, " ")
	for (i = 1; i <= n; i++) {
		if (words[i] == name || words[i] == folder)
			return 1
		if (words[i] == "OWN" && name !~ layers)
			return 1
	}
	return 0
}

END { exit bad }
' $found
