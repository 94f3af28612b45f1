/* The answers of control_requests.h that take a closer look at the node's work (include/thiasos/observe.h). */

#include "cluster/control_rows.h"

#include "thiasos/observe.h"

/* ---- Stats ----------------------------------------------------------------------------------- */

struct stats_rows {
    struct thsi_rows rows;
    const char *behaviours[THSI_ROWS_MAX], *types[THSI_ROWS_MAX];
    uint64_t handled[THSI_ROWS_MAX], busy_ns[THSI_ROWS_MAX], busy_max_ns[THSI_ROWS_MAX];
    uint64_t waited[THSI_ROWS_MAX], waited_ns[THSI_ROWS_MAX], waited_max_ns[THSI_ROWS_MAX];
    uint64_t refused[THSI_ROWS_MAX], expired[THSI_ROWS_MAX], crashed[THSI_ROWS_MAX];
};

static void add_stats(void *arg, const struct ths_message_stats *stats)
{
    struct stats_rows *to = arg;
    uint32_t row = to->rows.count;

    if (!thsi_rows_begin(&to->rows))
        return;
    to->behaviours[row] = thsi_rows_text(&to->rows, stats->behaviour);
    to->types[row] = thsi_rows_text(&to->rows, stats->type);
    to->handled[row] = stats->handled;
    to->busy_ns[row] = stats->busy_ns;
    to->busy_max_ns[row] = stats->busy_max_ns;
    to->waited[row] = stats->waited;
    to->waited_ns[row] = stats->waited_ns;
    to->waited_max_ns[row] = stats->waited_max_ns;
    to->refused[row] = stats->refused;
    to->expired[row] = stats->expired;
    to->crashed[row] = stats->crashed;
    thsi_rows_end(&to->rows);
}

enum ths_err thsi_control_answer_stats(struct thsi_control_session *session)
{
    struct stats_rows *to = thsi_rows_create(session, sizeof *to);
    struct control_stats_answer answer;

    if (!to)
        return THS_NOMEM;
    ths_message_stats(session->node, add_stats, to);
    answer = (struct control_stats_answer){
        .cut = to->rows.cut,
        .behaviours = { to->behaviours, to->rows.count },
        .types = { to->types, to->rows.count },
        .handled = { to->handled, to->rows.count },
        .busy_ns = { to->busy_ns, to->rows.count },
        .busy_max_ns = { to->busy_max_ns, to->rows.count },
        .waited = { to->waited, to->rows.count },
        .waited_ns = { to->waited_ns, to->rows.count },
        .waited_max_ns = { to->waited_max_ns, to->rows.count },
        .refused = { to->refused, to->rows.count },
        .expired = { to->expired, to->rows.count },
        .crashed = { to->crashed, to->rows.count },
    };
    return thsi_rows_send(session, to, &control_stats_answer_type, &answer);
}
