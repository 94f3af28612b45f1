# What the scripts of this folder share. Their arguments: the thiasos command, json_check, greeter.

set -u
thiasos=$1
json_check=$2
greeter=$3
work=$(mktemp -d)
failures=0
[ -x "$thiasos" ] || { echo "no thiasos command at $thiasos" >&2; exit 1; }
pids=()
unset XDG_RUNTIME_DIR THIASOS_NAME THIASOS_BIND THIASOS_SEEDS THIASOS_KEY_FILE THIASOS_SOCKET THIASOS_ROLES \
      THIASOS_SCOPES THIASOS_NODE_KEY THIASOS_ALLOW THIASOS_CERTIFICATE THIASOS_REVOKED THIASOS_CLUSTER THIASOS_ADVERTISE THIASOS_FILES
export XDG_RUNTIME_DIR=$work/run
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$(dirname "$(readlink -f "$0")")/../tsan.supp}
mkdir -m 0700 "$XDG_RUNTIME_DIR"
: >"$work/out" 2>"$work/err"

clean_up() {
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

fail() {
    echo "FAILED: $*" >&2
    sed 's/^/  stdout: /' "$work/out" >&2
    sed 's/^/  stderr: /' "$work/err" >&2
    failures=$((failures + 1))
}

# expect STATUS PATTERN WORD...: thiasos WORD... exits with STATUS, and its output or error matches the extended PATTERN;
# with PATTERN - there is none.
expect() {
    local status=$1 pattern=$2
    shift 2
    timeout 60 "$thiasos" "$@" >"$work/out" 2>"$work/err" </dev/null
    local got=$?
    if [ $got -ne "$status" ]; then fail "thiasos $*: exit $got, wanted $status"; return 1; fi
    if [ "$pattern" = - ]; then
        if [ -s "$work/out" ] || [ -s "$work/err" ]; then fail "thiasos $*: it should say nothing"; return 1; fi
    elif ! cat "$work/out" "$work/err" | grep -qE -- "$pattern"; then fail "thiasos $*: nothing matches $pattern"; return 1; fi
}

# An error has three parts (what: why; what to do) on one line, and nothing is on stdout.
expect_error() {
    expect "$@" || return 1
    if [ -s "$work/out" ]; then fail "thiasos ${*:3}: an error, but something on stdout"; fi
    if ! grep -qE '^thiasos( [a-z]+)?: .+: .+(; |\. ).+' "$work/err"; then fail "thiasos ${*:3}: the error has no three parts"; fi
}

# The same, printing JSON.
expect_json() {
    expect 0 "$@" || return 1
    "$json_check" <"$work/out" || fail "thiasos ${*:2}: no JSON"
}

# start_node NAME WORD...: start it in the background and wait for its line; sets pid, endpoint and socket.
start_node() { start_program "$1" "$thiasos" node --name "$@"; }

# start_program NAME COMMAND...: the same for a program that is node NAME.
start_program() {
    local name=$1 ready node
    shift
    mkfifo "$work/$name.ready"
    "$@" >"$work/$name.ready" 2>"$work/$name.log" </dev/null &
    pid=$!
    pids+=("$pid")
    read -r -t 60 ready node endpoint socket <"$work/$name.ready"
    rm -f "$work/$name.ready"
    if [ "$ready $node" != "ready $name" ]; then
        echo "FAILED: node $name did not come up" >&2
        sed 's/^/  log: /' "$work/$name.log" >&2
        exit 1
    fi
}

# until_true SECONDS WORD...: run thiasos WORD... again and again until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until timeout 60 "$thiasos" "$@" >"$work/out" 2>"$work/err" </dev/null; do
        if [ $SECONDS -ge $end ]; then fail "thiasos $*: never succeeded"; return 1; fi
    done
}

finish() {
    if [ $failures -gt 0 ]; then echo "$failures failed" >&2; exit 1; fi
    echo "all passed"
    exit 0
}
