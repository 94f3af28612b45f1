#!/usr/bin/env bash
# readme.sh ROOT LIBRARIES COMPILER [THIASOS]: the files that README.md names exist, and its programs are taken from its
# text, compiled as it says and run. A program is a ```c block whose first line is /* NAME.c ... */. Without the thiasos command no key can be made,
# and the programs that need one are only compiled.
set -u

root=$1 libraries=$2 compiler=$3 thiasos=${4:-}
scratch=$(mktemp -d) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

die() {
    echo "README.md: $1" >&2
    shift
    [ $# -eq 0 ] || cat "$@" >&2
    exit 1
}

for path in $(grep -oE '`(\.ci|codec|cluster|docker|docs|include|node|tests|tools)/[A-Za-z0-9_./]+' "$root/README.md" | tr -d '`' |
        sort -u); do
    [ -e "$root/$path" ] || die "there is no $path"
done

awk '
    /^```c$/ { getline; if (match($0, /^\/\* [a-z_]+\.c/)) { name = substr($0, 4, RLENGTH - 3) } else name = "" ; inside = 1 }
    /^```$/ { inside = 0; name = "" }
    inside && name != "" { print > name }' "$root/README.md"

# compile NAME LIBRARY...: at most 20 lines of code, no warning.
compile() {
    local name=$1 lines

    shift
    [ -s "$name.c" ] || die "there is no program $name.c"
    lines=$(grep -cvE '^[[:space:]]*(/\*.*\*/)?[[:space:]]*$' "$name.c")
    [ "$lines" -le 20 ] || die "$name.c has $lines lines of code, 20 were promised"
    "$compiler" -std=gnu11 -Wall -Wextra -Werror "$name.c" -I "$root/include" -L "$libraries" "$@" -Wl,-rpath,"$libraries" \
        -o "$name" > log 2>&1 || die "$name.c does not compile" log
}

compile hello -lthiasos
timeout 60 ./hello > out 2> log || die "hello ends with status $?" out log
printf 'hello, world (1)\nhello, world (2)\n' | diff - out || die "hello prints something else" log

compile greeter_test -lthiasos-cluster -lthiasos
timeout 60 ./greeter_test 2> log || die "greeter_test ends with status $?" log

compile a -lthiasos-cluster -lthiasos
compile b -lthiasos-cluster -lthiasos
if [ -z "$thiasos" ]; then
    echo "without the thiasos command a and b are compiled only"
    exit 0
fi
"$thiasos" key new cluster.key > log 2>&1 || die "no key could be made" log

# The text says 7400; here it is a port that nobody listens at.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 10000))
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
sed -i "s/7400/$port/g" a.c b.c
compile a -lthiasos-cluster -lthiasos
compile b -lthiasos-cluster -lthiasos
unset THIASOS_NAME THIASOS_BIND THIASOS_ADVERTISE THIASOS_SEEDS THIASOS_KEY_FILE THIASOS_CLUSTER THIASOS_ROLES THIASOS_SCOPES \
    THIASOS_SOCKET
timeout 60 ./a > out.a 2> log.a &
a=$!
timeout 60 ./b > out.b 2> log.b || die "b ends with status $?" out.b log.b out.a log.a
wait "$a" || die "a ends with status $?" out.a log.a log.b
printf 'hello, b\n' | diff - out.a || die "a prints something else" log.a
