#!/usr/bin/env bash
# Measures thiasos beside Erlang, CAF and raw ZeroMQ: one round of each after the other, several rounds, medians and ratios
# beside the goals.
#
#   tests/bench/compare.sh [--rounds N] [--workers N] [--local | --remote] [--bench PROGRAM]
#
# --local leaves the remote benches out, --remote the local ones. Needs erlang-base and a built build/bin/thiasos-bench; CAF is
# measured where libcaf-dev and g++ are, Erlang over TLS where erlang-ssl and openssl are. Nothing else should run meanwhile.
# All on loopback; ends by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rounds=5 workers=2 local=yes remote=yes bench=$here/../../build/bin/thiasos-bench

while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=$2; shift 2 ;;
        --workers) workers=$2; shift 2 ;;
        --local) remote=no; shift ;;
        --remote) local=no; shift ;;
        --bench) bench=$2; shift 2 ;;
        --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
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

caf=
if g++ -O2 -std=c++17 "$here/caf/local_bench.cpp" -o "$work/caf" -lcaf_core -lpthread 2> "$work/caf.log"; then
    caf=$work/caf
else
    echo "compare.sh: CAF is left out: its bench does not build here (apt-get install g++ libcaf-dev)" >&2
fi

erlang_local() {
    erl +S "$workers:$workers" +P 2000000 -noshell -pa "$work" \
        -eval "local_bench:run([ping_pong,ping_pong_pinned,fan_in_4,ring_503,spawn_exit,chameneos,skynet_1m,million])."
    erl +S 1:1 -noshell -pa "$work" -eval "local_bench:run([fan_in_4_one_worker])."
}

caf_remote=
if [ "$remote" = yes ] && [ -n "$caf" ] &&
    g++ -O2 -std=c++17 "$here/caf/remote_bench.cpp" -o "$work/caf_remote" -lcaf_io -lcaf_core -lpthread 2>> "$work/caf.log"; then
    caf_remote=$work/caf_remote
fi

# Erlang's TLS wants a certificate and its key in one file.
tls=
if [ "$remote" = yes ] && erl -noshell -eval 'halt(case code:which(ssl) of non_existing -> 1; _ -> 0 end).' &&
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/certificate.pem" -days 2 \
        -subj /CN=127.0.0.1 2> "$work/openssl.log"; then
    cat "$work/certificate.pem" "$work/key.pem" > "$work/node.pem"
    tls=yes
elif [ "$remote" = yes ]; then
    echo "compare.sh: Erlang over TLS is left out: apt-get install erlang-ssl openssl" >&2
fi

erlang_remote() { # ROUND OPTION...
    local name=$1$#

    mkfifo "$work/ready.$name"
    erl +S "$workers:$workers" -noshell -name "server$name@127.0.0.1" -setcookie bench -pa "$work" "${@:2}" \
        -eval "remote_bench:server()." > "$work/ready.$name" & pids+=($!)
    read -r _ < "$work/ready.$name"
    erl +S "$workers:$workers" -noshell -name "client$name@127.0.0.1" -setcookie bench -pa "$work" "${@:2}" \
        -eval "remote_bench:client(['server$name@127.0.0.1'])."
}

erlang_tls() { # ROUND
    erlang_remote "$1" -proto_dist inet_tls -ssl_dist_opt server_certfile "$work/node.pem"
}

caf_over_middleman() { # ROUND
    mkfifo "$work/caf.$1" "$work/caf_input.$1"
    "$caf_remote" server < "$work/caf_input.$1" > "$work/caf.$1" & pids+=($!)
    exec 3> "$work/caf_input.$1"
    read -r port < "$work/caf.$1"
    "$caf_remote" client "$port"
    exec 3>&-
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    if [ "$local" = yes ]; then
        erlang_local | sed 's/^/erlang /' >> "$work/figures"
        "$bench" --workers "$workers" --part local | sed 's/^/thiasos /' >> "$work/figures"
        "$bench" --workers 1 --only chameneos | sed 's/^/one_worker /' >> "$work/figures"
        [ -z "$caf" ] || "$caf" --scheduler.max-threads="$workers" | sed 's/^/caf /' >> "$work/figures"
    fi
    if [ "$remote" = yes ]; then
        "$bench" --workers "$workers" --part remote | sed 's/^/thiasos /' >> "$work/figures"
        erlang_remote "$round" | sed 's/^/erlang /' >> "$work/figures"
        [ -z "$tls" ] || erlang_tls "$round" | sed 's/^/erlang_tls /' >> "$work/figures"
        [ -z "$caf_remote" ] || caf_over_middleman "$round" | sed 's/^/caf /' >> "$work/figures"
    fi
done

python3 - "$work/figures" "$rounds" <<'PY'
import statistics, sys
figures = {}
for line in open(sys.argv[1]):
    parts = line.split()
    if len(parts) == 4:
        figures.setdefault((parts[0], parts[1]), []).append(float(parts[2]))
median = {key: statistics.median(values) for key, values in figures.items()}
# name, unit, whether more is better, against whom, the goal: a ratio in favour of thiasos, or ("at most", value) of its own
rows = [("ping_pong", "ns", False, ("erlang", "ping_pong"), 8), ("ping_pong", "ns", False, ("caf", "ping_pong"), 18),
        ("ping_pong_pinned", "ns", False, ("erlang", "ping_pong_pinned"), 12),
        ("fan_in_4_one_worker", "msg/s", True, ("erlang", "fan_in_4_one_worker"), 10),
        ("fan_in_4", "msg/s", True, ("erlang", "fan_in_4"), 3), ("fan_in_4", "msg/s", True, ("caf", "fan_in_4"), None),
        ("ring_503", "ns", False, ("erlang", "ring_503"), 8), ("ring_503", "ns", False, ("caf", "ring_503"), None),
        ("chameneos", "ns", False, ("erlang", "chameneos"), None), ("chameneos", "ns", False, ("caf", "chameneos"), None),
        ("chameneos", "ns", False, ("one_worker", "chameneos"), 1),
        ("spawn_exit", "ns", False, ("erlang", "spawn_exit"), 8), ("spawn_exit", "ns", False, ("caf", "spawn_exit"), None),
        ("skynet_1m", "ms", False, ("erlang", "skynet_1m"), 10), ("skynet_1m", "ms", False, ("caf", "skynet_1m"), None),
        ("create_1m", "ns", False, ("erlang", "create_1m"), ("at most", 300)),
        ("message_1m", "ns", False, ("erlang", "message_1m"), ("at most", 250)),
        ("idle_actor", "bytes", False, ("erlang", "idle_actor"), ("at most", 160)),
        ("park_rtt", "us", False, ("thiasos", "futex_rtt"), 1 / 1.3),
        ("blocked_p99", "ms", False, None, ("at most", 20)),
        ("remote_tell_64", "msg/s", True, ("thiasos", "raw_zmq_tell_64"), 2),
        ("remote_tell_64", "msg/s", True, ("thiasos", "curve_zmq_tell_64"), 6),
        ("remote_tell_64", "msg/s", True, ("erlang", "remote_tell_64"), 12),
        ("remote_tell_64", "msg/s", True, ("erlang_tls", "remote_tell_64"), 12),
        ("remote_tell_64", "msg/s", True, ("caf", "remote_tell_64"), 40),
        ("remote_tell_64_cpu", "ns", False, ("thiasos", "raw_zmq_tell_64_cpu"), 1 / 0.55),
        ("remote_tell_1k", "msg/s", True, ("thiasos", "raw_zmq_tell_1k"), 0.9),
        ("remote_tell_64k", "MB/s", True, ("thiasos", "raw_zmq_tell_64k"), 0.45),
        ("remote_tell_64k", "MB/s", True, ("erlang_tls", "remote_tell_64k"), 7),
        ("remote_ask_64", "us", False, ("thiasos", "raw_zmq_rtt_64"), 1 / 1.10),
        ("remote_ask_64", "us", False, ("erlang", "remote_ask_64"), None),
        ("remote_ask_64", "us", False, ("erlang_tls", "remote_ask_64"), 1),
        ("remote_ask_64", "us", False, ("caf", "remote_ask_64"), None),
        ("remote_spawn", "us", False, ("thiasos", "raw_zmq_rtt_64"), 1 / 1.25),
        ("remote_down", "us", False, ("thiasos", "raw_zmq_rtt_64"), 1 / 1.25),
        ("small_ask_p99_loaded", "us", False, ("thiasos", "small_ask_p99_unloaded"), 1 / 3)]
# The fastest of actix 0.13.5, ractor 0.16.5, kameo 0.22.2, xactor 0.7.11, riker 0.4.2 and bastion 0.4.5 in each row, measured
# on two threads (one for the row of one worker) beside the same Erlang/OTP 25.2 on 2026-11-22: their ratio to it carries over,
# their times do not.
rust = {"ping_pong": 1.2, "fan_in_4": 2.0, "fan_in_4_one_worker": 1.5, "ring_503": 1.3, "chameneos": 1.5, "spawn_exit": 1.8,
        "skynet_1m": 2.3, "create_1m": 3.0, "message_1m": 2.6, "idle_actor": 3.9}
one_thread = {"ping_pong": 2.1, "ring_503": 2.6} # where two threads make them slower than one: the better counts
rust.update(one_thread)
names = {"erlang": "Erlang", "erlang_tls": "Erlang TLS", "caf": "CAF", "one_worker": "one worker"}
twins = {"futex_rtt": "bare futex", "small_ask_p99_unloaded": "unloaded"}
print(f"medians of {sys.argv[2]} rounds\n{'figure':20} {'thiasos':>14} {'other':>14} {'unit':6} {'against':14} {'ratio':>8} {'goal':>8}")
for name, unit, more, other, goal in rows:
    ours, theirs = median.get(("thiasos", name)), median.get(other) if other else None
    if ours is None or (other and theirs is None):
        continue
    ratio = None if theirs is None else ours / theirs if more else theirs / ours
    against = "-" if other is None else names.get(other[0]) or twins.get(
        other[1], "CURVE" if other[1].startswith("curve") else "raw ZeroMQ")
    if isinstance(goal, tuple):
        reached, wanted = ours <= goal[1], f"<={goal[1]:g}"
    else:
        reached, wanted = goal is None or ratio >= goal, "-" if goal is None else f"{goal:.2g}x"
    shown = lambda value: "-" if value is None else f"{value:,.1f}"
    print(f"{name:20} {shown(ours):>14} {shown(theirs):>14} {unit:6} {against:14} {'-' if ratio is None else f'{ratio:.2f}x':>8} "
          f"{wanted:>8}{'' if reached else '  not reached'}")
    if other and other[0] == "erlang" and name in rust:
        against_rust, wanted = ratio / rust[name], 2 if name == "fan_in_4" else 3
        print(f"{name:20} {shown(ours):>14} {'':>14} {unit:6} {'fastest Rust':14} {f'{against_rust:.2f}x':>8} {f'{wanted}x':>8}"
              f"{'' if against_rust >= wanted else '  not reached'}")
PY
