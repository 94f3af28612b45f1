/* Table: aligned columns for people. */

#ifndef THSI_TOOLS_TABLE_H
#define THSI_TOOLS_TABLE_H

#include <stddef.h>

struct thsi_table;

/* A table with these headings (borrowed for its life). NULL when memory is out. */
struct thsi_table *thsi_table_create(const char *const *headings, size_t columns);

/* Append a cell (copied), row by row. "" is shown as "-". When memory is out the rest is dropped, and print says so. */
void thsi_table_add(struct thsi_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print to stdout, free. Returns whether all of it was there. NULL is not. */
_Bool thsi_table_print(struct thsi_table *table);

#endif /* THSI_TOOLS_TABLE_H */
