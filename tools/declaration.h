/* Declaration: what a node says of a message type, kept as it was said, in files too, and compared with another.
 *
 * Other than a dynamic type it enters no table, so that two declarations of one name can be looked at side by side. */

#ifndef THSI_TOOLS_DECLARATION_H
#define THSI_TOOLS_DECLARATION_H

#include <jansson.h>

#include "cluster/control_messages.h"
#include "codec/schema_resolve.h"

#define THSI_DECLARATION_WHY_SIZE 256u
#define THSI_CHANGES_MAX (2 * THS_FIELDS_MAX)
#define THSI_BOUNDED_TEXT_SIZE 64u

struct thsi_declaration {
    struct thsi_description description; /* its fields have their bounds */
    char name[THSI_TYPE_NAME_MAX + 1];
};

/* Copies @described. It points into itself, so it is not to be moved.
 * Errors: MALFORMED (lists of different lengths, or no declaration). */
THS_MUST_CHECK enum ths_err thsi_declaration_init(struct thsi_declaration *declaration, const struct ths_described *described);

/* As an object that the next function reads; the caller's. NULL when memory is out. */
json_t *thsi_declaration_to_json(const struct thsi_declaration *declaration);

/* Errors: MALFORMED, with the end of a sentence in @why. */
THS_MUST_CHECK enum ths_err thsi_declaration_from_json(struct thsi_declaration *declaration, const json_t *object, char *why);

/* A field's kind with its bound: "string, at most 100 bytes". Writes into @out of THSI_BOUNDED_TEXT_SIZE bytes; returns it. */
char *thsi_bounded_print(const struct ths_field *field, char *out);

/* ---- Comparing -------------------------------------------------------------------------- */

/* One field that is in either declaration. */
struct thsi_change {
    const struct ths_field *before, *after; /* lent by the declarations; NULL: not there */
    bool is_safe;
    char why[THSI_DECLARATION_WHY_SIZE];    /* what it means while both are in use; "": nothing */
};

struct thsi_changes {
    bool is_safe;         /* all are, and both have one name */
    uint32_t count;
    struct thsi_change of[THSI_CHANGES_MAX]; /* the fields of the new one in their order, then those that are gone */
};

/* Whether nodes with @before and nodes with @after understand each other, both ways. Borrows both for the life of @out. */
void thsi_declarations_compare(const struct thsi_declaration *before, const struct thsi_declaration *after,
                               struct thsi_changes *out);

#endif /* THSI_TOOLS_DECLARATION_H */
