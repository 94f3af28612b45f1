#!/bin/bash
# Programs of one cluster whose declarations of a message differ: what gets through, what is refused and how that is said; and the
# command that tells beforehand. Its fourth argument: the program, to which the edition is appended.
. "$(dirname "$0")/lib.sh"
trader=$4

start_node a --bind tcp://127.0.0.1:0
seeds=${endpoint#tcp://} a=$pid at="--socket $socket"
for edition in 1 2 3; do
    start_program trader$edition "$trader$edition" "$seeds" "$work/trader$edition.sock"
    until_true 60 ask trader@trader$edition last $at
done

# buys FROM TO WHAT: the trader of edition FROM sends an order to that of TO, which then says WHAT it had.
ref_of() {
    until_true 60 ask trader@trader$1 last $at
    timeout 60 "$thiasos" actors --socket "$work/trader$1.sock" | awk '$3 == "trader" { print $1 }'
}
buys() {
    local end=$((SECONDS + 60))
    expect 0 'err="OK"' ask trader@trader$1 buy "of=$(ref_of $2)" item=pen$1 $at
    until timeout 60 "$thiasos" ask trader@trader$2 last $at | grep -qF "$3"; do
        if [ $SECONDS -ge $end ]; then fail "trader$2 never had: $3"; return; fi
    done
}

# refused FROM TO WHY: it is refused where it is sent, and the log there says WHY.
refused() {
    local end=$((SECONDS + 60)) of
    of=$(ref_of $2)
    until timeout 60 "$thiasos" ask trader@trader$1 buy "of=$of" item=none $at | grep -q TYPE_MISMATCH; do
        if [ $SECONDS -ge $end ]; then fail "trader$1 is not refused by trader$2"; return; fi
    done
    grep -qE "$3" "$work/trader$1.log" || fail "trader$1 does not say $3: $(cat "$work/trader$1.log")"
    expect 0 'text="[^n]*"|text="pen' ask trader@trader$2 last $at
}

buys 1 2 'pen1 x3 rush 7 price no'
buys 2 1 'pen2 x3 rush 7 gift no'
buys 1 1 'pen1 x3 rush 7 gift yes'
refused 3 1 "trader1 declares demo.order differently: version 1 .* version 3 .* on trader3; field 'count' is u32 on trader1 and string on trader3"
refused 1 3 "trader3 declares demo.order differently: version 3 .* version 1 .* on trader1; field 'count' is string on trader3 and u32 on trader1"

# ---- The command tells the same
expect 0 '^demo.order, version 1, fingerprint ' schema show order@trader1 $at
expect 0 '^gift +opt\(string\), 65536 bytes' schema show order --socket "$work/trader1.sock"
expect_json '"kind": "opt\(string\)"' schema show --json order@trader1 $at
cp "$work/out" "$work/order1.json"
expect 0 '^price +added +- +opt\(u64\) +safe' schema diff "$work/order1.json" order@trader2 $at
expect 0 '^gift +removed +opt\(string\), 65536 bytes +- +safe' schema diff "$work/order1.json" order@trader2 $at
expect 0 '^safe' schema diff "$work/order1.json" "$work/order1.json"
expect 1 '^count +changed +u32 +string, 65536 bytes +unsafe: new nodes refuse' schema diff "$work/order1.json" order@trader3 $at
expect 1 '^unsafe' schema diff order@trader1 order@trader3 $at
expect 1 '"safe": false' schema diff --json order@trader1 order@trader3 $at
"$json_check" <"$work/out" || fail "diff --json is no JSON"
expect 1 'different messages' schema diff order@trader1 last_order@trader1 $at
expect 0 '"safe": true' schema diff --json order@trader1 order@trader2 $at

# ---- What is no declaration
expect_error 1 'knows none of that name' schema show nothing_such@trader1 $at
expect_error 1 'nowhere' schema show order@nowhere $at
expect_error 1 'cannot be read' schema diff "$work/none.json" "$work/order1.json"
echo '{' >"$work/bad.json"
expect_error 1 'it is no JSON' schema diff "$work/bad.json" "$work/order1.json"
echo '{}' >"$work/bad.json"
expect_error 1 'is no declaration' schema diff "$work/order1.json" "$work/bad.json"
sed 's/"count"/"counts"/' "$work/order1.json" >"$work/bad.json" # not what its fingerprint is of
expect_error 1 'is no declaration' schema diff "$work/order1.json" "$work/bad.json"
expect_error 2 'unknown word' schema shew order
expect_error 2 'too few words for schema diff' schema diff order@trader1
expect_error 2 'too many words for schema show' schema show order extra

kill -TERM "$a"
wait "$a" || fail "node a ended with $?"
finish
