#!/usr/bin/env bash
# What a reader should never meet: notes to self, waits for a duration, places that exist on one machine only, lines
# that do not fit. Prints each with its rule.
set -u
export LC_ALL=C.UTF-8 # columns, not bytes

bad=0
complain() { # RULE < lines; not at the end of a pipe, where `bad` would be set in a shell of its own
    local lines
    lines=$(cat)
    if [ -n "$lines" ]; then
        printf '%s\n    %s\n' "$lines" "$1"
        bad=1
    fi
}

# Everything written by hand; this folder names what it forbids.
mapfile -t files < <(find . \( -path './.git' -o -path './build*' -o -path ./tests/vectors -o -path ./tests/lint \) -prune -o \
    -type f \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.sh' -o -name '*.md' -o -name 'CMakeLists.txt' -o -name 'Dockerfile' \
    -o -name '*.yml' -o -path './tests/run' -o -path './tests/docker/run' -o -path './docker/demo' \) -print | sort)
mapfile -t code < <(printf '%s\n' "${files[@]}" | grep -E '\.([ch]|cpp)$')
mapfile -t tests < <(printf '%s\n' "${files[@]}" | grep -E '^\./tests/.*\.([ch]|cpp)$' | grep -v '^\./tests/bench/') # a bench may pause: what is measured is asleep then

complain 'notes to self belong into an issue' < <(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "${files[@]}")
complain 'a test waits for an event, never for a duration' \
    < <(grep -nE '\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)[[:space:]]*\(' "${tests[@]}")
complain 'a path that exists on one machine only' \
    < <(grep -nE '\.\./shared|(^|[^A-Za-z0-9_.])/work/|(^|[^A-Za-z0-9_.])/tmp/build' "${files[@]}")
complain 'lines have at most 132 columns (aim at 120)' < <(grep -nE '^.{133,}$' "${code[@]}" | cut -c1-100)
complain 'four spaces, no tabs' < <(grep -nP '\t' "${code[@]}")
complain 'no space at the end of a line' < <(grep -nE '[[:space:]]+$' "${code[@]}")
complain 'a file ends with a newline' \
    < <(grep -LzP '\n\z' "${code[@]}")

# A header says what it is before anything else, and guards itself.
mapfile -t headers < <(printf '%s\n' "${code[@]}" | grep -E '\.h$')
complain 'a header begins with its introduction' \
    < <(awk 'FNR == 1 && !/^\/\*/ { print FILENAME }' "${headers[@]}")
complain 'a header has a guard that ends in _H' \
    < <(grep -cE '^#(ifndef|define) [A-Z_0-9]+_H$' "${headers[@]}" | grep -vE ':[2-9]$')
exit "$bad"
