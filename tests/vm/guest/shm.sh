# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# The machinery itself: a firmware core and the daemon in one guest, over POSIX shared memory.

# shellcheck source=common.sh disable=SC1091 # in the guest it is there
. /vm/common.sh
mkfifo core.banner
icbmsg-sim echo --instance link --endpoint file --shm vm --poll 200us --banner \
	--print-config link.conf >core.banner 2>core.log &
exec 5<core.banner
banner <&5
start_daemon
echoed
stop_daemon
