#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsg-sim serve, an ivshmem server: with our own clients on both sides, with others that are
# slow, too many or dead, with QEMU's device, and our clients with somebody else's server.

bats_require_minimum_version 1.5.0

setup() {
	sim=$ICBMSG_BIN_DIR/icbmsg-sim
	cat=$ICBMSG_BIN_DIR/icbmsg-cat
	client=(python3 "$ICBMSG_SOURCE_DIR/tests/programs/ivshmem.py")
	server='' core='' other='' idle=''
	# A socket's path has to be short.
	work=$(mktemp -d /tmp/icbmsg-serve-XXXXXX)
	cd "$work" || exit 1
	mkfifo server-banner core-banner idle-banner other-banner
}

teardown() {
	local pid
	rm -f "/dev/shm/none-$$"
	for pid in $core $other $idle $server; do
		kill -KILL "$pid" || true
	done
	cd /
	rm -rf "$work"
}

# start_server OPTION...: at ./bus; its messages go to log, its result can be read from 7.
start_server() {
	local line
	exec 7<&-
	"$sim" serve --banner --json -v "$@" bus >server-banner 2>log 3>&- &
	server=$!
	exec 7<server-banner
	read -r line <&7
	[[ $line == *ready* ]]
}

# ends NAME SIGNAL: a process of ours ends as that signal ends it.
ends() {
	local status=0
	kill -s "$2" "${!1}"
	wait "${!1}" || status=$?
	printf -v "$1" %s ''
	[ "$status" -eq $((128 + $(kill -l "$2"))) ]
}

# start_core OPTION...: a core on the bus, and link.conf for its other side.
start_core() {
	local line
	"$sim" echo --ivshmem bus --print-config link.conf --banner "$@" >core-banner 3>&- &
	core=$!
	exec 5<core-banner
	read -r line <&5
}

restart_core() {
	local line
	kill -USR1 "$core"
	read -r line <&5
}

# start_idle COUNT: so many clients that read nothing.
start_idle() {
	local line
	"${client[@]}" idle bus "$1" >idle-banner 3>&- 5<&- 6<&- &
	idle=$!
	read -r line <idle-banner
}

# echoes COUNT OPTION...: so many lines come back as they were sent.
echoes() {
	local count=$1
	shift
	seq 1 "$count" >sent
	"$cat" -d link.conf -i line --count "$count" "$@" ep0 <sent >got
	cmp sent got
}

# logged TEXT: the server says so, sooner or later.
logged() {
	until grep -q "$1" log; do :; done
}

@test "a program and a core meet in two terminals" {
	start_server
	start_core --endpoint ep0
	grep -q "^memory = ivshmem:$work/bus$" link.conf
	grep -q '^doorbell = ivshmem$' link.conf
	echoes 2000
	restart_core
	"$cat" -d link.conf -v -m hello --count 1 ep0 2>counted
	grep -Eq 'doorbells: .* [1-9][0-9]* received' counted
	# Peer 0 is the core, and the programs were peer 1, one after the other.
	logged 'peer 1 left'
	[ "$(grep -c 'peer 1 joined' log)" -eq 2 ]
}

@test "a command of the core's finds it on the bus" {
	start_server --vectors 3
	seq 1 200 >sent
	"$sim" echo --ivshmem bus --initiator B -- "$cat" -d @CONFIG@ -i line -n 200 ep0 <sent >got
	cmp sent got
}

@test "faults of doorbells are survived on the bus, too" {
	start_server
	start_core --drop-doorbells 30 --merge-doorbells=200us --delay-doorbells 300us 2>faults
	echoes 300
}

@test "a core that was killed is another peer when it is back" {
	local line
	start_server
	start_core
	mkfifo input
	"$cat" -d link.conf --keep -i line -n 2 ep0 <input >got 2>states 3>&- 5<&- &
	other=$!
	exec 6>input
	echo before >&6
	until grep -q before got; do :; done
	ends core KILL
	logged 'peer 0 left'
	# Somebody else takes its id.
	start_idle 1
	start_core
	echo after >&6
	wait "$other"
	other=''
	[ "$(tail -n 1 got)" = after ]
	exec 6>&-
}

@test "a configured peer and vector are rung, and nobody else has to be there" {
	start_server --vectors 2
	start_core
	sed -i 's/^doorbell = .*/doorbell = ivshmem:0,0/' link.conf
	echoes 200
	restart_core
	sed -i 's/^doorbell = .*/doorbell = ivshmem:0,2/' link.conf
	run -1 "$cat" -d link.conf -m x -n 1 ep0
	[[ $output == *'gives 2 vectors, and vector 2 is to be rung; start it with more, or poll'* ]]
	# Who only polls is no peer, and does not ring this core, which never looks by itself.
	sed -i 's/^doorbell = .*/doorbell = poll:200us/' link.conf
	run -3 "$cat" -d link.conf -w 200ms -m x -n 1 ep0
	grep -c 'peer 1 joined' log | grep -qx 3
}

@test "a second link lives in the same memory" {
	start_server --size 1M
	start_core
	cat >two.conf <<-'END'
		[instance left]
		memory = ivshmem:bus
		doorbell = ivshmem
		tx-region = 512k 64k
		rx-region = 640k 64k
		tx-blocks = 16
		rx-blocks = 16
		dcache-alignment = 8
		[instance right]
		memory = ivshmem:bus
		doorbell = ivshmem
		tx-region = 640k 64k
		rx-region = 512k 64k
		tx-blocks = 16
		rx-blocks = 16
		dcache-alignment = 8
	END
	seq 1 500 >in
	"$cat" -d two.conf:right -u --keep two >out 3>&- 5<&- &
	other=$!
	"$cat" -d two.conf:left -U -i line two <in
	until [ "$(wc -l <out)" -eq 500 ]; do :; done
	ends other TERM
	cmp in out
	echoes 500
	# One side of a link is open once, whoever opened the memory.
	mkfifo input
	"$cat" -d two.conf:left -v -i line two <input 2>states 3>&- 5<&- &
	other=$!
	exec 6>input
	until grep -q ready states; do :; done
	run -1 "$cat" -d two.conf:left -m x two
	[[ $output == *'another program has this side of the link open'* ]]
	exec 6>&-
	ends other KILL
}

@test "the daemon is a peer, also with what it has left of its privileges" {
	local line
	start_server
	start_core --endpoint chat
	{
		cat link.conf
		printf '%s\n' '[daemon]' "rundir = $work/run" '[endpoint echo/chat]'
	} >icbmsgd.conf
	"$ICBMSG_BIN_DIR/icbmsgd" -c icbmsgd.conf --banner >other-banner 2>states 3>&- 5<&- &
	other=$!
	read -r line <other-banner
	seq 1 500 >sent
	"$cat" -s run -i line -n 500 chat <sent >got
	cmp sent got
	"${client[@]}" churn bus 3
	# A reload may close the link and open it again.
	mv icbmsgd.conf with.conf
	sed -e 's/^memory = .*/memory = shm:none-'$$/ -e 's/^doorbell = .*/doorbell = poll/' \
		-e 's/echo/none/' with.conf >icbmsgd.conf
	"$ICBMSG_BIN_DIR/icbmsgctl" reload -s run/control
	logged 'peer 1 left'
	mv with.conf icbmsgd.conf
	restart_core
	"$ICBMSG_BIN_DIR/icbmsgctl" reload -s run/control
	[ "$("$cat" -s run -m again -n 1 chat)" = again ]
	ends core KILL
	logged 'peer 0 left'
	start_core --endpoint chat
	[ "$("$cat" -s run -m back -n 1 chat)" = back ]
	ends server KILL
	until grep -q 'echo: ivshmem:.*the server is gone' states; do :; done
	[ "$("$cat" -s run -m still -n 1 chat)" = still ]
	kill "$other"
	wait "$other"
	other=''
}

@test "the link goes on when the server is gone" {
	start_server
	start_core 2>core-log
	mkfifo input
	"$cat" -d link.conf -i line -n 3 ep0 <input >got 2>states 3>&- 5<&- &
	other=$!
	exec 6>input
	echo 1 >&6
	until grep -q 1 got; do :; done
	ends server KILL
	until grep -q 'the server is gone; the link goes on' states; do :; done
	until grep -q 'ivshmem server is gone' core-log; do :; done
	echo 2 >&6
	echo 3 >&6
	wait "$other"
	other=''
	seq 1 3 | cmp - got
	exec 6>&-
}

@test "the place of a server that was killed is taken, and no other" {
	start_server
	run -1 "$sim" serve bus
	[[ $output == *'bus: another server listens there'* ]]
	ends server KILL
	[ -S bus ]
	run -1 "$cat" -d <(printf '%s\n' '[instance x]' 'memory = ivshmem:bus' 'doorbell = ivshmem' \
		'tx-region = 0 4k' 'rx-region = 4k 4k' 'tx-blocks = 4' 'rx-blocks = 4') -m x ep0
	[[ $output == *'ivshmem:bus: no server listens there, it is left over'* ]]
	start_server
	start_core
	echoes 100
	ends core TERM
	ends server TERM
	[ ! -e bus ]
	echo precious >bus
	run -1 "$sim" serve bus
	[[ $output == *'bus is there already and is no socket'* ]]
	[ "$(cat bus)" = precious ]
}

@test "a server removes its own socket only" {
	start_server
	mv bus moved
	echo precious >bus
	ends server INT
	[ "$(cat bus)" = precious ]
	[ -S moved ]
}

@test "clients that read nothing stop nobody" {
	start_server --vectors 16
	start_idle 20
	# More news for each of them than its socket takes.
	"${client[@]}" churn bus 20
	start_core
	echoes 500
	ends idle KILL
	logged 'peer 19 left'
	ends server TERM
	result=$(cat <&7)
	[[ $result == *'"joined":42,'* ]]
	[[ $result == *'"refused":0,'* ]]
}

@test "clients that are killed leave, and their ids are given again" {
	start_server
	for _ in 1 2 3; do
		start_core
		[ "$("${client[@]}" who bus)" = "0 own 1" ]
		ends core KILL
		exec 5<&-
		logged 'peer 0 left, 0 present'
		[ "$("${client[@]}" who bus)" = "own 0" ]
		logged 'peer 0 left, 0 present'
		: >log
	done
}

@test "the client after the last place is refused, and told about" {
	start_server --vectors 2
	[ "$("${client[@]}" crowd bus 300)" = "256 255" ]
	logged 'a client was refused: there are 256 already'
	logged ' 0 present'
	ends server TERM
	[[ $(cat <&7) == *'"most_present":256'* ]]
}

@test "a server without descriptors to spare refuses, and serves again later" {
	local limit=40
	(
		ulimit -n $limit
		exec "$sim" serve --banner -v --vectors 4 bus
	) >server-banner 2>log 3>&- &
	server=$!
	read -r _ <server-banner
	[ "$("${client[@]}" crowd bus 20 | cut -d ' ' -f 1)" -lt 10 ]
	logged 'a client was refused: Too many open files; raise the limit of open files'
	logged ' 0 present'
	start_core
	echoes 100
}

@test "who may connect is the socket's mode" {
	start_server --socket-mode 0660
	[ "$(stat -c %a bus)" = 660 ]
	ends server TERM
	start_server
	[ "$(stat -c %a bus)" = 600 ]
}

@test "options that make no sense are named" {
	run -2 "$sim" serve
	[[ $output == *'the socket is missing'* ]]
	run -2 "$sim" serve a b
	[[ $output == *'"b" is one argument too many'* ]]
	run -2 "$sim" serve --size 5000 bus
	[[ $output == *'--size: 5000 is no power of two, which QEMU needs'* ]]
	run -2 "$sim" serve --vectors 65 bus
	run -2 "$sim" serve --socket-mode 888 bus
	[[ $output == *'"888" is not an octal mode'* ]]
	run -1 "$sim" serve "$(printf 'x%.0s' {1..108})"
	[[ $output == *"a socket's path has at most 107 bytes"* ]]
	run -1 "$sim" serve none/bus
	[[ $output == *'none/bus: its folder: No such file or directory'* ]]
	run -2 "$sim" echo --ivshmem bus --shm x
	[[ $output == *'--shm, --memory-fd and --ivshmem exclude each other'* ]]
	run -1 "$sim" echo --ivshmem bus
	[[ $output == *'start a server there first: icbmsg-sim serve bus'* ]]
	start_server --size 4k
	run -1 "$sim" echo --ivshmem bus
	[[ $output == *'4096 bytes but the regions need'* ]]
}

@test "nohup keeps a server and a core" {
	local line
	nohup "$sim" serve --banner bus >server-banner 2>log 3>&- &
	server=$!
	exec 7<server-banner
	read -r line <&7
	kill -HUP "$server"
	nohup "$sim" echo --ivshmem bus --print-config link.conf --banner >core-banner 2>>log 3>&- 7<&- &
	core=$!
	exec 5<core-banner
	read -r line <&5
	kill -HUP "$core"
	echoes 20
	ends core TERM
	ends server TERM
}

@test "a server without vectors is for those who poll" {
	start_server --vectors 0
	start_core --poll 200us
	grep -q '^doorbell = poll:200us$' link.conf
	echoes 200
}

@test "with somebody else's server" {
	local their=$ICBMSG_SOURCE_DIR/../shared/vm/ivshmem_server.py
	[ -e "$their" ] || skip "the Python server of shared/ is not beside this clone"
	python3 "$their" bus 1048576 2 >their-out 2>&1 3>&- &
	server=$!
	until grep -q ready their-out; do :; done
	start_core
	echoes 2000
}

@test "QEMU's device takes part" {
	command -v qemu-system-x86_64 >/dev/null || skip "needs qemu-system-x86_64"
	start_server
	[ "$("${client[@]}" qemu bus)" = 'the device was peer 1' ]
	logged 'peer 0 left'
	ends server TERM
	[[ $(cat <&7) == *'"most_present":2'* ]]
}
