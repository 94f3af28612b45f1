#include "node/deadlines.h"

/* Make one heap of two; neither is NULL. Returns its root, whose siblings are the caller's to set. */
static struct thsi_deadline *meld(struct thsi_deadline *a, struct thsi_deadline *b)
{
    if (b->ns < a->ns) {
        struct thsi_deadline *first = b;
        b = a;
        a = first;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Make one heap of a row of siblings: by pairs from the left, then all of them from the right. NULL for an empty row. */
static struct thsi_deadline *meld_row(struct thsi_deadline *row)
{
    struct thsi_deadline *pairs = NULL, *root;

    while (row) {
        struct thsi_deadline *a = row, *b = row->next;

        row = b ? b->next : NULL;
        root = b ? meld(a, b) : a;
        root->next = pairs;
        pairs = root;
    }
    if (!pairs)
        return NULL;
    root = pairs;
    pairs = pairs->next;
    while (pairs) {
        struct thsi_deadline *next = pairs->next;

        root = meld(root, pairs);
        pairs = next;
    }
    root->next = root->prev = NULL;
    return root;
}

void thsi_deadline_add(struct thsi_deadline **root, struct thsi_deadline *node)
{
    node->child = NULL;
    *root = *root ? meld(*root, node) : node;
    (*root)->next = (*root)->prev = NULL;
}

static void cut(struct thsi_deadline *node)
{
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next)
        node->next->prev = node->prev;
}

void thsi_deadline_remove(struct thsi_deadline **root, struct thsi_deadline *node)
{
    struct thsi_deadline *below = meld_row(node->child);

    if (node == *root) {
        *root = below;
        return;
    }
    cut(node);
    if (below) {
        *root = meld(*root, below);
        (*root)->next = (*root)->prev = NULL;
    }
}
