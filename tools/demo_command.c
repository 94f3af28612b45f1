/* thiasos demo: the master's node of the word count. It starts the node, the supervisor of the counters and the
 * master, and shows what they do. */

#define _GNU_SOURCE /* sigset_t under gnu11's POSIX */

#include "tools/cli.h"
#include "tools/demo_print.h"
#include "tools/echo.h"
#include "tools/socket_path.h"
#include "tools/wordcount.h"

#include "thiasos/thiasos.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STOP_MS 4000u
#define WHY_SIZE 512
#define POLL_MS 50
#define EVENTS_MAX 256u
#define COUNTERS_MOST 64u

struct demo_options {
    const char *name, *files, *kill, *kill_at, *words, *left_out;
    unsigned counters, rounds, workers;
    bool alone, events, stay;
    struct ths_cluster_options cluster;
};

/* What the master told and the main thread has not shown yet. */
struct desk {
    pthread_mutex_t lock;
    struct thsi_progress progress;
    struct {
        enum thsi_master_event kind;
        char text[512];
    } events[EVENTS_MAX];
    unsigned events_count;
    struct thsi_outcome *outcome;
};

/* ---- Hooks: on the master's thread -------------------------------------------------------- */

static void take_progress(void *arg, const struct thsi_progress *progress)
{
    struct desk *desk = arg;

    (void)pthread_mutex_lock(&desk->lock);
    desk->progress = *progress;
    (void)pthread_mutex_unlock(&desk->lock);
}

static void take_event(void *arg, enum thsi_master_event event, const char *text)
{
    struct desk *desk = arg;

    (void)pthread_mutex_lock(&desk->lock);
    /* What is only said may be lost when it comes faster than it is read; what must be done comes four times in all. */
    if (desk->events_count < EVENTS_MAX - (event == THSI_EVENT_SAY ? 8u : 0u)) {
        desk->events[desk->events_count].kind = event;
        (void)snprintf(desk->events[desk->events_count].text, sizeof desk->events[0].text, "%s", text);
        desk->events_count++;
    }
    (void)pthread_mutex_unlock(&desk->lock);
}

static void take_outcome(void *arg, struct thsi_outcome *outcome)
{
    struct desk *desk = arg;

    (void)pthread_mutex_lock(&desk->lock);
    desk->outcome = outcome;
    (void)pthread_mutex_unlock(&desk->lock);
}

/* ---- Showing ------------------------------------------------------------------------------ */

static void count_up(void *arg, const struct ths_member_info *member)
{
    *(size_t *)arg += member->state == THS_MEMBER_UP;
}

static uint64_t now_ms(void)
{
    return ths_env_os()->now_ns(ths_env_os()) / 1000000u;
}

/* Show what came since the last time. Gives the outcome once it is there. */
static struct thsi_outcome *show(struct desk *desk, struct thsi_demo_screen *screen, struct ths_node *node,
                                 ths_ref supervisor)
{
    static const char *const kinds[] = { "say", "pause", "kill", "start" };
    struct ths_supervisor_stats stats = { 0 };
    struct thsi_progress progress;
    struct thsi_outcome *outcome;
    size_t members = 0;

    (void)pthread_mutex_lock(&desk->lock);
    for (unsigned i = 0; i < desk->events_count; i++)
        thsi_demo_print(screen, kinds[desk->events[i].kind], "%s", desk->events[i].text);
    desk->events_count = 0;
    progress = desk->progress;
    outcome = desk->outcome;
    (void)pthread_mutex_unlock(&desk->lock);
    (void)ths_cluster_members(node, count_up, &members);
    (void)ths_supervisor_stats(node, supervisor, &stats);
    if (outcome)
        screen->last_ms = 0; /* the last word on it is always shown */
    thsi_demo_progress(screen, &progress, members, stats.restarts, now_ms());
    return outcome;
}

/* Write the files that were asked for. Returns an exit status. */
static int write_files(const struct demo_options *options, const struct thsi_outcome *outcome)
{
    if (options->words && thsi_demo_write_words(outcome, options->words) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "demo", "%s: not written: %s; look at the disk", options->words,
                             strerror(errno));
    if (options->left_out && thsi_demo_write_left_out(outcome, options->left_out) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "demo", "%s: not written: %s; look at the disk", options->left_out,
                             strerror(errno));
    return THSI_EXIT_OK;
}

static int conclude(const struct demo_options *options, struct thsi_demo_screen *screen,
                    const struct thsi_outcome *outcome)
{
    int status = write_files(options, outcome);

    if (outcome->exact)
        thsi_demo_tables(screen, outcome);
    else
        status = thsi_cli_fail(THSI_EXIT_FAILED, "demo", "%s", outcome->trouble);
    if (status == THSI_EXIT_OK && thsi_demo_left_out(outcome) > 0)
        status = THSI_EXIT_PARTIAL;
    thsi_demo_print(screen, "end", "%d %s", status, outcome->trouble);
    return status;
}

/* ---- Starting ----------------------------------------------------------------------------- */

/* The percent at which to kill. Returns false when the option makes no sense. */
static bool choose_kill_at(const struct demo_options *options, struct thsi_demo_screen *screen, unsigned *percent)
{
    uint32_t drawn;

    *percent = 33;
    if (!options->kill_at)
        return true;
    if (strcmp(options->kill_at, "random") != 0)
        return thsi_cli_number(options->kill_at, 0, 100, percent);
    ths_env_os()->random(ths_env_os(), &drawn, sizeof drawn);
    *percent = drawn % 100;
    thsi_demo_print(screen, "say", "%s will be killed at %u %% of the first round",
                    options->kill ? options->kill : "nobody", *percent);
    return true;
}

/* The files of this node's own counters, if it has any. Returns an exit status. */
static int open_files(const struct demo_options *options)
{
    static struct thsi_file_source source;
    char why[WHY_SIZE] = "";

    if (!options->files)
        return THSI_EXIT_OK;
    if (thsi_files_open(options->files, &source, why, sizeof why) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_USAGE, "demo", "no files to count: %s", why);
    thsi_counter_source(&source, ths_env_os());
    return THSI_EXIT_OK;
}

static int join(struct ths_node *node, const struct demo_options *options, struct thsi_demo_screen *screen)
{
    struct ths_cluster_options cluster = options->cluster;
    char path[THSI_SOCKET_PATH_SIZE], why[WHY_SIZE] = "";
    enum ths_err err;

    if (options->alone)
        return THSI_EXIT_OK;
    if (!cluster.socket && !getenv("THIASOS_SOCKET") && thsi_socket_default(ths_node_name(node), path, why) == THS_OK)
        cluster.socket = path;
    err = ths_cluster_join(node, &cluster, why, sizeof why);
    if (err != THS_OK)
        return thsi_cli_fail(err == THS_INVALID || err == THS_NO_KEY ? THSI_EXIT_USAGE : THSI_EXIT_FAILED, "demo", "%s",
                             *why ? why : ths_err_text(err));
    thsi_demo_print(screen, "listening", "%s", ths_cluster_endpoint(node));
    return THSI_EXIT_OK;
}

/* The supervisor of the counters: spread over the members with their role, or all on this node, where they tell @master
 * that they are there. */
static ths_ref supervise(struct ths_node *node, const struct demo_options *options, ths_ref master)
{
    const struct ths_child spread[] = {
        { .name = "counter", .behaviour = "counter", .where = "role=counter", .count = options->counters },
    };
    const struct counter_args args = { .master = master };
    struct ths_child own[COUNTERS_MOST];
    char names[COUNTERS_MOST][24];

    if (!options->alone)
        return ths_supervise(node, spread, .name = "supervisor", .restarts = 1000);
    for (unsigned i = 0; i < options->counters; i++) {
        (void)snprintf(names[i], sizeof names[i], "counter-%u", i + 1);
        own[i] = (struct ths_child){ .name = names[i], .behaviour = "counter", .named = true,
                                     .start = { &counter_args_type, &args } };
    }
    return thsp_supervise(thsp_of_node(node), own, options->counters,
                          &(struct ths_supervisor_options){ .name = "supervisor", .restarts = 1000 }, NULL);
}

/* ---- Running ------------------------------------------------------------------------------ */

/* Wait up to POLL_MS for a signal to end. */
static bool is_told_to_end(const sigset_t *signals)
{
    const struct timespec wait = { .tv_nsec = POLL_MS * 1000000L };

    return sigtimedwait(signals, NULL, &wait) > 0;
}

/* From the first word to the last. */
static int watch(struct ths_node *node, const struct demo_options *options, struct desk *desk,
                 struct thsi_demo_screen *screen, ths_ref supervisor, const sigset_t *signals)
{
    struct thsi_outcome *outcome = NULL;
    int status, signal_number;

    while (!outcome) {
        if (is_told_to_end(signals))
            return thsi_cli_fail(THSI_EXIT_FAILED, "demo", "stopped before the end");
        outcome = show(desk, screen, node, supervisor);
    }
    status = conclude(options, screen, outcome);
    if (options->stay)
        (void)sigwait(signals, &signal_number);
    return status;
}

static int run(struct demo_options *options)
{
    static struct desk desk = { .lock = PTHREAD_MUTEX_INITIALIZER };
    const struct thsi_master_hooks hooks = {
        .arg = &desk, .env = ths_env_os(), .progress = take_progress, .event = take_event, .finished = take_outcome,
    };
    const struct ths_node_options node_options = { .name = options->name, .workers = options->workers };
    struct thsi_master_options master_options = {
        .victim = options->kill, .counters = options->counters, .rounds = options->rounds,
    };
    struct thsi_demo_screen screen;
    struct ths_node *node;
    sigset_t signals;
    ths_ref master;
    int status;

    thsi_demo_screen_init(&screen, options->events);
    if (!choose_kill_at(options, &screen, &master_options.kill_at))
        return thsi_cli_fail(THSI_EXIT_USAGE, "demo", "bad value of --kill-at: \"%.40s\" is neither a percentage nor "
                             "random; give a number from 0 to 100", options->kill_at);
    /* Before any thread is started, so that all have them blocked and they come here. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    node = ths_node_start(&node_options);
    if (!node || thsi_counter_register(node) != THS_OK || ths_ref_is_nobody(thsi_echo_start(node))) {
        ths_node_stop(node, 0);
        return thsi_cli_fail(THSI_EXIT_FAILED, "demo",
                             "the node does not start: its name is bad, or memory or threads are out; look at --name");
    }
    status = join(node, options, &screen);
    if (status == THSI_EXIT_OK) {
        master = thsi_master_spawn(node, &master_options, &hooks);
        status = watch(node, options, &desk, &screen, supervise(node, options, master), &signals);
    }
    ths_node_stop(node, STOP_MS);
    thsi_outcome_destroy(desk.outcome);
    return status;
}

int thsi_demo_command(int argc, char **argv)
{
    struct demo_options got = { .counters = 6, .rounds = 1, .cluster = { .bury_exits = true } };
    int first, status;
    const struct thsi_option options[] = {
        { "alone", THSI_OPTION_FLAG, &got.alone, 0, 0, NULL, "on this node only, without a cluster; needs --files" },
        { "files", THSI_OPTION_TEXT, &got.files, 0, 0, "DIRECTORY", "what counters of this node may read; none by default" },
        { "counters", THSI_OPTION_NUMBER, &got.counters, 1, COUNTERS_MOST, "N", "how many counters to keep running; default 6" },
        { "rounds", THSI_OPTION_NUMBER, &got.rounds, 1, 1000000, "N", "count everything so often at least; default 1" },
        { "kill", THSI_OPTION_TEXT, &got.kill, 0, 0, "NODE",
          "the story of that node's death: say when to pause, kill and start it" },
        { "kill-at", THSI_OPTION_TEXT, &got.kill_at, 0, 0, "PERCENT", "of the first round; default 33; or random" },
        { "words", THSI_OPTION_TEXT, &got.words, 0, 0, "FILE", "write every word and its count there" },
        { "left-out", THSI_OPTION_TEXT, &got.left_out, 0, 0, "FILE", "write what was left out there: why NUL path NUL ..." },
        { "events", THSI_OPTION_FLAG, &got.events, 0, 0, NULL, "lines for a script: KIND TAB TEXT" },
        { "stay", THSI_OPTION_FLAG, &got.stay, 0, 0, NULL, "keep the node running at the end, until SIGTERM" },
        { "name", THSI_OPTION_TEXT, &got.name, 0, 0, "NAME", "the node's name; default $THIASOS_NAME, else the host's" },
        { "bind", THSI_OPTION_TEXT, &got.cluster.bind, 0, 0, "tcp://HOST:PORT", "as of thiasos node" },
        { "advertise", THSI_OPTION_TEXT, &got.cluster.advertise, 0, 0, "HOST:PORT", "as of thiasos node" },
        { "seeds", THSI_OPTION_TEXT, &got.cluster.seeds, 0, 0, "HOST[:PORT],...", "as of thiasos node" },
        { "key-file", THSI_OPTION_TEXT, &got.cluster.key_file, 0, 0, "FILE", "as of thiasos node" },
        { "cluster", THSI_OPTION_TEXT, &got.cluster.cluster, 0, 0, "NAME", "as of thiasos node" },
        { "socket", THSI_OPTION_TEXT, &got.cluster.socket, 0, 0, "PATH", "as of thiasos node" },
        { "workers", THSI_OPTION_NUMBER, &got.workers, 0, 64, "N", "threads that run actors; default one per CPU" },
    };
    const struct thsi_command command = {
        .name = "demo",
        .usage = "[OPTION...]",
        .about = "Count the words of all files below a directory, on every node of the cluster that has the role counter.\n"
                 "This node runs the master and the supervisor of the counters, which read the files; it needs no access\n"
                 "to them. A word is a run of the letters A-Z and a-z, in small letters. A file that cannot be read, that\n"
                 "changes, or that holds a word longer than 64 KiB is left out and listed (exit status 3). docker/demo runs\n"
                 "it on three nodes.",
        .examples = "  thiasos demo --alone --files /usr/share/common-licenses\n"
                    "  thiasos demo --name a --bind tcp://127.0.0.1:7400 --words words.txt",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (got.alone && !got.files)
        return thsi_cli_fail(THSI_EXIT_USAGE, "demo",
                             "nothing to count: --alone reads the files itself; name their directory with --files");
    ths_env_os_log(THS_LOG_WARN, false);
    status = open_files(&got);
    return status == THSI_EXIT_OK ? thsi_cli_done(run(&got), "demo") : status;
}
