#!/bin/bash
# Talking to a program of a user's: through another node, which does not know its messages, and through its own socket.
. "$(dirname "$0")/lib.sh"

start_node a --bind tcp://127.0.0.1:0
a=$pid a_socket=$socket endpoint_a=$endpoint
start_program greeter "$greeter" "${endpoint#tcp://}" "$work/greeter.sock"

# ---- Through node a, which was never compiled with these messages
until_true 60 ask greeter@greeter greet name=world times=2
expect 0 '^greeted\{text="hello, world", in_all=4\}' ask greeter@greeter greet name=world times=2
expect_json '"text": "hello, you"' ask --json greeter@greeter demo.greet name=you
expect 0 - tell greeter@greeter greet name=world times=10
expect 0 'in_all=14' ask greeter@greeter greet
expect_error 2 "its fields are: name string, times u32" tell greeter@greeter greet nme=world
expect_error 2 "field 'times'" tell greeter@greeter greet times=many
expect_error 2 "field 'times'" tell greeter@greeter greet times=4294967296
expect_error 1 'it knows .*demo\.greet' tell greeter@greeter gret name=world
expect_error 1 'knows none of that name' tell echo demo.greet name=world
expect_error 1 'REFUSED' ask greeter@greeter greeted

# ---- Every kind of field, there and back
ref=$(timeout 60 "$thiasos" actors | awk '$3 == "echo" { print $1 }')
expect_json '"weight": 2.5' ask --json greeter@greeter parcel ids=1,2,18446744073709551615 seal=00ff "to=$ref" note=x \
    fragile=true weight=2.5 'words=["a b","c"]'
grep -q '"18446744073709551615"' "$work/out" || fail "the largest id is not there"
grep -q '"seal": "00ff"' "$work/out" || fail "the bytes are not there"
grep -q "\"to\": \"$ref\"" "$work/out" || fail "the ref is not there"
grep -q '"a b"' "$work/out" || fail "the words are not there"
expect_json '"note": null' ask --json greeter@greeter parcel
expect_error 2 "field 'words'" ask greeter@greeter parcel words=a,b,c,d
expect_error 2 "field 'seal'" ask greeter@greeter parcel seal=xyz
expect_error 2 "field 'to'" ask greeter@greeter parcel to=somebody
printf -v long 'x%.0s' {1..65536}
expect 0 'text="hello, xxx' ask greeter@greeter greet "name=$long"
expect_error 2 "field 'name'" ask greeter@greeter greet "name=x$long"

# ---- Through its own socket
expect 0 'hello, self' ask --socket "$work/greeter.sock" greeter greet name=self
expect 0 '^greeter\*' members --socket "$work/greeter.sock"
expect 0 ' greeter +greeter ' actors --socket "$work/greeter.sock"

# ---- It goes while it is asked
expect_error 1 'GONE|NODE_LOST|CRASHED|CLOSED|TIMEOUT' ask --timeout 20000 greeter@greeter farewell
wait "$pid" || fail "the greeter ended with $?"
expect_error 1 'greeter' ask greeter@greeter greet

# ---- Its node dies while it is asked
start_program greeter "$greeter" "${endpoint_a#tcp://}" "$work/greeter.sock"
until_true 60 ask --timeout 100 greeter@greeter greet
"$thiasos" ask --socket "$a_socket" --timeout 60000 greeter@greeter hush >"$work/hush.out" 2>"$work/hush.err" &
asking=$!
until timeout 60 "$thiasos" actors --socket "$work/greeter.sock" | grep -q ths_relayer; do :; done
{ kill -KILL "$pid"; wait "$pid"; } 2>/dev/null
wait "$asking"
status=$?
[ $status -eq 1 ] || fail "the ask ended with $status when the node died"
grep -q NODE_LOST "$work/hush.err" || fail "the ask did not end NODE_LOST: $(cat "$work/hush.err")"

kill -TERM "$a"
wait "$a" || fail "node a ended with $?"
finish
