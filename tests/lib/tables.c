#include "tests/lib/tables.h"

#include "node/node.h"

static bool lives(struct ths_node *const nodes[], unsigned nodes_count, ths_ref ref)
{
    enum ths_err err;

    for (unsigned i = 0; i < nodes_count; i++)
        if (nodes[i]->uid == ref.node)
            return thsi_actor_find(nodes[i], ref, &err) != NULL;
    return false; /* of a boot that is no more */
}

static uint32_t dangling_in(const struct thsi_relations *set, struct ths_node *const nodes[], unsigned nodes_count)
{
    uint32_t count = 0;

    for (const struct thsi_relation *at = set->first; at; at = at->next)
        count += !lives(nodes, nodes_count, at->other);
    return count;
}

void tables_look(struct ths_node *node, struct ths_node *const nodes[], unsigned nodes_count, struct tables_left *left)
{
    uint32_t used = thsi_table_used(&node->table);

    *left = (struct tables_left){ 0 };
    for (uint32_t slot = 0; slot < used; slot++) {
        const struct thsi_actor *actor = thsi_table_at(&node->table, slot);
        const struct thsi_rare *rare = actor->rare;
        ths_ref holder;

        if (!thsi_generation_lives(thsi_actor_generation(actor)) || !rare)
            continue;
        left->dangling += dangling_in(&rare->links, nodes, nodes_count) + dangling_in(&rare->monitors, nodes, nodes_count) +
                          dangling_in(&rare->watchers, nodes, nodes_count);
        if (rare->name[0] && !(thsi_names_get(&node->names, rare->name, &holder, NULL) &&
                               ths_ref_equal(holder, thsi_actor_ref(node, actor))))
            left->dangling++;
    }
}
