#include "cluster/type_names.h"

unsigned thsi_edit_distance(const char *a, const char *b)
{
    unsigned row[THSI_TYPE_NAME_MAX + 1];
    size_t a_len = strnlen(a, THSI_TYPE_NAME_MAX);
    size_t b_len = strnlen(b, THSI_TYPE_NAME_MAX);

    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0]; /* of the row above */

        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *thsi_last_part(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}

/* Versions of one type have one name: it is listed once. */
static void add_name(struct thsi_near_names *near, const char *name)
{
    for (uint32_t i = 0; i < near->count; i++)
        if (strcmp(near->names[i], name) == 0)
            return;
    if (near->count < THSI_NEAR_MAX)
        near->names[near->count++] = name;
}

/* Messages of the library itself are rarely what somebody looks for. */
static bool is_internal(const char *name)
{
    return strncmp(name, "ths.", 4) == 0;
}

/* All types of which @fits is true, in the order in which they came to be known. */
static void collect(const char *wanted, bool (*fits)(const char *wanted, const char *name),
                    struct thsi_near_names *near)
{
    const struct thsi_type_info *info;

    near->count = 0;
    for (uint32_t id = 1; (info = thsi_type_by_id(id)) != NULL; id++)
        if (fits(wanted, info->name))
            add_name(near, info->name);
}

static bool has_last_part(const char *wanted, const char *name)
{
    return name != thsi_last_part(name) && strcmp(thsi_last_part(name), wanted) == 0;
}

/* A third of the letters may be wrong, and two always. */
static bool is_like(const char *wanted, const char *name)
{
    size_t allowed = strlen(wanted) / 3 > 2 ? strlen(wanted) / 3 : 2;

    return !is_internal(name) && (thsi_edit_distance(wanted, name) <= allowed ||
                                  thsi_edit_distance(thsi_last_part(wanted), thsi_last_part(name)) <= allowed);
}

static bool is_any(const char *wanted, const char *name)
{
    (void)wanted;
    return !is_internal(name);
}

enum ths_err thsi_type_lookup(const char *name, uint32_t version, uint64_t fingerprint,
                              const struct thsi_type_info **out, struct thsi_near_names *near)
{
    near->count = 0;
    if (fingerprint != 0)
        return thsi_type_find(name, version, fingerprint, out);
    *out = thsi_type_by_name(name);
    if (*out)
        return THS_OK;
    collect(name, has_last_part, near);
    if (near->count == 1) {
        *out = thsi_type_by_name(near->names[0]);
        near->count = 0;
        return THS_OK;
    }
    if (near->count > 1)
        return THS_INVALID;
    collect(name, is_like, near);
    if (near->count == 0)
        collect(name, is_any, near);
    return THS_UNKNOWN_TYPE;
}
