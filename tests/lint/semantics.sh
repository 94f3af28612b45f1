#!/usr/bin/env bash
# Every sentence of docs/semantics.md, and every threat of docs/threats.md, has a number and names tests that exist. Forms of a name:
#
#     [test_file: fact]   function fact in tests/**/test_file.c; one that no table lists would not compile, being static
#     [compile: program]  tests/compile/program.c
#     [lint: script]      tests/lint/script.sh
set -u
export LC_ALL=C

bad=0
complain() { echo "$text: $1"; bad=1; }

# One "test_file fact" for each fact there is, and the same for programs and scripts.
known=$(
    grep -roE --include='test_*.c' '^static void [a-z0-9_]+\(void \*\*' tests |
        sed -E 's|^.*/([a-z0-9_]+)\.c:static void ([a-z0-9_]+)\(.*$|\1: \2|'
    for file in tests/compile/*.c; do file=${file##*/}; echo "compile: ${file%.c}"; done
    for file in tests/lint/*.sh; do file=${file##*/}; echo "lint: ${file%.sh}"; done)

# check FILE LEAST: the sentences of FILE, of which there are LEAST or more.
check() {
    local text=$1 least=$2 named count id missing

    # "S12 test_file: fact" for each name, "S12 -" for a sentence without any.
    named=$(awk '
        function flush() { if (id != "" && !names) print id, "-" }
        /^\*\*[ST][0-9]+\*\*/ { flush(); id = $1; gsub(/\*/, "", id); names = 0 }
        /^#/ { flush(); id = "" }
        id != "" {
            rest = $0
            while (match(rest, /\[[a-z0-9_]+: [a-z0-9_]+\]/)) {
                print id, substr(rest, RSTART + 1, RLENGTH - 2)
                rest = substr(rest, RSTART + RLENGTH)
                names = 1
            }
        }
        END { flush() }' "$text") || exit 1

    # A number stays with its sentence, so that others can speak of it; a new sentence gets any that is free.
    count=0
    for id in $(printf '%s\n' "$named" | awk '{ print $1 }' | uniq | sort | uniq -c | awk '{ print $1 ":" $2 }'); do
        [ "${id%%:*}" = 1 ] || complain "${id#*:} is the number of two sentences"
        count=$((count + 1))
    done
    [ "$count" -ge "$least" ] || complain "only $count sentences were found: has the form changed?"

    missing=$(awk 'NR == FNR { known[$1 " " $2]; next }
        $2 == "-" { print $1 " names no test"; next }
        !(($2 " " $3) in known) { print $1 " names [" $2 " " $3 "], which does not exist" }' \
        <(printf '%s\n' "$known") <(printf '%s\n' "$named"))
    if [ -n "$missing" ]; then
        printf '%s\n' "$missing" | sed "s|^|$text: |"
        bad=1
    fi
}
check docs/semantics.md 100
check docs/threats.md 24
exit "$bad"
