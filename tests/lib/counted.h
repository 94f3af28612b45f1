/* Counted: what ths_message_stats says of one behaviour and type. */

#ifndef THS_TESTS_LIB_COUNTED_H
#define THS_TESTS_LIB_COUNTED_H

#include <string.h>

#include "thiasos/observe.h"

struct counted_search {
    const char *behaviour, *type;
    struct ths_message_stats found;
};

static inline void counted_look(void *arg, const struct ths_message_stats *stats)
{
    struct counted_search *search = arg;

    if (strcmp(stats->behaviour, search->behaviour) == 0 && strcmp(stats->type, search->type) == 0)
        search->found = *stats;
}

/* All zero when there is no such row. */
static inline struct ths_message_stats counted(const struct ths_node *node, const char *behaviour, const char *type)
{
    struct counted_search search = { .behaviour = behaviour, .type = type };

    ths_message_stats(node, counted_look, &search);
    return search.found;
}

#endif /* THS_TESTS_LIB_COUNTED_H */
