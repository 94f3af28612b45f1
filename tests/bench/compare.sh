#!/usr/bin/env bash
# Measures thiasos beside Erlang and raw ZeroMQ: one round of each after the other, several rounds, medians and ratios.
#
#   tests/bench/compare.sh [--rounds N] [--workers N] [--bench PROGRAM]
#
# Needs erlang-base and a built build/bin/thiasos-bench. Nothing else should run meanwhile. All on loopback; ends by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rounds=5 workers=2 bench=$here/../../build/bin/thiasos-bench

while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=$2; shift 2 ;;
        --workers) workers=$2; shift 2 ;;
        --bench) bench=$2; shift 2 ;;
        --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "compare.sh: unknown option $1: see --help" >&2; exit 2 ;;
    esac
done
[ -x "$bench" ] || { echo "compare.sh: $bench is not there: build it first (tests/run does)" >&2; exit 1; }
command -v erl > /dev/null || { echo "compare.sh: erl is not there: apt-get install erlang-base" >&2; exit 1; }

work=$(mktemp -d)
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT
erlc -o "$work" "$here"/erlang/*.erl
export ERL_EPMD_ADDRESS=127.0.0.1 HOME=$work
epmd -address 127.0.0.1 > /dev/null 2>&1 & pids+=($!)

erlang_local() {
    erl +S "$workers:$workers" +P 2000000 -noshell -pa "$work" \
        -eval "local_bench:run([ping_pong,fan_in_4,ring_503,spawn_exit,million])."
}

erlang_remote() {
    mkfifo "$work/ready.$1"
    erl +S "$workers:$workers" -noshell -name "server$1@127.0.0.1" -setcookie bench -pa "$work" \
        -eval "remote_bench:server()." > "$work/ready.$1" & pids+=($!)
    read -r _ < "$work/ready.$1"
    erl +S "$workers:$workers" -noshell -name "client$1@127.0.0.1" -setcookie bench -pa "$work" \
        -eval "remote_bench:client(['server$1@127.0.0.1'])."
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    erlang_local | sed 's/^/erlang /' >> "$work/figures"
    "$bench" --workers "$workers" | sed 's/^/thiasos /' >> "$work/figures"
    erlang_remote "$round" | sed 's/^/erlang /' >> "$work/figures"
done

python3 - "$work/figures" "$rounds" <<'PY'
import statistics, sys
figures = {}
for line in open(sys.argv[1]):
    parts = line.split()
    if len(parts) == 4:
        figures.setdefault((parts[0], parts[1]), []).append(float(parts[2]))
median = {key: statistics.median(values) for key, values in figures.items()}
# name, unit, whether more is better, against whom, the goal as a ratio in favour of thiasos
rows = [("ping_pong", "ns", False, ("erlang", "ping_pong"), 3), ("fan_in_4", "msg/s", True, ("erlang", "fan_in_4"), 3),
        ("ring_503", "ns", False, ("erlang", "ring_503"), 3), ("spawn_exit", "ns", False, ("erlang", "spawn_exit"), 3),
        ("create_1m", "ns", False, ("erlang", "create_1m"), None), ("idle_actor", "bytes", False, ("erlang", "idle_actor"), None),
        ("remote_tell_64", "msg/s", True, ("erlang", "remote_tell_64"), 3),
        ("remote_tell_64", "msg/s", True, ("thiasos", "raw_zmq_tell_64"), 0.5),
        ("remote_ask_64", "us", False, ("erlang", "remote_ask_64"), None),
        ("remote_ask_64", "us", False, ("thiasos", "raw_zmq_rtt_64"), None)]
print(f"medians of {sys.argv[2]} rounds\n{'figure':16} {'thiasos':>14} {'other':>14} {'unit':6} {'against':18} {'ratio':>7} {'goal':>5}")
for name, unit, more, other, goal in rows:
    ours, theirs = median[("thiasos", name)], median[other]
    ratio = ours / theirs if more else theirs / ours
    against = "Erlang" if other[0] == "erlang" else "raw ZeroMQ, clear"
    print(f"{name:16} {ours:14,.1f} {theirs:14,.1f} {unit:6} {against:18} {ratio:6.2f}x {goal if goal else '-':>5}")
PY
