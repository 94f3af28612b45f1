/* Whatever happens to a membership, in whatever order and with whatever packets, its invariants hold.
 *
 * The input is a list of events: a byte that says what, one that says to whom, and for a packet its length and bytes. */

#include <stdlib.h>

#include "cluster/membership.h"

#define MS UINT64_C(1000000)

static void *plain_memory(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size > 0)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static struct thsi_identity node(uint8_t number)
{
    struct thsi_identity who = { .uid = 1 + number % 16u, .boot = 1 + number / 16u, .incarnation = 1 };

    /* Eight names for sixteen boots: so that they stand in each other's way. */
    who.name[0] = (char)('a' + number % 8);
    who.id[0] = (uint8_t)who.name[0];
    who.address[0] = who.name[0];
    return who;
}

/* Reading touches what the update lends, so that a sanitizer sees what is not there any more. */
static uint64_t read_update(const struct thsi_membership_update *update)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < update->sends_count; i++)
        for (size_t j = 0; j < update->sends[i].len; j++)
            sum += update->sends[i].packet[j];
    for (size_t i = 0; i < update->changes_count; i++)
        sum += update->changes[i].member->who.uid + strlen(update->changes[i].member->who.name);
    for (size_t i = 0; i < update->closes_count; i++)
        sum += update->closes[i];
    for (size_t i = 0; i < update->dials_count; i++)
        sum += strlen(update->dials[i].address);
    return sum;
}

static size_t make_event(struct thsi_membership_event *event, struct thsi_identity *who, const uint8_t *data,
                         size_t len)
{
    size_t packet_len;

    *who = node(data[1]);
    event->type = (enum thsi_membership_event_type)(data[0] % 7);
    event->uid = who->uid;
    event->identity = who;
    event->end = (enum thsi_link_end)(data[0] / 8 % 4);
    event->now_ns += data[0] >= 0xc0 ? data[1] * 20 * MS : data[1] % 4 * MS;
    event->refusal = (struct thsi_member_refusal){ data[0] & 8 ? THS_SUPERSEDED : THS_NODE_LOST, data[1], data[1] };
    event->packet_len = 0;
    if (event->type != THSI_MEMBERSHIP_RECEIVED || len < 4)
        return 2;
    packet_len = (size_t)data[2] << 8 | data[3];
    event->packet = data + 4;
    event->packet_len = packet_len < len - 4 ? packet_len : len - 4;
    return 4 + event->packet_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ths_env env = { .memory = plain_memory };
    struct thsi_membership_options options = { .self = node(0), .seed = 1 };
    struct thsi_membership *core = thsi_membership_create(&env, &options, 1000 * MS);
    struct thsi_membership_event event = { .now_ns = 1000 * MS };
    volatile uint64_t sum = 0;

    if (!core)
        abort();
    while (len >= 2) {
        struct thsi_membership_update update;
        struct thsi_identity who;
        size_t used = make_event(&event, &who, data, len);
        enum ths_err err = thsi_membership_step(core, &event, &update);

        if (err == THS_MALFORMED && (event.type != THSI_MEMBERSHIP_RECEIVED || update.closes_count == 0))
            abort();
        thsi_membership_check(core);
        sum += read_update(&update);
        data += used;
        len -= used;
    }
    (void)sum; /* the reads themselves are the point: a sanitizer watches them */
    thsi_membership_destroy(core);
    return 0;
}
