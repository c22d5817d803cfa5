# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # variables are for the tests
#
# For tests of icbmsgd with real processes: a firmware core (icbmsg-sim echo), the daemon on it, and
# their ends. Whatever is waited for is an event: a banner, a message, an end of file, an exit.

common_setup() {
	bin=$ICBMSG_BIN_DIR
	shm=icbmsg-daemon-$$-$BATS_TEST_NUMBER
	core='' daemon=''
	# A socket's path has to be short.
	work=$(mktemp -d /tmp/icbmsgd-XXXXXX)
	cd "$work" || return 1
	run_dir=$work/run
	export PYTHONPATH=$ICBMSG_SOURCE_DIR/tests/daemon PYTHONDONTWRITEBYTECODE=1
}

common_teardown() {
	local status=0
	# However a test ends, the daemon stops by itself when asked to; sanitizers speak up here, too.
	[ -z "$daemon" ] || stop_daemon || status=1
	[ -z "$core" ] || stop_core
	[ ! -e log ] || tail -n 20 log | sed 's/^/# log: /'
	cd /
	rm -rf "$work" "/dev/shm/$shm"
	return "$status"
}

# start_core OPTION...: the firmware core, and link.conf for the daemon's side of it.
start_core() {
	local line
	[ -p core-banner ] || mkfifo core-banner
	"$bin/icbmsg-sim" echo --instance net --shm "$shm" --poll 200us --banner \
		--print-config link.conf "$@" >core-banner 3>&- &
	core=$!
	exec 5<core-banner
	read -r line <&5
}

# restart_core: what a reboot does to firmware.
restart_core() {
	local line
	kill -USR1 "$core"
	read -r line <&5
}

stop_core() {
	kill "$core"
	wait "$core" || true
	core=''
	exec 5<&-
}

# config LINE...: the daemon's configuration on the link.
config() {
	{
		cat link.conf
		printf '%s\n' "[daemon]" "rundir = $run_dir" "$@"
	} >icbmsgd.conf
}

# start_daemon OPTION...: stderr goes to log. ICBMSG_IO_URING says whether it uses that.
start_daemon() {
	local line
	[ -p daemon-banner ] || mkfifo daemon-banner
	"$bin/icbmsgd" -c icbmsgd.conf --banner -o "io-uring=${ICBMSG_IO_URING:-auto}" "$@" >daemon-banner 2>>log 3>&- 5<&- &
	daemon=$!
	read -r line <daemon-banner
	[[ $line == *ready* ]]
}

# stop_daemon: as systemd does; its exit status is checked.
stop_daemon() {
	local status=0
	kill "$daemon" || return 1
	wait "$daemon" || status=$?
	daemon=''
	[ "$status" -eq 0 ]
}


# echoes COMMAND...: a client for lines; each comes back as it was sent.
echoes() {
	local n line
	coproc CLIENT { exec "$@" 3>&- 5<&-; }
	for n in $(seq 1 20); do
		echo "line $n" >&"${CLIENT[1]}"
		read -r line <&"${CLIENT[0]}"
		[ "$line" = "line $n" ]
	done
	kill "$CLIENT_PID"
	wait "$CLIENT_PID" || true
}
