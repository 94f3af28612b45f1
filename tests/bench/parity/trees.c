/* Supervision trees: built, and their leaves killed one after the other. */

#include "parity.h"

#include <stdlib.h>

THS_MESSAGE(sprout, "parity.sprout", 1, ref(to))
THS_MESSAGE(sprouted, "parity.sprouted", 1, ref(who))
THS_MESSAGE(season, "parity.season", 1, u64(leaves), u64(kills))

static uint64_t began_ns, built_ns, felled_ns;

/* ---- Leaves and who counts them ------------------------------------------------------------ */

struct leaf { char none; };

THS_ON(leaf, sprout) { ths_tell(ctx, msg->to, sprouted, .who = ths_self(ctx)); }

THS_BEHAVIOUR(leaf, sprout)

struct forester {
    uint64_t waiting, kills, kills_left;
    ths_ref next;
};

THS_ON(forester, season)
{
    self->waiting = msg->leaves;
    self->kills = self->kills_left = msg->kills;
}

/* Each leaf says so when it begins, first and after each restart; the one that did last is killed next. */
THS_ON(forester, sprouted)
{
    if (self->waiting > 0) {
        if (--self->waiting > 0)
            return;
        built_ns = bench_now_ns() - began_ns;
        began_ns = bench_now_ns();
    }
    if (self->kills_left-- > 0) {
        ths_kill(ctx, msg->who);
        return;
    }
    felled_ns = bench_now_ns() - began_ns;
    bench_done();
}

THS_BEHAVIOUR(forester, season, sprouted)

/* ---- Trees ----------------------------------------------------------------------------------- */

static const struct ths_supervisor_options patient = { .restarts = 1000, .within_ms = 1, .backoff_ms = 1, .backoff_max_ms = 1 };

/* The children of a node of the tree, @depth levels of them. Freed with fell_tree. */
static struct ths_child *grow_tree(unsigned depth, unsigned breadth, struct ths_message start)
{
    struct ths_child *children = calloc(breadth, sizeof *children);

    if (!children)
        bench_die("no memory for a tree");
    for (unsigned i = 0; i < breadth; i++) {
        char *name = malloc(8);

        if (!name)
            bench_die("no memory for a name");
        name[0] = (char)('a' + i);
        name[1] = '\0';
        children[i].name = name;
        children[i].behaviour = depth == 1 ? "leaf" : NULL;
        children[i].start = depth == 1 ? start : (struct ths_message){ NULL, NULL };
        children[i].children = depth == 1 ? NULL : grow_tree(depth - 1, breadth, start);
        children[i].children_count = depth == 1 ? 0 : breadth;
        children[i].options = depth == 1 ? NULL : &patient;
    }
    return children;
}

static void fell_tree(const struct ths_child *children, unsigned breadth)
{
    for (unsigned i = 0; children && i < breadth; i++) {
        fell_tree(children[i].children, breadth);
        free((void *)(uintptr_t)children[i].name);
    }
    free((void *)(uintptr_t)children);
}

static void tree_rows(const struct bench_options *options, unsigned depth, unsigned breadth)
{
    enum { KILLS = 500 };
    struct ths_node *node = bench_node(options, "trees");
    ths_ref counter = ths_spawn(node, forester, .mailbox = 16384);
    struct ths_child *children = grow_tree(depth, breadth, THS_MSG(sprout, .to = counter));
    uint64_t leaves = 1, kills = bench_scale(options, KILLS);

    for (unsigned i = 0; i < depth; i++)
        leaves *= breadth;
    if (ths_register(node, leaf) != THS_OK)
        bench_die("the leaves cannot be registered");
    ths_tell(node, counter, season, .leaves = leaves, .kills = kills);
    began_ns = bench_now_ns();
    if (ths_ref_is_nobody(thsp_supervise(thsp_of_node(node), children, breadth, &patient, NULL)))
        bench_die("the tree is not planted");
    bench_wait();
    fell_tree(children, breadth);
    ths_node_stop(node, 60000);
    parity_row("W8", leaves, "leaves", built_ns, "a tree of supervisors built: %u levels of %u", depth, breadth);
    parity_row("W8", kills, "restarts", felled_ns, "its leaves killed and restarted, one by one, after 1 ms");
}

void parity_trees(const struct bench_options *options)
{
    tree_rows(options, 3, 10);
    tree_rows(options, 5, 5);
    tree_rows(options, 10, 2);
}
