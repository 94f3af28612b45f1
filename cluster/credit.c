#include "cluster/credit.h"

#include <assert.h>
#include <string.h>

static uint16_t *head_of(struct thsi_credits *credits, struct thsi_actor_id actor)
{
    return &credits->heads[(actor.slot ^ actor.slot >> 7) % THSI_CREDIT_HEADS];
}

static bool is_of(const struct thsi_credit *credit, struct thsi_actor_id actor)
{
    return credit->actor.slot == actor.slot && credit->actor.generation == actor.generation;
}

void thsi_credits_init(struct thsi_credits *credits)
{
    memset(credits, 0, sizeof *credits);
    for (uint16_t i = 0; i < THSI_CREDITS_MAX; i++)
        credits->entries[i].next = i;
    credits->free = THSI_CREDITS_MAX;
}

struct thsi_credit *thsi_credits_find(struct thsi_credits *credits, struct thsi_actor_id actor)
{
    uint16_t at = *head_of(credits, actor);

    while (at > 0 && !is_of(&credits->entries[at - 1], actor))
        at = credits->entries[at - 1].next;
    return at > 0 ? &credits->entries[at - 1] : NULL;
}

struct thsi_credit *thsi_credits_add(struct thsi_credits *credits, struct thsi_actor_id actor)
{
    uint16_t at = credits->free, *head = head_of(credits, actor);
    struct thsi_credit *credit = at > 0 ? &credits->entries[at - 1] : NULL;

    assert(actor.generation != 0);
    if (!credit)
        return NULL;
    credits->free = credit->next;
    *credit = (struct thsi_credit){ .actor = actor, .next = *head };
    *head = at;
    credits->count++;
    return credit;
}

void thsi_credits_remove(struct thsi_credits *credits, struct thsi_credit *credit)
{
    uint16_t place = (uint16_t)(credit - credits->entries + 1), *at = head_of(credits, credit->actor);

    while (*at != place)
        at = &credits->entries[*at - 1].next;
    *at = credit->next;
    *credit = (struct thsi_credit){ .next = credits->free };
    credits->free = place;
    credits->count--;
}

void thsi_credits_set(struct thsi_credits *credits, struct thsi_actor_id actor, uint64_t places)
{
    struct thsi_credit *credit = thsi_credits_find(credits, actor);

    if (places == THSI_CREDIT_NO_LIMIT) {
        if (credit)
            thsi_credits_remove(credits, credit);
        return;
    }
    if (!credit)
        credit = thsi_credits_add(credits, actor);
    if (credit)
        credit->left = places < UINT32_MAX ? (uint32_t)places : UINT32_MAX;
}

uint64_t thsi_credit_grant(uint32_t places, uint32_t capacity, uint32_t sharers, bool waited)
{
    uint32_t share = places / sharers;

    assert(places <= capacity && sharers > 0);
    if (!waited && places >= capacity - capacity / 4)
        return THSI_CREDIT_NO_LIMIT;
    return share > 0 ? share : 1;
}

void thsi_credits_check(const struct thsi_credits *credits)
{
    unsigned listed = 0, idle = 0;

    for (unsigned i = 0; i < THSI_CREDIT_HEADS; i++) {
        for (uint16_t at = credits->heads[i]; at > 0; at = credits->entries[at - 1].next) {
            assert(credits->entries[at - 1].actor.generation != 0);
            listed++;
            assert(listed <= THSI_CREDITS_MAX);
        }
    }
    for (uint16_t at = credits->free; at > 0; at = credits->entries[at - 1].next) {
        assert(credits->entries[at - 1].actor.generation == 0);
        idle++;
        assert(idle <= THSI_CREDITS_MAX);
    }
    assert(listed == credits->count && listed + idle == THSI_CREDITS_MAX);
}
