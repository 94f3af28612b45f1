#!/usr/bin/env bash
# run.sh BUILD_DIRECTORY BUG...: run test_chaos with each bug until it is found, at most SEEDS histories on one node.
set -u

seeds=1000 found=0 all=0
directory=$1
shift
for bug in "$@"; do
    all=$((all + 1))
    if [ -e "$directory/bugs/$bug/does_not_apply" ]; then
        echo "$bug: its patch does not apply any more"
        continue
    fi
    if output=$(timeout 60 "$directory/bin/chaos_with_$bug" "$seeds" 2>&1); then
        echo "$bug: NOT FOUND in $seeds histories"
    elif status=$? && [ "$status" -eq 124 ]; then
        echo "$bug: HANGS"
    else
        found=$((found + 1))
        [ "$status" -lt 128 ] || echo "$bug: ends with status $status"
        echo "$bug: $(printf '%s\n' "$output" | grep -aE '^seed|Assert|assert' | head -n 1 | cut -c1-130)"
    fi
done
echo "$found of $all found"
[ $((10 * found)) -ge $((9 * all)) ]
