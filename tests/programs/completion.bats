#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Bash completion as bash calls it: with the line, and its words split at : and = as well.
# shellcheck disable=SC2034,SC2154 # bash's variables for completion, daemon.bash's

bats_require_minimum_version 1.5.0

setup() {
	load ../daemon/daemon.bash
	common_setup
	PATH=$ICBMSG_BIN_DIR:$PATH
	# shellcheck source=/dev/null
	source "$ICBMSG_SOURCE_DIR/conf/bash-completion/icbmsg"
}

teardown() {
	common_teardown
}

# completed LINE: $replies, sorted and in one line, for the end of LINE.
completed() {
	local program=${1%% *} function
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
	function=$(complete -p "$program" | sed 's/.*-F \([^ ]*\) .*/\1/')
	COMPREPLY=()
	"$function" "$program"
	replies=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
	echo "$1 -> $replies"
}

@test "every option of every program's help, and no other word" {
	for command in icbmsg-cat icbmsgd icbmsg-bench "icbmsgctl list" "icbmsgctl stats" "icbmsgctl layout" \
		"icbmsgctl config" "icbmsgctl inspect" "icbmsgctl counters" "icbmsg-sim echo" \
		"icbmsg-sim transfer" "icbmsg-sim restart-loop" "icbmsg-sim serve"; do
		completed "$command --"
		# shellcheck disable=SC2086 # a program and its command
		wanted=$($command --help | grep -E '^ +-' | grep -oE '(^| )--[a-z-]+' | sort -u | xargs)
		for option in $replies; do
			[[ " $wanted " = *" $option "* ]]
		done
		# Those that begin a line, or come second in it.
		# shellcheck disable=SC2086
		for option in $($command --help |
			sed -nE 's/^ +(-[A-Za-z], )?(--[a-z-]+).*/\2/p'); do
			[[ " $replies " = *" $option "* ]]
		done
		[ "$(wc -w <<<"$replies")" -ge 3 ]
	done
	completed 'icbmsg-cat --localt'
	[ "$replies" = --localtime ]
	completed 'icbmsg-sim echo --db-tx'
	[ "$replies" = --db-tx-fd ]
}

@test "commands and values" {
	completed 'icbmsgctl '
	[ "$replies" = 'clients config counters export inspect layout list records reload stats' ]
	completed 'icbmsg-sim '
	[ "$replies" = 'echo restart-loop serve transfer' ]
	touch bus
	completed 'icbmsg-sim serve b'
	[ "$replies" = bus ]
	completed 'icbmsg-cat --format h'
	[ "$replies" = hex ]
	completed 'icbmsg-cat --input=len'
	[ "$replies" = len32 ]
	completed 'icbmsg-cat -w '
	[ -z "$replies" ]
	completed 'icbmsg-sim echo --mode so'
	[ "$replies" = source ]
	start_core
	config "[endpoint net/ep0]"
	completed 'icbmsgd -c icbmsgd.conf -o max-clients-'
	[ "$replies" = 'max-clients-per-uid=' ]
	touch some.conf
	completed 'icbmsgd -c so'
	[ "$replies" = some.conf ]
	completed 'icbmsgctl inspect so'
	[ "$replies" = some.conf ]
}

@test "endpoints and instances, from the daemon" {
	completed "icbmsg-cat -s $run_dir "
	[ -z "$replies" ]
	start_core --endpoint chat
	config "[endpoint net/chat]" "[endpoint net/log one]"
	start_daemon
	completed "icbmsg-cat -s $run_dir ch"
	[ "$replies" = chat ]
	completed "icbmsg-cat --socket=$run_dir "
	[ "$replies" = 'chat log one net:chat net:log one' ]
	# Readline's word begins after the colon.
	completed "icbmsg-cat -s $run_dir net:ch"
	[ "$replies" = chat ]
	completed "icbmsgctl export --socket $run_dir/control net/c"
	[ "$replies" = net/chat ]
}

@test "it is installed where bash-completion looks" {
	[ ! -e "$ICBMSG_BUILD_DIR/CMakeCache.txt" ] && skip "no build folder"
	DESTDIR=$PWD/root cmake --install "$ICBMSG_BUILD_DIR" --prefix /usr >/dev/null
	for program in icbmsg-cat icbmsgctl icbmsg-sim icbmsg-bench icbmsgd; do
		grep -q "complete .* $program\$" \
			"root/usr/share/bash-completion/completions/$program"
	done
}
