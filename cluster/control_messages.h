/* Control messages: what the commands and the control socket say to each other (control_*), and what control sockets
 * and types actors (types_actor.h) say to each other across nodes (ths_*).
 *
 * Rows of a table are parallel lists of equal length. Numbers that stand for an enum are those of the enum. */

#ifndef THSI_CLUSTER_CONTROL_MESSAGES_H
#define THSI_CLUSTER_CONTROL_MESSAGES_H

#include "thiasos/message.h"

#define THSI_TYPE_NAME_MAX 128           /* bytes of a type's wire name, where one is asked for */
#define THSI_BODY_MAX ((1u << 20) - (16u << 10)) /* of a packed message that is passed on */
#define THSI_ROWS_MAX 4096               /* of a table; more are cut, and it says so */
#define THSI_NEAR_MAX 16                 /* names that are offered for an unknown one */
#define THSI_TARGET_MAX 192              /* "name", "name@node" or a ref */

/* ---- Types actor -------------------------------------------------------------------------- */

/* What is the type called name, or the only one whose name ends in ".name"? With a fingerprint that one version, else
 * the newest. Answered by ths_described. */
THS_MESSAGE(ths_describe, "ths.describe", 1, string(name, .max = THSI_TYPE_NAME_MAX), u32(version), u64(fingerprint))

/* err is OK, UNKNOWN_TYPE or INVALID (more than one fits); near then has names to choose from. */
THS_MESSAGE(ths_described, "ths.described", 1, u32(err), string(name), u32(version), u64(fingerprint),
            list(string, fields, .max = THS_FIELDS_MAX), list(u8, kinds, .max = THS_FIELDS_MAX),
            list(u8, elements, .max = THS_FIELDS_MAX), list(u32, maxes, .max = THS_FIELDS_MAX),
            list(u32, element_maxes, .max = THS_FIELDS_MAX), list(string, near, .max = THSI_NEAR_MAX))

/* Pass a packed message on to an actor of this node. Without answer_to it is a tell, and this request is answered by
 * ths_relayed at once. With it the message is an ask, and ths_relayed is told to answer_to when its reply is there. */
THS_MESSAGE(ths_relay, "ths.relay", 1, ref(to), string(type, .max = THSI_TYPE_NAME_MAX), u32(version), u64(fingerprint),
            bytes(body, .max = THSI_BODY_MAX), u32(timeout_ms), ref(answer_to))

/* How it went, and the reply to an ask. */
THS_MESSAGE(ths_relayed, "ths.relayed", 1, u32(err), string(type), u32(version), u64(fingerprint),
            bytes(body, .max = THSI_BODY_MAX))

/* ---- Control socket ------------------------------------------------------------------------ */

/* The answer to a request that failed: what err means here, as a sentence. */
THS_MESSAGE(control_failed, "ths.control.failed", 1, u32(err), string(why))

THS_MESSAGE(control_info, "ths.control.info", 1)
THS_MESSAGE(control_info_answer, "ths.control.info_answer", 1, string(node), u64(uid), string(endpoint), u64(pid),
            u64(actors), u64(spawned), u64(ended), u64(crashed), u64(restarted), u64(messages),
            list(u64, dead_letters, .max = 64))

THS_MESSAGE(control_members, "ths.control.members", 1)
THS_MESSAGE(control_members_answer, "ths.control.members_answer", 1, boolean(cut), list(string, names),
            list(u64, uids), list(u64, boots), list(string, addresses), list(string, roles), list(u8, states),
            list(u64, incarnations), list(u64, rtts_us), list(boolean, selves))

THS_MESSAGE(control_groups, "ths.control.groups", 1)
THS_MESSAGE(control_groups_answer, "ths.control.groups_answer", 1, boolean(cut), list(string, names),
            list(u64, members), list(u64, local))

/* weigh: ask the actors how many bytes wait in their mailboxes; bytes are THS_BYTES_UNKNOWN where nobody knows. */
THS_MESSAGE(control_actors, "ths.control.actors", 2, boolean(weigh), u32(timeout_ms))
THS_MESSAGE(control_actors_answer, "ths.control.actors_answer", 2, boolean(cut), list(ref, refs),
            list(string, behaviours), list(string, names), list(u32, queued), list(u32, incarnations), list(u64, bytes))

/* What an actor says of itself (struct ths_inspection). marks: "traps exits" and the like; counts: of links, monitors,
 * watchers, timers, asks, of which the lists may hold fewer. */
THS_MESSAGE(control_inspect, "ths.control.inspect", 1, ref(to), u32(timeout_ms))
THS_MESSAGE(control_inspect_answer, "ths.control.inspect_answer", 1, boolean(answered), string(behaviour), string(name),
            boolean(is_handling), string(handling), u64(handling_ms), u8(phase), u32(incarnation), u32(queued),
            u64(queued_bytes), u32(capacity), string(state), u64(memory_used), u64(memory_max), ref(supervisor),
            u32(stashed), u32(requests), list(string, marks, .max = 8), list(ref, links), list(ref, monitors),
            list(ref, watchers), list(u32, counts, .max = 5), list(string, timer_types), list(u64, timer_due_ms),
            list(u64, timer_period_ms), list(ref, ask_targets), list(string, ask_types), list(u64, ask_left_ms),
            list(string, last))

/* Supervisors before their children (struct ths_tree_row). nodes: the name of the node it runs on. */
THS_MESSAGE(control_tree, "ths.control.tree", 1)
THS_MESSAGE(control_tree_answer, "ths.control.tree_answer", 1, boolean(cut), list(u8, depths), list(string, names),
            list(string, behaviours), list(ref, refs), list(string, nodes), list(u8, states), list(u8, policies),
            list(u32, incarnations), list(u32, restarts), list(boolean, supervisors), list(u8, strategies),
            list(u64, restarts_below), list(u32, running), list(u32, wanted))

/* Counters for each behaviour and message type (observe.h); "" stands for the rest, and for no message. */
THS_MESSAGE(control_stats, "ths.control.stats", 1)
THS_MESSAGE(control_stats_answer, "ths.control.stats_answer", 1, boolean(cut), list(string, behaviours),
            list(string, types), list(u64, handled), list(u64, busy_ns), list(u64, busy_max_ns), list(u64, waited),
            list(u64, waited_ns), list(u64, waited_max_ns), list(u64, refused), list(u64, expired), list(u64, crashed))

/* Take up the key file again. Answered with what the node holds then, the primary key first, and how many of its links are
 * not on that one yet. */
THS_MESSAGE(control_reload_keys, "ths.control.reload_keys", 1)
THS_MESSAGE(control_keys_answer, "ths.control.keys_answer", 1, list(string, fingerprints, .max = 16), u32(links), u32(moving))

/* Who is target? */
THS_MESSAGE(control_find, "ths.control.find", 1, string(target, .max = THSI_TARGET_MAX))
THS_MESSAGE(control_found, "ths.control.found", 1, ref(to), string(node))

/* Ask the types actor of the node of `to`. Answered by ths_described. */
THS_MESSAGE(control_describe, "ths.control.describe", 1, ref(to), string(name, .max = THSI_TYPE_NAME_MAX),
            u32(version), u64(fingerprint))

/* Tell or ask. Answered by control_sent when it went well, with the reply of an ask. */
THS_MESSAGE(control_send, "ths.control.send", 1, ref(to), string(type, .max = THSI_TYPE_NAME_MAX), u32(version),
            u64(fingerprint), bytes(body, .max = THSI_BODY_MAX), boolean(ask), u32(timeout_ms))
THS_MESSAGE(control_sent, "ths.control.sent", 1, string(type), u32(version), u64(fingerprint),
            bytes(body, .max = THSI_BODY_MAX))

#endif /* THSI_CLUSTER_CONTROL_MESSAGES_H */
