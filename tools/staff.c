#include "tools/staff.h"

#include <string.h>

struct thsi_boot_row *thsi_staff_boot(struct thsi_staff *staff, uint64_t uid)
{
    for (size_t i = 0; i < staff->boots_count; i++)
        if (staff->boots[i].uid == uid)
            return &staff->boots[i];
    if (staff->boots_count == THSI_BOOTS_MAX)
        return NULL;
    staff->boots[staff->boots_count] = (struct thsi_boot_row){ .uid = uid };
    return &staff->boots[staff->boots_count++];
}

struct thsi_counter_row *thsi_staff_find(struct thsi_staff *staff, ths_ref ref)
{
    for (size_t i = 0; i < staff->counters_count; i++)
        if (ths_ref_equal(staff->counters[i].ref, ref))
            return &staff->counters[i];
    return NULL;
}

struct thsi_counter_row *thsi_staff_hire(struct thsi_staff *staff, ths_ref ref)
{
    struct thsi_counter_row *counter;

    if (thsi_staff_find(staff, ref) || staff->counters_count == THSI_COUNTERS_MAX || !thsi_staff_boot(staff, ref.node))
        return NULL;
    counter = &staff->counters[staff->counters_count++];
    *counter = (struct thsi_counter_row){ .ref = ref, .alive = true };
    return counter;
}

size_t thsi_staff_alive(const struct thsi_staff *staff)
{
    size_t alive = 0;

    for (size_t i = 0; i < staff->counters_count; i++)
        alive += staff->counters[i].alive;
    return alive;
}

size_t thsi_staff_alive_on(const struct thsi_staff *staff, uint64_t uid)
{
    size_t alive = 0;

    for (size_t i = 0; i < staff->counters_count; i++)
        alive += staff->counters[i].alive && staff->counters[i].ref.node == uid;
    return alive;
}

bool thsi_staff_can_replace(const struct thsi_staff *staff)
{
    for (size_t i = 0; i < staff->counters_count; i++)
        for (size_t at = 0; at < staff->boots_count; at++)
            if (staff->boots[at].up && staff->boots[at].uid != staff->victim &&
                staff->boots[at].uid == staff->counters[i].ref.node)
                return true;
    return false;
}

void thsi_staff_said(struct thsi_counter_row *counter, uint64_t finished, uint64_t finished_bytes)
{
    if (finished < counter->finished) {
        counter->before += counter->finished;
        counter->before_bytes += counter->finished_bytes;
    }
    counter->finished = finished;
    counter->finished_bytes = finished_bytes;
}

struct thsi_boot_row *thsi_staff_named(struct thsi_staff *staff, const char *name)
{
    for (size_t i = 0; i < staff->boots_count; i++)
        if (staff->boots[i].up && strcmp(staff->boots[i].name, name) == 0 &&
            thsi_staff_alive_on(staff, staff->boots[i].uid) > 0)
            return &staff->boots[i];
    return NULL;
}

void thsi_staff_orphan(struct thsi_staff *staff, uint64_t range)
{
    staff->held_at_death++;
    if (staff->orphans_count < THSI_ORPHANS_MAX)
        staff->orphans[staff->orphans_count++] = range;
}

void thsi_staff_credit(struct thsi_staff *staff, uint64_t uid, uint64_t range)
{
    struct thsi_boot_row *boot = thsi_staff_boot(staff, uid);

    if (!boot)
        return;
    boot->credited++;
    for (size_t i = 0; i < staff->orphans_count; i++)
        if (staff->orphans[i] == range) {
            staff->orphans[i] = staff->orphans[--staff->orphans_count];
            boot->adopted++;
            return;
        }
}

struct thsi_boot_sum thsi_staff_sum(const struct thsi_staff *staff, uint64_t uid)
{
    struct thsi_boot_sum sum = { 0 };

    for (size_t i = 0; i < staff->counters_count; i++) {
        const struct thsi_counter_row *counter = &staff->counters[i];

        if (counter->ref.node != uid)
            continue;
        sum.counters++;
        sum.finished += counter->before + counter->finished;
        sum.finished_bytes += counter->before_bytes + counter->finished_bytes;
    }
    return sum;
}
