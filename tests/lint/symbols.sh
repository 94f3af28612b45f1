#!/usr/bin/env bash
# symbols.sh LIBRARY...: everything that a shared library exports begins with "ths".
set -u
export LC_ALL=C

bad=0
for library in "$@"; do
    exported=$(nm -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | sort -u) || exit 1
    if [ -z "$exported" ]; then
        echo "$library exports nothing: is it the right file?"
        bad=1
    fi
    strangers=$(printf '%s\n' "$exported" | grep -vE '^ths' | grep -vE '^(_init|_fini|__bss_start|_edata|_end)$')
    if [ -n "$strangers" ]; then
        echo "$library exports names of others:"
        printf '%s\n' "$strangers" | sed 's/^/    /'
        bad=1
    fi
done
exit "$bad"
