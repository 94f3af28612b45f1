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

# ---- Looking into it
at="--socket $work/greeter.sock"
expect 0 '^state +in_all=[1-9]' actor greeter $at
expect 0 '^mailbox +0 of 1024 messages, 0 bytes' actor greeter $at
expect_json '"state": "in_all=' actor greeter --json $at
expect 0 '^incarnation +1' actor "$(sed -n 's/.*"ref": "\(.*\)".*/\1/p' "$work/out")" $at --watch 1 --count 1
expect_error 1 'no actor on node greeter is named "nobody"' actor nobody $at
expect_error 1 'node a, and only its own node' actor echo@a $at
expect_error 2 'too few words' actor $at
expect_error 2 'bad value "9999" of --timeout' actor greeter --timeout 9999 $at
expect 0 '^family +one_for_one +runs +0 +1 ' tree $at
expect 0 '^`- house +rest_for_one +runs +0 +1 +permanent +2/2 run' tree $at
expect 0 '^   \|- sleeper +sleeper +runs +0 +1 ' tree $at
expect 0 '^   `- second +sleeper +runs +0 +1 +transient +- +greeter ' tree $at
expect_json '"strategy": "rest_for_one"' tree --json $at
expect 0 - tell sleeper trip $at
end=$((SECONDS + 60))
until timeout 60 "$thiasos" tree $at | grep -qE '^   \|- sleeper +sleeper +runs +1 +2 '; do
    if [ $SECONDS -ge $end ]; then fail "the restart is not in the tree"; break; fi
done

# ---- One that does not answer
mkfifo "$work/nap"
expect 0 - tell sleeper nap "until=$work/nap" $at
expect 3 'busy in a handler of demo.nap' actor sleeper --timeout 100 $at
grep -qE '^behaviour +sleeper' "$work/out" || fail "nothing is shown of the one that is busy"
expect 3 '"handling": "demo.nap"' actor sleeper --json --timeout 100 $at
expect 0 - tell sleeper nap "until=$work/none" $at
expect 0 'sleeper +sleeper +[1-9][0-9]* +2 +-' actors --sort bytes --timeout 100 $at
: >"$work/nap"
rm "$work/nap"
until_true 60 actor sleeper $at
expect 0 ' sleeper +sleeper +0 +2 +0' actors --bytes $at

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
