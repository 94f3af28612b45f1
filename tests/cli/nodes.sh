#!/bin/bash
# Two real nodes, and everything that the commands can do with them.
. "$(dirname "$0")/lib.sh"

start_node a --bind tcp://127.0.0.1:0
a=$pid a_endpoint=$endpoint a_socket=$socket

# ---- One node: found without --socket
[ "$a_socket" = "$XDG_RUNTIME_DIR/thiasos/a.sock" ] || fail "the socket is at $a_socket"
[ "$(stat -c %a "$a_socket")" = 600 ] || fail "the socket's mode is not 0600"
[ "$(stat -c %a "$(dirname "$a_socket")")" = 700 ] || fail "its directory's mode is not 0700"
expect 0 '^a\* +up ' members
expect 0 '^GROUP' groups
expect 0 ' echo +echo ' actors
expect 0 ' echo +echo ' actors --behaviour echo --limit 1
expect 0 ' echo +echo ' actors --name ech --sort queued
grep -vqE '^REF| echo ' "$work/out" && fail "actors --name ech shows others"
expect 0 '^REF' actors --behaviour no.such
[ "$(wc -l <"$work/out")" = 1 ] || fail "actors --behaviour no.such shows some"
expect 0 '^REF' actors --sort name --limit 1
[ "$(wc -l <"$work/out")" = 2 ] || fail "actors --limit 1 shows more than one"
expect_json '"name": "echo"' actors --json --behaviour echo --sort incarnation
expect_error 2 'queued, bytes, incarnation' actors --sort size
expect 0 "^endpoint +$a_endpoint" info
expect_json '"state": "up"' members --json
expect_json '\[' groups --json
expect_json '"name": "echo"' actors --json
expect_json '"node": "a"' info --json

# ---- Tell and ask
expect 0 'said\{text="hello", node="a", count=1\}' ask echo say text=hello
expect 0 'text="two words"' ask echo@a echo.say 'text=two words'
expect_json '"type": "echo.said"' ask --json echo say text=hello
expect 0 - tell echo say text=hello
ref=$(timeout 60 "$thiasos" actors | awk '$3 == "echo" { print $1 }')
expect 0 'text="by ref"' ask "$ref" say 'text=by ref'
expect 0 'text=""' ask echo say

# ---- What messages cost
expect 0 '^echo +echo.say +[0-9]+ ' stats --behaviour echo
[ "$(wc -l <"$work/out")" = 2 ] || fail "stats --behaviour echo shows others"
expect 0 '^BEHAVIOUR +TYPE +HANDLED' stats --sort handled --limit 1
[ "$(wc -l <"$work/out")" = 2 ] || fail "stats --limit 1 shows more than one"
expect_json '"type": "echo.say"' stats --json --type say
expect 0 '^echo +echo.say +[0-9]+ +[0-9.]+ ' stats --type echo.say --watch 1 --count 2
[ "$(grep -c '^BEHAVIOUR' "$work/out")" = 2 ] || fail "stats --count 2 shows not two tables"
expect 0 '^\[\{.*"behaviour":"echo"' stats --json --behaviour echo --watch 1 --count 1
[ "$(wc -l <"$work/out")" = 1 ] || fail "stats --json --watch is not a line each"
expect 0 ' echo +echo ' actors --behaviour echo --watch 1 --count 2
[ "$(grep -c ' echo ' "$work/out")" = 2 ] || fail "actors --count 2 shows not two tables"

# ---- What is refused before it is sent
expect_error 2 'its fields are: text string' tell echo say txt=hello
expect_error 2 'its fields are: text string' tell echo say hello
expect_error 2 'text' tell echo say text=a text=b
expect_error 1 'it knows .*echo.say' tell echo sya text=hello
expect_error 1 'no actor on node a is named "nobody.here"' tell nobody.here say text=hello
expect_error 1 'no node is named "z"; there are a|no node is named "z"' ask echo@z say text=hello
expect_error 1 'no node with the uid' ask 0123456789abcdef.1.1 say text=hello
expect_error 1 'GONE|STALE' ask "${ref%.*}.4000000" say text=hello
expect_error 1 'REFUSED' ask echo said text=hello

# ---- What is in use
expect_error 1 'use' node --name n --bind "$a_endpoint" --socket "$work/n.sock"
expect_error 1 'a running process answers' node --name n --bind tcp://127.0.0.1:0 --socket "$a_socket"

# ---- Two nodes
start_node b --bind tcp://127.0.0.1:0 --seeds "${a_endpoint#tcp://}" --roles counter,web --log json
b=$pid b_socket=$socket
expect_error 2 'several nodes run here: .*[ab]\.sock, .*[ab]\.sock' members
until_true 60 ask --socket "$a_socket" echo@b say text=over
expect 0 'said\{text="over", node="b"' ask --socket "$a_socket" echo@b say text=over
expect 0 'node="a"' ask --socket "$b_socket" echo@a say text=over
expect 0 '^b +up .*counter,web' members --socket "$a_socket"
expect_json '"counter"' members --socket "$a_socket" --json
expect 0 '^a +up ' members --socket "$b_socket"
expect 0 - tell --socket "$a_socket" echo@b say text=over
expect_error 1 'no actor on node b is named' ask --socket "$a_socket" nobody@b say text=over
expect_error 1 'REFUSED' ask --socket "$a_socket" echo@b said text=over
ref=$(timeout 60 "$thiasos" actors --socket "$b_socket" | awk '$3 == "echo" { print $1 }')
expect 0 'node="b"' ask --socket "$a_socket" "$ref" say text=over
export THIASOS_SOCKET=$b_socket
expect 0 '^b\*' members
unset THIASOS_SOCKET

# ---- Without a socket
start_node silent --bind tcp://127.0.0.1:0 --socket none
[ "$socket" = - ] || fail "a socket in spite of --socket none: $socket"
kill -TERM "$pid"
wait "$pid" || fail "the node without socket ended with $?"

# ---- In order: the socket goes, and the others know at once
kill -TERM "$b"
wait "$b"
status=$?
[ $status -eq 0 ] || fail "node b ended with $status"
[ -e "$b_socket" ] && fail "the socket of b is still there"
expect 0 '^a\*' members
expect_error 1 'echo@b' ask echo@b say text=over

# ---- Not in order: a dead socket is in nobody's way
{ kill -KILL "$a"; wait "$a"; } 2>/dev/null
[ -e "$a_socket" ] || fail "SIGKILL removed the socket"
expect_error 4 'has ended' members --socket "$a_socket"
expect_error 4 'no node listens in' members
start_node a --bind tcp://127.0.0.1:0
expect 0 '^a\*' members
kill -INT "$pid"
wait "$pid" || fail "node a ended with $? after SIGINT"

finish
