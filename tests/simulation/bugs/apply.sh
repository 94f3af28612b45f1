#!/usr/bin/env bash
# apply.sh PATCH ROOT OUT: copy what PATCH changes from ROOT to OUT and apply it there. When it does not apply the copy stays as it
# is, so that the build goes on, and run.sh tells.
set -u

patch_file=$1 root=$2 out=$3
rm -rf "$out" && mkdir -p "$out" || exit 1
for file in $(sed -n 's|^+++ b/||p' "$patch_file"); do
    mkdir -p "$out/$(dirname "$file")" && cp "$root/$file" "$out/$file" || exit 1
done
if ! patch --quiet --no-backup-if-mismatch -r - -F3 -p1 -d "$out" < "$patch_file" > /dev/null 2>&1; then
    for file in $(sed -n 's|^+++ b/||p' "$patch_file"); do
        cp "$root/$file" "$out/$file"
    done
    touch "$out/does_not_apply"
fi
