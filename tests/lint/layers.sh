#!/usr/bin/env bash
# The direction of includes. Prints every #include that points up or sideways, with the rule it breaks.
#
#     include/  <-  node/base/  <-  codec/  <-  cluster/  <-  tools/
#                        ^                         |
#                        +--- node/ (local) <------+ only router.h, runtime.h, exec.h, signal.h
set -u
export LC_ALL=C

# "FOLDER SOURCE-FILE INCLUDED" for each #include below the folders.
includes() {
    grep -rnoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"][^>"]+[>"]' --include='*.[ch]' include node codec cluster tools |
        sed -E 's/^([^:]+):([0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"]/\1 \2 \3/'
}

includes | awk '
function complain(why) { print file ":" line ": includes " what ": " why; bad = 1 }
{
    file = $1; line = $2; what = $3
    split(file, parts, "/")
    folder = parts[1]
    if (folder == "node" && parts[2] == "base") folder = "node/base"

    # Our own headers.
    ours = (what ~ /^(thiasos|node|codec|cluster|tools|tests)\//)
    base = (what ~ /^node\/base\//)
    public = (what ~ /^thiasos\//)
    if (ours) {
        if (folder == "include" && !public)
            complain("public headers know only each other")
        if (folder == "node/base" && !public && !base)
            complain("node/base stands below everything else")
        if (folder == "node" && what ~ /^(codec|cluster|tools|tests)\//)
            complain("the local node knows neither codec nor cluster")
        if (folder == "codec" && !public && !base && what !~ /^codec\//)
            complain("codec may include include/ and node/base/ only")
        if (folder == "cluster" && what ~ /^node\// && !base && what !~ /^node\/(router|runtime|exec|signal)\.h$/)
            complain("of node/ the cluster may include router.h, runtime.h, exec.h, signal.h only")
        if (folder == "cluster" && what ~ /^(tools|tests)\//)
            complain("cluster stands below the tools")
        if (folder == "tools" && what ~ /^tests\//)
            complain("the product does not know its tests")
    }

    # The libraries of others.
    if (what == "zmq.h" && file !~ /^cluster\/transport_zmq/)
        complain("ZeroMQ is spoken in cluster/transport_zmq*.c only")
    if (what ~ /^msgpack/ && file !~ /^codec\/(un)?pack\.[ch]$/)
        complain("msgpack is spoken in codec/pack and codec/unpack only")
    if (what ~ /^sodium/ && file !~ /^codec\/[a-z_]+\.c$/ && file != "codec/aead.h" && file !~ /^cluster\/(cluster|driver|link)[a-z_]*\.c$/ &&
        file !~ /^tools\/key[a-z_]*\.c$/)
        complain("libsodium is spoken in codec/, cluster/{cluster,driver,link}*.c and tools/key*.c only")
    if (what ~ /^jansson/ && folder != "tools")
        complain("JSON is a matter of the tools")
    if (what ~ /^(uv|event|ev)\.h$/)
        complain("no event library is used")
}
END { exit bad }'
