#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINES_MAX = 4096, LINE_SIZE = 256, LABELS_MAX = 256, LABEL_SIZE = 32 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t lines_count, labels_count;
    char lines[LINES_MAX][LINE_SIZE];
    struct { ths_ref ref; char text[LABEL_SIZE]; } labels[LABELS_MAX];
} probe = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct timespec limit(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PROBE_LIMIT_MS / 1000u;
    return until;
}

void probe_reset(void)
{
    (void)pthread_mutex_lock(&probe.lock);
    probe.lines_count = probe.labels_count = 0;
    (void)pthread_mutex_unlock(&probe.lock);
}

void probe_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)pthread_mutex_lock(&probe.lock);
    if (probe.lines_count < LINES_MAX)
        (void)vsnprintf(probe.lines[probe.lines_count++], LINE_SIZE, format, args);
    (void)pthread_cond_broadcast(&probe.changed);
    (void)pthread_mutex_unlock(&probe.lock);
    va_end(args);
}

void probe_name(ths_ref ref, const char *label)
{
    (void)pthread_mutex_lock(&probe.lock);
    if (probe.labels_count < LABELS_MAX) {
        probe.labels[probe.labels_count].ref = ref;
        (void)snprintf(probe.labels[probe.labels_count].text, LABEL_SIZE, "%s", label);
        probe.labels_count++;
    }
    (void)pthread_mutex_unlock(&probe.lock);
}

const char *probe_label(ths_ref ref)
{
    const char *label = ths_ref_is_nobody(ref) ? "nobody" : "stranger";

    (void)pthread_mutex_lock(&probe.lock);
    for (size_t i = 0; i < probe.labels_count; i++)
        if (ths_ref_equal(probe.labels[i].ref, ref))
            label = probe.labels[i].text;
    (void)pthread_mutex_unlock(&probe.lock);
    return label;
}

size_t probe_count(void)
{
    size_t count;

    (void)pthread_mutex_lock(&probe.lock);
    count = probe.lines_count;
    (void)pthread_mutex_unlock(&probe.lock);
    return count;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All lines as one text. Gives; free. */
static char *joined(bool sorted)
{
    char *text, *at;

    (void)pthread_mutex_lock(&probe.lock);
    if (sorted)
        qsort(probe.lines, probe.lines_count, LINE_SIZE, by_text);
    at = text = malloc(probe.lines_count * (LINE_SIZE + 1) + 1);
    *text = '\0';
    for (size_t i = 0; i < probe.lines_count; i++)
        at += sprintf(at, "%s\n", probe.lines[i]);
    (void)pthread_mutex_unlock(&probe.lock);
    return text;
}

void probe_wait(size_t lines)
{
    struct timespec until = limit();
    int late = 0;

    (void)pthread_mutex_lock(&probe.lock);
    while (probe.lines_count < lines && late == 0)
        late = pthread_cond_timedwait(&probe.changed, &probe.lock, &until);
    (void)pthread_mutex_unlock(&probe.lock);
    if (late != 0) {
        char *text = joined(false);
        print_error("waited for %zu lines, have:\n%s", lines, text);
        free(text);
        fail();
    }
}

size_t probe_find(const char *line)
{
    size_t at = 0;

    (void)pthread_mutex_lock(&probe.lock);
    while (at < probe.lines_count && strcmp(probe.lines[at], line) != 0)
        at++;
    (void)pthread_mutex_unlock(&probe.lock);
    assert_in_range(at, 0, probe_count() - 1);
    return at;
}

static void compare(const char *expected, bool sorted)
{
    size_t lines = 0;
    char *text;

    for (const char *at = expected; *at; at++)
        lines += *at == '\n';
    probe_wait(lines);
    text = joined(sorted);
    assert_string_equal(text, expected);
    free(text);
}

void assert_noted(const char *expected)
{
    compare(expected, false);
}

void assert_noted_in_any_order(const char *expected)
{
    char lines[64][LINE_SIZE], *text = malloc(strlen(expected) + 1), *at = text;
    size_t count = 0;

    for (const char *from = expected; *from && count < 64; from = strchr(from, '\n') + 1)
        (void)snprintf(lines[count++], LINE_SIZE, "%.*s", (int)strcspn(from, "\n"), from);
    qsort(lines, count, LINE_SIZE, by_text);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s\n", lines[i]);
    compare(text, true);
    free(text);
}

void probe_gate_pass(struct probe_gate *gate)
{
    struct timespec until = limit();
    int late = 0;

    (void)pthread_mutex_lock(&gate->lock);
    gate->reached = true;
    gate->inside++;
    (void)pthread_cond_broadcast(&gate->changed);
    while (!gate->open && late == 0)
        late = pthread_cond_timedwait(&gate->changed, &gate->lock, &until);
    gate->inside--;
    (void)pthread_cond_broadcast(&gate->changed);
    (void)pthread_mutex_unlock(&gate->lock);
}

void probe_gate_reached(struct probe_gate *gate)
{
    struct timespec until = limit();
    int late = 0;

    (void)pthread_mutex_lock(&gate->lock);
    while (!gate->reached && late == 0)
        late = pthread_cond_timedwait(&gate->changed, &gate->lock, &until);
    (void)pthread_mutex_unlock(&gate->lock);
    assert_int_equal(late, 0);
}

void probe_gate_open(struct probe_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->open = true;
    (void)pthread_cond_broadcast(&gate->changed);
    while (gate->inside > 0)
        (void)pthread_cond_wait(&gate->changed, &gate->lock);
    (void)pthread_mutex_unlock(&gate->lock);
}
