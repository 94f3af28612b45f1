#include "node/relations.h"

#include <string.h>

#include "node/base/map.h"
#include "node/message.h"

enum {
    FEW = 8,         /* so many are looked through */
    CHAINS_MIN = 32, /* so many chains there are at first */
    BLOCK = 64
};

_Static_assert(offsetof(struct thsi_relation, size_class) == THSI_POOL_CLASS_OFFSET, "a block keeps its class");
_Static_assert(sizeof(struct thsi_relation) <= BLOCK, "a relation is a block of the smallest class");
_Static_assert(sizeof(struct thsi_message) + offsetof(struct thsi_control, text) + 1 <= BLOCK,
               "a signal without text has room in a relation's block");

struct thsi_chains {
    uint64_t seed[2];
    uint32_t mask;               /* chains - 1 */
    struct thsi_relation *at[];
};

static struct thsi_relation **chain_of(const struct thsi_relations *set, ths_ref other, uint64_t id)
{
    const struct { ths_ref other; uint64_t id; } key = { set->by_id && id != 0 ? (ths_ref){ 0, 0, 0 } : other, id };

    return &set->chains->at[thsi_hash(set->chains->seed, &key, sizeof key) & set->chains->mask];
}

/* Twice as many chains, if there is memory. */
static void grow(struct thsi_relations *set, struct thsi_pool *pool)
{
    struct ths_env *env = pool->depot->env;
    uint32_t chains = set->chains ? 2 * (set->chains->mask + 1) : CHAINS_MIN;
    size_t size = sizeof(struct thsi_chains) + chains * sizeof(struct thsi_relation *);
    struct thsi_chains *grown = env->memory(env, NULL, size);

    if (!grown)
        return;
    memset(grown, 0, size);
    grown->mask = chains - 1;
    env->random(env, grown->seed, sizeof grown->seed);
    (void)env->memory(env, set->chains, 0);
    set->chains = grown;
    for (struct thsi_relation *at = set->first; at; at = at->next) {
        struct thsi_relation **chain = chain_of(set, at->other, at->id);

        at->following = *chain;
        *chain = at;
    }
}

struct thsi_relation *thsi_relation_new(struct thsi_pool *pool)
{
    return thsi_pool_get(pool, BLOCK);
}

void thsi_relations_put(struct thsi_relations *set, struct thsi_pool *pool, uint64_t self, struct thsi_relation *relation,
                        ths_ref other, uint64_t id)
{
    relation->next = set->first;
    relation->at = &set->first;
    relation->other = other;
    relation->id = id;
    relation->asked = relation->heard = 0;
    relation->shared = false;
    relation->following = NULL;
    if (set->first)
        set->first->at = &relation->next;
    set->first = relation;
    set->count++;
    set->elsewhere += other.node != self;
    if (set->chains) {
        struct thsi_relation **chain = chain_of(set, other, id);

        relation->following = *chain;
        *chain = relation;
    }
    if (set->count > (set->chains ? set->chains->mask + 1 : FEW))
        grow(set, pool);
}

enum ths_err thsi_relations_add(struct thsi_relations *set, struct thsi_pool *pool, uint64_t self, ths_ref other, uint64_t id)
{
    struct thsi_relation *relation = thsi_relation_new(pool);

    if (!relation)
        return THS_NOMEM;
    thsi_relations_put(set, pool, self, relation, other, id);
    return THS_OK;
}

static bool is_it(const struct thsi_relations *set, const struct thsi_relation *relation, ths_ref other, uint64_t id)
{
    bool any = set->by_id && id != 0 && ths_ref_is_nobody(other);

    return relation->id == id && (any || ths_ref_equal(relation->other, other));
}

struct thsi_relation *thsi_relations_find(const struct thsi_relations *set, ths_ref other, uint64_t id)
{
    struct thsi_relation *at = set->chains ? *chain_of(set, other, id) : set->first;

    while (at && !is_it(set, at, other, id))
        at = set->chains ? at->following : at->next;
    return at;
}

void thsi_relations_take(struct thsi_relations *set, uint64_t self, struct thsi_relation *relation)
{
    *relation->at = relation->next;
    if (relation->next)
        relation->next->at = relation->at;
    set->count--;
    set->elsewhere -= relation->other.node != self;
    if (set->chains) {
        struct thsi_relation **link = chain_of(set, relation->other, relation->id);

        while (*link != relation)
            link = &(*link)->following;
        *link = relation->following;
    }
}

void thsi_relation_free(struct thsi_pool *pool, struct thsi_relation *relation)
{
    thsi_pool_put(pool, relation, relation->size_class);
}

void thsi_relations_fini(struct thsi_relations *set, struct thsi_pool *pool)
{
    struct ths_env *env = pool->depot->env;

    (void)env->memory(env, set->chains, 0);
    set->chains = NULL;
}

struct thsi_message *thsi_relation_become(struct thsi_relation *relation, const struct thsi_signal *signal)
{
    return thsi_message_become((struct thsi_message *)relation, signal);
}
