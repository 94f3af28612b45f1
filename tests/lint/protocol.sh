#!/usr/bin/env bash
# The numbers of the protocol's description are those of the code: kinds of frames, records and packets, errors, reasons, limits.
# What they mean cannot be checked here; that none is missing or another can.
set -u
export LC_ALL=C

text=codec/protocol
bad=0
complain() { echo "$1"; bad=1; }

# listed FILE PREFIX TEXT...: each PREFIX_NAME = N of FILE is a row "| N | NAME |" of one of TEXT.
listed() {
    local file=$1 prefix=$2 name number count=0
    shift 2
    while read -r name number; do
        count=$((count + 1))
        grep -qE "^\| $number \| \**$name\** \|" "$@" || complain "$*: no row for $name, $number of $file"
    done < <(sed -nE "s/^ *${prefix}_([A-Z0-9_]+) = ([0-9]+).*/\1 \2/p" "$file")
    [ "$count" -gt 2 ] || complain "$file: only $count of ${prefix}_* were found: has the form changed?"
}

listed codec/wire.h THSI_FRAME $text/frames.md
listed codec/envelope.h THSI_RECORD $text/records.md
listed cluster/gossip.h THSI_GOSSIP $text/membership.md $text/groups.md

# errors and reasons: "| N | NAME |", or among several of a row; "N name" in the paragraph of reasons.
while read -r name number; do
    grep -qE "^\| ([0-9]+, )*$number(, [0-9]+)* \| ([A-Z_]+, )*$name(, [A-Z_]+)* \|" codec/PROTOCOL.md ||
        complain "codec/PROTOCOL.md: no row for error $name, $number"
done < <(sed -nE 's/^ *X\(([A-Z_]+), ([0-9]+), .*/\1 \2/p' include/thiasos/err.h)
reasons=$(sed -n '/^Reasons, of/,/^$/p' codec/PROTOCOL.md | tr '\n' ' ')
while read -r number name; do
    grep -qE "[^0-9]$number $name[^a-z_]" <<< "$reasons" || complain "codec/PROTOCOL.md: reason $number $name is missing"
done < <(sed -nE 's/^ *X\([A-Z_]+, ([0-9]+), "([a-z_]+)"\).*/\1 \2/p' include/thiasos/reason.h)

# limit NAME FILE ROW: the value of the macro or enumerator, with commas, stands in this row of the table of limits.
limits=$(sed -n '/^## Limits/,/^## Vectors/p' codec/PROTOCOL.md)
limit() {
    local name=$1 file=$2 row=$3 value
    value=$(sed -nE "s/^(#define|enum \{)? *$name (=)? *//p" "$file" | head -n 1 |
        sed -E 's,/\*.*,,; s/\(size_t\)//g; s/([0-9])[uUlL]+/\1/g; s/[,};].*//')
    value=$((value)) 2> /dev/null
    [ "${value:-0}" -gt 0 ] || { complain "$file: $name has no value that can be read"; return; }
    value=$(sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<< "$value")
    grep -F "| $row" <<< "$limits" | grep -qE "[^0-9,]$value([^0-9,]|, |$)" ||
        complain "codec/PROTOCOL.md, Limits, \"$row\": $name is $value"
}
limit THSI_HANDSHAKE_FRAME_MAX codec/wire.h 'frame before'
limit THSI_SEALED_PAYLOAD_MAX codec/wire.h 'sealed frame'
limit THSI_ENVELOPE_TEXT_MAX codec/envelope.h 'texts of records'
limit THSI_ENVELOPE_TYPE_NAME_MAX codec/envelope.h 'name of a type'
limit THSI_GROUP_TELL_MAX codec/envelope.h 'receivers of'
limit THSI_GOSSIP_MAX codec/envelope.h 'gossip packet'
limit THSI_UNPACK_DEPTH_MAX codec/unpack.h 'record: nesting'
limit THSI_TYPES_MAX node/base/message_table.h 'type numbers'
limit THSI_FIELD_NAME_MAX codec/schema_resolve.h 'name of a field'
limit THSI_VIEWS_MAX cluster/remote_types.h 'types of one node'
limit THS_MESSAGE_MAX include/thiasos/message.h 'message packed'
limit THSI_UNVERIFIED_MAX cluster/driver.h 'handshakes of strangers'
limit THSI_ZMQ_LINKS_MAX cluster/transport_zmq.h 'connections of a node'
limit THSI_OUTBOX_UNACKED_MAX cluster/outbox.h 'frames sent'
limit THSI_MEMBERS_MAX cluster/membership.h 'members;'
limit THSI_TOMBS_MAX cluster/membership.h 'members;'
limit THSI_GROUP_SCOPES_MAX cluster/groups.h 'scopes of a node'
limit THSI_GROUP_NAMES_MAX cluster/groups.h 'groups, entries'
limit THSI_GROUP_ENTRIES_MAX cluster/groups.h 'groups, entries'
limit THSI_GROUP_WEIGHT_MAX cluster/groups.h 'groups, entries'
limit THSI_UNMET_MAX cluster/membership.h 'members only told'
limit THSI_UNMET_OF_ONE_MAX cluster/membership.h 'members only told'
limit THSI_TOMBS_UNMET_MAX cluster/membership.h 'burials remembered of'
limit THSI_RELATIONS_ELSEWHERE_MAX node/node.h 'links, watchers'
limit THSI_RELATIONS_SHARE_MAX node/node.h 'links and monitors of all'
limit THSI_STOP_ASKERS_MAX node/life.h 'askers that wait'
limit THSI_CANCELS_MAX node/cancels.h 'requests of other nodes'

# The index and the parts know each other.
for part in "$text"/*.md; do
    grep -q "(protocol/${part##*/})" codec/PROTOCOL.md || complain "codec/PROTOCOL.md does not name $part"
done
exit "$bad"
