/* Note: log lines of the cluster half, through the environment of its node. */

#ifndef THSI_CLUSTER_NOTE_H
#define THSI_CLUSTER_NOTE_H

#include "node/runtime.h"

/* Write one line for @component. Thread: any. */
void thsi_note(const struct thsi_runtime *runtime, enum ths_log_level level, const char *component,
               const char *format, ...) THS_PRINTF(4, 5);

/* At most one line a second of a kind that strangers can cause at will. */
struct thsi_note_limit {
    uint64_t next_ns;
    uint64_t held_back;
};

/* Whether a line may be written now; *@held_back then says how many were not since the last one. */
bool thsi_note_allowed(struct thsi_note_limit *limit, uint64_t now_ns, uint64_t *held_back);

#endif /* THSI_CLUSTER_NOTE_H */
