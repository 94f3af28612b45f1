#include "tools/demo_print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_MS 100u
#define LINE_MS 1000u
#define RATE_MS 1000u
#define TOP_WORDS 20u
#define LEFT_OUT_SHOWN 50u

void thsi_demo_screen_init(struct thsi_demo_screen *screen, bool events)
{
    struct winsize size;

    *screen = (struct thsi_demo_screen){ .events = events, .redraw = isatty(STDOUT_FILENO) == 1, .width = 80 };
    if (screen->redraw && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        screen->width = size.ws_col;
}

void thsi_demo_print(struct thsi_demo_screen *screen, const char *kind, const char *format, ...)
{
    va_list args;

    if (!screen->events && strcmp(kind, "say") != 0 && strcmp(kind, "line") != 0)
        return;
    if (screen->drawn)
        (void)printf("\r\033[K");
    screen->drawn = false;
    if (screen->events)
        (void)printf("%s\t", kind);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* The rate of the last second, or of all when there is no second yet. */
static void measure(struct thsi_demo_screen *screen, uint64_t bytes, uint64_t now_ms)
{
    if (screen->start_ms == 0) {
        screen->start_ms = screen->mark_ms = now_ms;
        return;
    }
    if (now_ms > screen->start_ms && now_ms - screen->start_ms < RATE_MS) {
        screen->rate = (double)bytes / (double)(now_ms - screen->start_ms) / 1000.0;
    } else if (now_ms - screen->mark_ms >= RATE_MS) {
        screen->rate = (double)(bytes - screen->mark_bytes) / (double)(now_ms - screen->mark_ms) / 1000.0;
        screen->mark_ms = now_ms;
        screen->mark_bytes = bytes;
    }
}

void thsi_demo_progress(struct thsi_demo_screen *screen, const struct thsi_progress *progress, size_t members,
                        uint64_t restarts, uint64_t now_ms)
{
    char text[200];

    if (progress->round == 0)
        return;
    measure(screen, progress->bytes_all, now_ms);
    if (now_ms - screen->last_ms < (screen->events || screen->redraw ? REDRAW_MS : LINE_MS))
        return;
    screen->last_ms = now_ms;
    (void)snprintf(text, sizeof text,
                   "round %u  files %zu/%zu  %3llu %%  %.1f MB/s  members %zu  counters %zu  restarts %llu  "
                   "sent again %llu",
                   progress->round, progress->files_done, progress->files,
                   (unsigned long long)(progress->bytes ? progress->bytes_done * 100 / progress->bytes : 100),
                   screen->rate, members, progress->counters, (unsigned long long)restarts,
                   (unsigned long long)progress->sent_again);
    if (screen->events || !screen->redraw) {
        thsi_demo_print(screen, screen->events ? "progress" : "line", "%s", text);
        return;
    }
    (void)printf("\r%.*s\033[K", (int)screen->width - 1, text);
    (void)fflush(stdout);
    screen->drawn = true;
}

/* ---- Tables ----------------------------------------------------------------------------- */

static void print_top(struct thsi_demo_screen *screen, const struct thsi_words *words)
{
    const struct thsi_word *top[TOP_WORDS];
    size_t count = thsi_words_top(words, top, TOP_WORDS);

    thsi_demo_print(screen, "line", "%s", "");
    thsi_demo_print(screen, "line", "%4s  %10s  %s", "rank", "times", "word");
    for (size_t i = 0; i < count; i++)
        thsi_demo_print(screen, "line", "%4zu  %10llu  %.60s", i + 1, (unsigned long long)top[i]->count,
                        top[i]->letters);
    thsi_demo_print(screen, "line", "%4s  %10llu  words in all, %zu different", "", (unsigned long long)words->total,
                    words->count);
}

/* One row for each boot that had counters. The numbers are what its own counters said. */
static void print_boots(struct thsi_demo_screen *screen, const struct thsi_staff *staff)
{
    thsi_demo_print(screen, "line", "%s", "");
    thsi_demo_print(screen, "line", "%-12s %-16s %8s %8s %10s %8s  %s", "node", "boot", "counters", "ranges", "MB",
                    "adopted", "");
    for (size_t i = 0; i < staff->boots_count; i++) {
        const struct thsi_boot_row *boot = &staff->boots[i];
        struct thsi_boot_sum sum = thsi_staff_sum(staff, boot->uid);

        if (sum.counters == 0)
            continue;
        thsi_demo_print(screen, "line", "%-12s %016llx %8zu %8llu %10.1f %8llu  %s", boot->name,
                        (unsigned long long)(boot->boot ? boot->boot : boot->uid), sum.counters,
                        (unsigned long long)sum.finished, (double)sum.finished_bytes / 1e6,
                        (unsigned long long)boot->adopted, boot->uid == staff->victim ? "killed" : "");
        thsi_demo_print(screen, "boot", "%s %016llx %llu %llu %s", boot->name, (unsigned long long)boot->uid,
                        (unsigned long long)sum.finished, (unsigned long long)boot->adopted,
                        boot->uid == staff->victim ? "killed" : "alive");
    }
    if (staff->victim != 0)
        thsi_demo_print(screen, "line", "(ranges as each node's own counters say; adopted: of the %zu ranges that the killed "
                        "node held at its death)", staff->held_at_death);
}

size_t thsi_demo_left_out(const struct thsi_outcome *outcome)
{
    size_t count = 0;

    for (size_t i = 0; i < outcome->job->files_count; i++)
        count += outcome->job->files[i].left_out != THSI_FIT;
    return count;
}

/* File names are anybody's bytes: what is no printable ASCII is shown as a question mark. */
static void print_left_out(struct thsi_demo_screen *screen, const struct thsi_outcome *outcome)
{
    size_t shown = 0, count = thsi_demo_left_out(outcome);
    char name[256];

    if (count == 0)
        return;
    thsi_demo_print(screen, "line", "%s", "");
    thsi_demo_print(screen, "line", "left out: %zu", count);
    for (size_t i = 0; i < outcome->job->files_count && shown < LEFT_OUT_SHOWN; i++) {
        const struct thsi_job_file *file = &outcome->job->files[i];

        if (file->left_out == THSI_FIT)
            continue;
        shown++;
        (void)snprintf(name, sizeof name, "%s", file->path);
        for (char *at = name; *at; at++)
            if (*at < ' ' || *at > '~')
                *at = '?';
        thsi_demo_print(screen, "line", "  %s: %s", name, thsi_left_out_text(file->left_out));
    }
    if (shown < count)
        thsi_demo_print(screen, "line", "  ... and %zu more", count - shown);
}

void thsi_demo_tables(struct thsi_demo_screen *screen, const struct thsi_outcome *outcome)
{
    print_top(screen, &outcome->job->first);
    print_boots(screen, &outcome->staff);
    print_left_out(screen, outcome);
    thsi_demo_print(screen, "line", "%s", "");
    thsi_demo_print(screen, "line", "%u rounds, %.1f MB in %.1f s; %llu ranges were sent again, %llu answers came too late",
                    outcome->rounds, (double)outcome->bytes_all / 1e6, (double)outcome->took_ms / 1000.0,
                    (unsigned long long)outcome->job->sent_again, (unsigned long long)outcome->job->stale_answers);
}

/* ---- Files ------------------------------------------------------------------------------ */

static enum ths_err close_written(FILE *file)
{
    bool bad = ferror(file) != 0;

    return fclose(file) != 0 || bad ? THS_IO : THS_OK;
}

enum ths_err thsi_demo_write_words(const struct thsi_outcome *outcome, const char *path)
{
    const struct thsi_words *words = &outcome->job->first;
    const struct thsi_word **list = thsi_words_by_letters(words);
    FILE *file;

    if (!list && words->count > 0)
        return THS_NOMEM;
    file = fopen(path, "we");
    for (size_t i = 0; file && i < words->count; i++)
        (void)fprintf(file, "%s %llu\n", list[i]->letters, (unsigned long long)list[i]->count);
    words->env->memory(words->env, (void *)list, 0);
    return file ? close_written(file) : THS_IO;
}

enum ths_err thsi_demo_write_left_out(const struct thsi_outcome *outcome, const char *path)
{
    FILE *file = fopen(path, "we");

    for (size_t i = 0; file && i < outcome->job->files_count; i++) {
        const struct thsi_job_file *left = &outcome->job->files[i];

        if (left->left_out == THSI_FIT)
            continue;
        (void)fprintf(file, "%s%c%s%c", thsi_left_out_text(left->left_out), 0, left->path, 0);
    }
    return file ? close_written(file) : THS_IO;
}
