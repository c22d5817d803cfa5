#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# icbmsgd and many clients. CROWD_SEED repeats the choices of a run; CROWD_KILLS and CROWD_RESTARTS make
# longer ones (`ctest -C soak`).
# shellcheck disable=SC2154,SC2030,SC2031 # set by daemon.bash, and per test

bats_require_minimum_version 1.5.0

setup() {
	load daemon.bash
	common_setup
	tests=$ICBMSG_SOURCE_DIR/tests/daemon
}

teardown() {
	common_teardown
}

# crowd KILLS RESTARTS OPTION...: 20 endpoints of all policies but disconnect, for crowd.py; then the accounts.
crowd() {
	local n names=() sections=() seed=${CROWD_SEED:-$RANDOM}
	local kills=$1 restarts=$2
	shift 2
	for n in $(seq 0 19); do
		names+=(--endpoint "e$n")
		sections+=("[endpoint net/e$n]" "on-unbound = keep" "socket-buffer = 8k")
		case $((n % 4)) in
		[01]) sections+=("policy = block") ;;
		2) sections+=("policy = drop-oldest" "backlog = 20k") ;;
		3) sections+=("policy = drop-newest" "backlog = 20k") ;;
		esac
	done
	start_core "${names[@]}" --record core.record --seed "$seed" "$@"
	config "${sections[@]}"
	start_daemon
	python3 "$tests/crowd.py" "$core" "$kills" "$restarts" "$seed" >&3
	stop_core
	python3 "$tests/crowd_check.py" >&3
}

@test "100 clients on 20 endpoints: slow, stuck and killed ones; every message is accounted for" {
	crowd "${CROWD_KILLS:-20}" 0
}

@test "the same while the core restarts" {
	# A core that always is quick has seen everything when it restarts, and nothing would be lost.
	crowd "${CROWD_KILLS:-20}" "${CROWD_RESTARTS:-5}" --stall 20ms:1
}

@test "1,000 clients" {
	start_core --endpoint a --endpoint b
	config "[endpoint net/a]" "[endpoint net/b]"
	start_daemon
	python3 - "$daemon" <<-'END'
		from sockets import *
		import resource, sys
		resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
		fds = lambda: len(os.listdir("/proc/%s/fd" % sys.argv[1]))
		before = fds()
		groups = {name: [connect("run/net/" + name) for n in range(500)] for name in "ab"}
		# Connected is not accepted yet, and who is not gets no message.
		until(lambda: limit("max-clients")["used"] == 1000, "1,000 clients")
		for n in range(20):
		    for name, clients in groups.items():
		        clients[n * 25].send(numbered(n, 500))
		    for name, clients in groups.items():
		        for c in clients:
		            assert number_of(c.recv(1000)) == n
		# All send at once; each gets everything, in whatever order.
		for name, clients in groups.items():
		    for n, c in enumerate(clients[:100]):
		        c.send(numbered(n, 100))
		for name, clients in groups.items():
		    for c in clients:
		        assert sorted(number_of(c.recv(1000)) for n in range(100)) == list(range(100))
		for name in "ab":
		    e = endpoint(name)
		    assert e["delivery"]["offered"] == e["delivery"]["delivered"] == 500 * 120
		    for c in groups[name]:
		        c.close()
		until(lambda: fds() == before, "closed connections")
		assert limit("max-clients")["used"] == 0
	END
}
