#include "cluster/control_rows.h"

void *thsi_rows_create(struct thsi_control_session *session, size_t size)
{
    struct thsi_rows *rows = session->link.env->memory(session->link.env, NULL, size);

    if (rows) {
        rows->count = 0;
        rows->cut = false;
        rows->used = 0;
    }
    return rows;
}

enum ths_err thsi_rows_send(struct thsi_control_session *session, void *rows, struct ths_type *type, const void *answer)
{
    enum ths_err err = thsi_control_write(&session->link, type, answer);

    (void)session->link.env->memory(session->link.env, rows, 0);
    return err;
}

const char *thsi_rows_text(struct thsi_rows *rows, const char *from)
{
    size_t len = from ? strlen(from) : 0;
    char *copy = rows->text + rows->used;

    if (rows->used + len + 1 > THSI_ROWS_TEXT_MAX) {
        rows->cut = true;
        return "";
    }
    memcpy(copy, from ? from : "", len);
    copy[len] = '\0';
    rows->used += len + 1;
    return copy;
}

bool thsi_rows_begin(struct thsi_rows *rows)
{
    if (rows->count == THSI_ROWS_MAX)
        rows->cut = true;
    return !rows->cut;
}

void thsi_rows_end(struct thsi_rows *rows)
{
    if (!rows->cut)
        rows->count++;
}
