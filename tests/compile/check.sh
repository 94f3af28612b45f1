#!/bin/sh
# Usage: check.sh COMPILER INCLUDE_DIR
#
# Every good_*.c here must compile without a warning, every bad_*.c must be refused, and the compiler must say what its
# first line expects (an extended regular expression). good_*.cpp are compiled as C++17 with the C++ side of COMPILER.
set -u

compiler=$1
include_dir=$2
here=$(dirname "$0")
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

fail()
{
    echo "FAIL $1: $2"
    sed 's/^/    /' "$output"
    failed=1
}

for std in c11 gnu11; do
    flags="-std=$std -Wall -Wextra -Wconversion -Wshadow -Werror -I$include_dir -c -o /dev/null"
    for file in "$here"/good_*.c; do
        # shellcheck disable=SC2086 # the flags are words
        "$compiler" $flags "$file" >"$output" 2>&1 || fail "$file" "does not compile with $compiler -std=$std"
    done
    for file in "$here"/bad_*.c; do
        expected=$(sed -n '1s|^/\* expect: \(.*\) \*/$|\1|p' "$file")
        # shellcheck disable=SC2086
        if [ -z "$expected" ]; then
            fail "$file" "has no line /* expect: ... */"
        elif "$compiler" $flags "$file" >"$output" 2>&1; then
            fail "$file" "compiles with $compiler -std=$std"
        elif ! grep -Eq "$expected" "$output"; then
            fail "$file" "$compiler -std=$std does not say: $expected"
        fi
    done
done

for file in "$here"/good_*.cpp; do
    "$compiler" -x c++ -std=c++17 -Wall -Wextra -Werror "-I$include_dir" -fsyntax-only "$file" >"$output" 2>&1 ||
        fail "$file" "does not compile with $compiler -std=c++17"
done

[ "$failed" -eq 0 ] && echo "all programs are judged as expected by $compiler"
exit "$failed"
