/* Rights: whether a peer may send what it sent, and what it is told if not. The table is codec/rights.c's. */

#include "cluster/remote.h"

#include <inttypes.h>
#include <stdio.h>

#include "cluster/control_messages.h"

/* A message that the types actor passes on is told or asked by this node itself, whatever rights its sender has. */
static bool is_relay(const struct thsi_peer *peer, uint32_t number)
{
    const struct thsi_type_in *type = number > 0 && number < peer->types_in_count ? &peer->types_in[number] : NULL;

    return type && type->info && type->info == thsi_type_intern(&ths_relay_type);
}

static uint32_t rights_for(const struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    return is_relay(peer, envelope->type_number) ? (uint32_t)THSI_RIGHT_ADMIN : thsi_rights_for(envelope);
}

bool thsi_remote_may(const struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    uint32_t rights;

    if (peer->rights == THSI_RIGHTS_ALL)
        return true;
    rights = rights_for(peer, envelope);
    return rights == 0 || (peer->rights & rights) != 0;
}

bool thsi_remote_forbidden(struct thsi_remote *remote, const struct thsi_peer *peer, const struct thsi_envelope *envelope,
                           const struct thsi_signal *signal, struct thsi_signal *refusal, char *text, size_t size)
{
    const struct thsi_runtime *runtime = remote->runtime;
    const char *word = thsi_right_word(rights_for(peer, envelope));
    uint64_t held_back;

    (void)atomic_fetch_add_explicit(&remote->forbidden, 1, memory_order_relaxed);
    if (thsi_note_allowed(&remote->rights_notes, runtime->env->now_ns(runtime->env), &held_back))
        thsi_note(runtime, THS_LOG_WARN, "rights",
                  "refused what %s sent: it has no right to %s here (%" PRIu64 " such lines held back)", peer->name, word,
                  held_back);
    (void)snprintf(text, size, "no right to %s on this node", word);
    *refusal = (struct thsi_signal){ .from = signal->to, .to = signal->from, .id = signal->id, .err = THS_FORBIDDEN,
                                     .reason = THS_REASON_REFUSED, .certainty = THS_ASSUMED, .text = text };
    return thsi_remote_answer_kind(envelope, refusal) && refusal->kind != THSI_REFUSED;
}
