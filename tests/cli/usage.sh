#!/bin/bash
# Command lines that are wrong, and files that are: each gets a clear error and its own exit status. No node runs.
. "$(dirname "$0")/lib.sh"

# ---- Help and version
expect 0 'Usage: thiasos COMMAND' --help
expect 0 '^thiasos [0-9]+\.[0-9]+' --version
for command in node key members groups actors actor tree stats info tell ask schema demo; do
    expect 0 "^Usage: thiasos $command" $command --help
    expect 0 'Examples:' $command --help
    expect 0 'Exit status' $command --help
    expect_error 2 'unknown option' $command --frobnicate
done

# ---- Commands, options, words
expect_error 2 'no command'
expect_error 2 'did you mean members' member
expect_error 2 'unknown command "xyzzy"' xyzzy
expect_error 2 'did you mean --json' members --jsn
expect_error 2 'takes no value' members --json=1
expect_error 2 'has no value' members --socket
expect_error 2 'too many words' members extra
expect_error 2 'handled, mean, wait' stats --sort size
expect_error 2 'depth, queued, bytes' actors --sort size
expect_error 4 'no node is reached' actor echo
expect_error 2 'add --watch' stats --count 2
expect_error 2 'bad value "0" of --watch' actors --watch 0
expect_error 2 'too few words' tell
expect_error 2 'too few words' ask echo
expect_error 2 'bad value "0" of --timeout' ask --timeout 0 echo say
expect_error 2 'bad value "soon" of --timeout' ask --timeout soon echo say
expect_error 2 'bad value "65" of --workers' node --workers 65

# ---- Keys
expect_error 2 'too few words' key
expect_error 2 'too few words for key new' key new
expect_error 2 'too many words for key reload' key reload "$work/key"
expect_error 2 'unknown word "old"' key old "$work/key"
expect 0 'mode 0400' key new "$work/key"
[ "$(stat -c %a "$work/key")" = 400 ] || fail "the key's mode is not 0400"
expect_error 1 "$work/key" key new "$work/key"
expect_error 1 "$work/nowhere" key new "$work/nowhere/key"

# ---- Nodes that cannot start
node() { expect_error "$1" "$2" node --name n --socket "$work/n.sock" "${@:3}"; }
node 2 'bad seeds.*"host:port:7"' --seeds host:port:7
node 2 'bad seeds' --seeds 127.0.0.1:99999
node 2 'bad value of --log' --log xml
node 2 'bad value of --log' --log-level loud
expect_error 2 'bad name "a b"' node --name 'a b'
node 2 'key' --bind tcp://0.0.0.0:0
node 2 'bind|address' --bind 7400
node 2 'bind|address' --bind tcp://127.0.0.1:seven
node 1 "$work/no.key" --bind tcp://127.0.0.1:0 --key-file "$work/no.key"
printf 'thiasos-cluster-key 1\n1234\n' >"$work/short.key"
chmod 0400 "$work/short.key"
node 1 "$work/short.key" --bind tcp://127.0.0.1:0 --key-file "$work/short.key"
cp "$work/key" "$work/open.key"
chmod 0444 "$work/open.key"
node 1 "$work/open.key" --bind tcp://127.0.0.1:0 --key-file "$work/open.key"
node 1 'files' --bind tcp://127.0.0.1:0 --files "$work/nowhere"
expect_error 1 "$work/nowhere/n.sock" node --name n --bind tcp://127.0.0.1:0 --socket "$work/nowhere/n.sock"
: >"$work/file"
expect_error 1 'no socket' node --name n --bind tcp://127.0.0.1:0 --socket "$work/file"
long=$work/$(printf 'x%.0s' {1..120})
expect_error 2 'socket' node --name n --bind tcp://127.0.0.1:0 --socket "$long"

# ---- No node to talk to
for command in members groups actors tree stats info; do
    expect_error 4 'no node listens in' $command
    expect_error 4 'no such socket' $command --socket "$work/none.sock"
    expect_error 2 'longer' $command --socket "$long"
done
expect_error 4 'no node is reached' tell echo say text=x
expect_error 4 'no node is reached' ask echo say text=x
expect_error 4 'no node is reached' members --socket "$work/file"
mkdir -m 0700 "$XDG_RUNTIME_DIR/thiasos" 2>/dev/null
chmod 0777 "$XDG_RUNTIME_DIR/thiasos"
expect_error 1 'mode 0700' node --name n --bind tcp://127.0.0.1:0

finish
