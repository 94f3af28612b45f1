/* Control rows: what the tables of a control socket have in common.
 *
 * Rows are copied while they are visited, then sent as one message. A table has at most THSI_ROWS_MAX rows and
 * THSI_ROWS_TEXT_MAX bytes of text, so that it fits into a frame; what is beyond is cut, and it says so. */

#ifndef THSI_CLUSTER_CONTROL_ROWS_H
#define THSI_CLUSTER_CONTROL_ROWS_H

#include "cluster/control_messages.h"
#include "cluster/control_requests.h"

#define THSI_ROWS_TEXT_MAX (640u * 1024) /* beside it, 4,096 rows of numbers take at most 90 bytes each */

/* First in a struct of columns. */
struct thsi_rows {
    uint32_t count;
    bool cut; /* something did not fit: rows and text end here */
    size_t used;
    char text[THSI_ROWS_TEXT_MAX];
};

/* A struct of @size bytes that begins with an empty struct thsi_rows, the rest being anything; NULL: no memory. Gives;
 * thsi_rows_send. */
void *thsi_rows_create(struct thsi_control_session *session, size_t size);

/* Answer with @answer, which may point into @rows, and free @rows (takes). */
THS_MUST_CHECK enum ths_err thsi_rows_send(struct thsi_control_session *session, void *rows, struct ths_type *type,
                                           const void *answer);

/* Lends the copy; NULL is "". When there is no room: "", and the table is cut. */
const char *thsi_rows_text(struct thsi_rows *rows, const char *from);

/* Whether there is room for one more row; if not the table is cut. / The row that was filled is whole: it is counted, unless
 * its text was cut. */
bool thsi_rows_begin(struct thsi_rows *rows);
void thsi_rows_end(struct thsi_rows *rows);

#endif /* THSI_CLUSTER_CONTROL_ROWS_H */
