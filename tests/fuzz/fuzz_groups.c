/* Whatever packets come and whatever the own actors do meanwhile, the invariants of the groups hold.
 *
 * The input is a list of calls: a byte that says what, a byte that says who, and for a packet its length and bytes. */

#include <stdlib.h>

#include "cluster/groups.h"

static void *plain_memory(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size > 0)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static uint64_t read_update(const struct thsi_groups_update *update)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < update->sends_count; i++)
        for (size_t j = 0; j < update->sends[i].len; j++)
            sum += update->sends[i].packet[j];
    for (size_t i = 0; i < update->changes_count; i++)
        sum += update->changes[i].who.slot + strlen(update->changes[i].group);
    return sum;
}

static enum ths_err own(struct thsi_groups *groups, uint8_t what, uint8_t who, struct thsi_groups_update *update)
{
    static const char *const names[] = { "default/a", "default/b", "s/a", "other/a" };
    ths_ref ref = { .node = 1, .slot = who % 8u, .generation = 1 };

    if (what & 1)
        return thsi_groups_join(groups, names[who / 8 % 4], ref, who / 32u, update);
    if (what & 2)
        return thsi_groups_leave(groups, names[who / 8 % 4], ref, update);
    thsi_groups_actor_ended(groups, ref, update);
    return THS_OK;
}

/* One call; returns how much of the input it took. */
static size_t call(struct thsi_groups *groups, const uint8_t *data, size_t len, struct thsi_groups_update *update)
{
    uint64_t uid = 2 + data[1] % 4u;
    size_t head = len < 4 ? 2 : 4;
    size_t packet_len;

    switch (data[0] % 8) {
    case 0:
        (void)!thsi_groups_link_up(groups, uid, data[1] & 4 ? "s,default" : "default", update);
        return 2;
    case 1:
        thsi_groups_link_down(groups, uid);
        return 2;
    case 2:
        thsi_groups_bury(groups, uid, update);
        return 2;
    case 3:
        thsi_groups_time_passed(groups, thsi_groups_deadline_ns(groups), update);
        return 2;
    case 4:
        (void)!own(groups, data[0] / 8, data[1], update);
        return 2;
    default:
        packet_len = len < 4 ? 0 : (size_t)data[2] << 8 | data[3];
        packet_len = packet_len < len - head ? packet_len : len - head;
        (void)!thsi_groups_receive(groups, uid, data + head, packet_len, update);
        return head + packet_len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ths_env env = { .memory = plain_memory };
    struct thsi_groups *groups = thsi_groups_create(&env, 1, "default,s", 1, 0);
    volatile uint64_t sum = 0;

    if (!groups)
        abort();
    while (len >= 2) {
        struct thsi_groups_update update = { 0 };
        size_t used = call(groups, data, len, &update);

        thsi_groups_check(groups);
        sum += read_update(&update);
        for (int how = THS_PICK_RANDOM; how <= THS_PICK_ROUND_ROBIN; how++)
            sum += thsi_groups_pick(groups, "default/a", (enum ths_pick)how, sum, NULL, NULL).slot;
        data += used;
        len -= used;
    }
    thsi_groups_destroy(groups);
    return 0;
}
