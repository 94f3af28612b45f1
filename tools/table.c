#define _GNU_SOURCE /* vasprintf */

#include "tools/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct thsi_table {
    const char *const *headings;
    size_t columns;
    char **cells;
    size_t count, cap;
    bool failed;
};

struct thsi_table *thsi_table_create(const char *const *headings, size_t columns)
{
    struct thsi_table *table = calloc(1, sizeof *table);

    if (table) {
        table->headings = headings;
        table->columns = columns;
    }
    return table;
}

static bool make_room(struct thsi_table *table)
{
    size_t cap = table->cap ? 2 * table->cap : 64;
    char **cells;

    if (table->count < table->cap)
        return true;
    cells = realloc(table->cells, cap * sizeof *cells);
    if (!cells)
        return false;
    table->cells = cells;
    table->cap = cap;
    return true;
}

void thsi_table_add(struct thsi_table *table, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (table->failed || !make_room(table) || vasprintf(&text, format, args) < 0)
        table->failed = true;
    else
        table->cells[table->count++] = text;
    va_end(args);
}

static const char *shown(const char *cell)
{
    return *cell ? cell : "-";
}

static int width_of(const struct thsi_table *table, size_t column)
{
    size_t width = strlen(table->headings[column]);

    for (size_t i = column; i < table->count; i += table->columns)
        if (strlen(shown(table->cells[i])) > width)
            width = strlen(shown(table->cells[i]));
    return (int)width;
}

bool thsi_table_print(struct thsi_table *table)
{
    int widths[16] = { 0 };
    bool complete;

    if (!table)
        return false;
    for (size_t column = 0; column < table->columns; column++)
        widths[column] = column + 1 < table->columns ? width_of(table, column) : 0;
    for (size_t column = 0; column < table->columns; column++)
        (void)printf("%-*s%s", widths[column], table->headings[column], column + 1 < table->columns ? "  " : "\n");
    for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
        for (size_t column = 0; column < table->columns; column++)
            (void)printf("%-*s%s", widths[column], shown(table->cells[i + column]),
                         column + 1 < table->columns ? "  " : "\n");
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    complete = !table->failed;
    free(table->cells);
    free(table);
    return complete;
}
