#!/bin/bash
# Nodes with keys of their own, with commands alone: keys, lists, certificates, and what two nodes make of them.
. "$(dirname "$0")/lib.sh"

public() { timeout 60 "$thiasos" key show "$work/$1"; }

# ---- Keys
expect 0 '^[0-9a-f]{64}$' key new-node "$work/a.key"
expect 0 '^[0-9a-f]{64}$' key new-node "$work/b.key"
expect 0 '^[0-9a-f]{64}$' key new-authority "$work/authority.key"
[ "$(stat -c %a "$work/a.key")" = 400 ] || fail "a node key's mode is not 0400"
a=$(public a.key) b=$(public b.key) authority=$(public authority.key)
[ "$a" != "$b" ] || fail "two keys are one"
grep -q "$(sed -n 2p "$work/a.key")" "$work/out" && fail "the secret is shown"
expect_error 1 'already' key new-node "$work/a.key"
expect_error 1 "$work/nowhere" key show "$work/nowhere"
expect_error 2 'too few words for key sign' key sign "$work/authority.key"
expect_error 2 'unknown word "forge"' key forge "$work/a.key"

# ---- Lists
expect 0 - key allow "$work/allow" "$a" --name a
expect 0 - key allow "$work/allow" "$authority" --authority
expect 0 '1 nodes and 1 authorities' key show "$work/allow"
expect 0 - key allow "$work/allow" "$a" --name a --rights send,ask
[ "$(grep -c "$a" "$work/allow")" = 1 ] || fail "a key is on the list twice"
expect_error 1 'rights=root' key allow "$work/allow" "$b" --rights root
expect_error 1 'no public key' key allow "$work/allow" 1234
expect_error 1 'not on it' key deny "$work/allow" "$b"
expect 0 - key deny "$work/allow" "$a"
expect 0 '0 nodes and 1 authorities' key show "$work/allow"
expect_error 1 'no such file' key deny "$work/none" "$a"
printf 'thiasos-allow 1\nnode x\n' >"$work/bad"
expect_error 1 'line 2' key show "$work/bad"

# ---- Certificates
expect 0 'serial [0-9]+, for 30 days' key sign "$work/authority.key" "$a" "$work/a.cert" --name a --roles web --days 30
expect 0 'signed by that authority, and valid now' key show "$work/a.cert"
expect 0 '^rights all$' key show "$work/a.cert"
expect_error 2 'which names' key sign "$work/authority.key" "$a" "$work/x.cert" --days 30
expect_error 2 'no public key' key sign "$work/authority.key" 12 "$work/x.cert" --name a --days 30
expect_error 2 'rights' key sign "$work/authority.key" "$a" "$work/x.cert" --name a --days 30 --rights root
expect_error 1 "authority's key" key sign "$work/a.key" "$a" "$work/x.cert" --name a --days 30
sed 's/^names a$/names b/' "$work/a.cert" >"$work/forged.cert"
expect_error 1 'has not signed' key show "$work/forged.cert"

# ---- Nodes that cannot start
node() { expect_error "$1" "$2" node --name a --socket "$work/n.sock" --bind tcp://127.0.0.1:0 "${@:3}"; }
node 2 'whom to admit' --node-key "$work/a.key"
node 2 'node keys' --allow "$work/allow"
node 1 "$work/none" --node-key "$work/none" --allow "$work/allow"
node 1 'line 2' --node-key "$work/a.key" --allow "$work/bad"
node 1 'signature is wrong' --node-key "$work/a.key" --allow "$work/allow" --certificate "$work/forged.cert"
node 1 'another node key' --node-key "$work/b.key" --allow "$work/allow" --certificate "$work/a.cert"
node 1 'roles' --node-key "$work/a.key" --allow "$work/allow" --certificate "$work/a.cert" --roles db

# ---- Two nodes: a shows a certificate, b is on the list
expect 0 - key allow "$work/allow" "$b" --name b --rights send,ask
printf 'thiasos-revoked 1\n' >"$work/revoked"
start_node a --bind tcp://127.0.0.1:0 --node-key "$work/a.key" --certificate "$work/a.cert" --roles web \
           --allow "$work/allow" --revoked "$work/revoked"
a_endpoint=${endpoint#tcp://} a_socket=$socket
start_node b --bind tcp://127.0.0.1:0 --seeds "$a_endpoint" --node-key "$work/b.key" --allow "$work/allow" \
           --revoked "$work/revoked"
b_socket=$socket
until_true 60 ask --socket "$a_socket" echo@b say text=over
expect 1 'FORBIDDEN' ask --socket "$b_socket" echo@a say text=over # commands at b act through a, and that is admin
expect 0 - key allow "$work/allow" "$b" --name b --rights send,ask,monitor,admin
expect 0 '' key reload --socket "$a_socket"
until_true 60 ask --socket "$b_socket" echo@a say text=over
expect 0 'web' members --socket "$b_socket"

# ---- A certificate is revoked, and the nodes are told
expect 0 - key revoke "$work/revoked" "$work/a.cert"
expect 0 '1 keys and certificates are revoked' key show "$work/revoked"
expect 0 '' key reload --socket "$b_socket"
gone() { ! timeout 60 "$thiasos" members --socket "$b_socket" | grep -q web; }
end=$((SECONDS + 60))
until gone; do
    if [ $SECONDS -ge $end ]; then fail "a is still a member"; break; fi
done

finish
