#!/bin/bash
# A cluster of two nodes changes its key, with commands alone.
. "$(dirname "$0")/lib.sh"

# fingerprint FILE: of its primary key.
fingerprint() { timeout 60 "$thiasos" key list "$1" | awk '$2 == "primary" { print $1 }'; }

# ---- Files
expect 0 'mode 0400' key new "$work/old"
expect 0 'mode 0400' key new "$work/next"
old=$(fingerprint "$work/old") next=$(fingerprint "$work/next")
[ ${#old} = 16 ] && [ "$old" != "$next" ] || fail "the fingerprints are $old and $next"
for file in a b; do cp -p "$work/old" "$work/$file.key"; done
expect 0 "^$next +installed" key install "$work/a.key" "$work/next"
[ "$(stat -c %a "$work/a.key")" = 400 ] || fail "the changed file's mode is not 0400"
secret=$(sed -n 2p "$work/next")
grep -q "$secret" "$work/out" && fail "the secret is shown"
expect_error 1 'holds this key already' key install "$work/a.key" "$work/next"
expect_error 1 'promote another first' key remove "$work/a.key" "$old"
expect_error 1 'no key of .* is named' key remove "$work/a.key" 0000000000000000
expect_error 1 'no key of .* is named' key promote "$work/a.key" "${next:0:3}"
expect_error 1 "$work/nowhere" key list "$work/nowhere"
expect_error 1 "$work/nowhere" key install "$work/nowhere" "$work/next"
expect_error 1 "$work/nowhere" key install "$work/b.key" "$work/nowhere"
expect 0 'mode 0400' key new "$work/third"
expect 0 'mode 0400' key new "$work/fourth"
cp -p "$work/a.key" "$work/full"
expect 0 installed key install "$work/full" "$work/third"
expect_error 1 'the most there may be' key install "$work/full" "$work/fourth"

# ---- Nodes: each takes up its file when it is told to
expect_error 4 'no node is reached' key reload
cp -p "$work/old" "$work/a.key" && cp -p "$work/old" "$work/late.key"
start_node a --bind tcp://127.0.0.1:0 --key-file "$work/a.key"
a_endpoint=${endpoint#tcp://} a_socket=$socket
start_node b --bind tcp://127.0.0.1:0 --seeds "$a_endpoint" --key-file "$work/b.key"
b_socket=$socket
until_true 60 ask --socket "$a_socket" echo@b say text=over

# on_both VERB WORD: the same on the files of both, and have it taken up.
on_both() {
    for node in a b; do
        expect 0 "$next" key "$1" "$work/$node.key" "$2"
        expect 0 "$next" key reload --socket "$XDG_RUNTIME_DIR/thiasos/$node.sock"
    done
}
# settle PATTERN: until the links are where they should be.
settle() {
    local end=$((SECONDS + 60))
    for socket in "$a_socket" "$b_socket"; do
        until expect 0 'key' key reload --socket "$socket" && grep -q "$1" "$work/out"; do
            [ $SECONDS -lt $end ] || { fail "the links do not settle"; return; }
        done
    done
}
on_both install "$work/next"
on_both promote "${next:0:8}"
settle 'all 1 links use the primary key'
on_both remove "$old"
settle 'all 1 links use the primary key'
expect 0 "^$next +primary" key list "$work/a.key"
grep -q "$old" "$work/out" && fail "the old key is still there"
expect 0 'text="over"' ask --socket "$a_socket" echo@b say text=over
grep -qE 'lost the link|closed the link' "$work/a.log" "$work/b.log" && fail "a link was lost"

# ---- Who has the old key alone is told so
start_node late --bind tcp://127.0.0.1:0 --seeds "$a_endpoint" --key-file "$work/late.key"
end=$((SECONDS + 60))
until grep -q 'holds another cluster key; give both the same key file' "$work/late.log"; do
    [ $SECONDS -lt $end ] || { fail "the late node is not told"; break; }
done

# ---- What cannot be taken up
cp -pf "$work/old" "$work/b.key"
expect_error 1 'none of the keys in use' key reload --socket "$b_socket"
rm -f "$work/b.key"
expect_error 1 "$work/b.key" key reload --socket "$b_socket"
start_node keyless --bind tcp://127.0.0.1:0
expect_error 1 'without a key file' key reload --socket "$socket"

finish
