/* thiasos actor: what one actor says of itself, or what is seen of one that is busy. */

#include "tools/cli.h"
#include "tools/list.h"

#include "thiasos/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_WIDTH 12

/* One command runs in a process. */
static const char *target;
static struct control_inspect request = { .timeout_ms = 500 };
static unsigned timeout_ms = 500;

static int find(struct thsi_client *client)
{
    request.timeout_ms = timeout_ms;
    return thsi_client_find(client, target, &request.to);
}

static const char *phase_text(uint8_t phase)
{
    static const char *const texts[] = { "starts", "runs", "has halted: its supervisor decides" };

    return phase <= THS_ACTOR_HALTED ? texts[phase] : "unknown";
}

static uint32_t count_of(const struct control_inspect_answer *it, unsigned which)
{
    return which < it->counts.count ? it->counts.items[which] : 0;
}

enum { LINKS, MONITORS, WATCHERS, TIMERS, ASKS };

static uint32_t timers_shown(const struct control_inspect_answer *it)
{
    uint32_t count = it->timer_types.count;

    return it->timer_due_ms.count == count && it->timer_period_ms.count == count ? count : 0;
}

static uint32_t asks_shown(const struct control_inspect_answer *it)
{
    uint32_t count = it->ask_targets.count;

    return it->ask_types.count == count && it->ask_left_ms.count == count ? count : 0;
}

/* ---- For people ------------------------------------------------------------------------------------- */

static void name_line(const char *name)
{
    (void)printf("%-*s", NAME_WIDTH, name);
}

static void print_word(const char *name, const char *word)
{
    name_line(name);
    (void)printf("%s\n", *word ? word : "-");
}

static void print_refs(const char *name, const ths_ref *refs, uint32_t shown, uint32_t count)
{
    char text[THS_REF_TEXT_SIZE];

    name_line(name);
    for (uint32_t i = 0; i < shown; i++)
        (void)printf("%s%s", i > 0 ? " " : "", ths_ref_print(refs[i], text));
    if (shown < count)
        (void)printf(" and %" PRIu32 " more", count - shown);
    (void)printf("%s\n", count == 0 ? "-" : "");
}

static const char *ms_text(uint64_t ms, char out[THSI_TIME_SIZE])
{
    return thsi_time_text(ms < UINT64_MAX / 1000000 ? ms * 1000000 : UINT64_MAX, out);
}

static void print_timers(const struct control_inspect_answer *it)
{
    char due[THSI_TIME_SIZE], period[THSI_TIME_SIZE];

    for (uint32_t i = 0; i < timers_shown(it); i++) {
        uint64_t period_ms = it->timer_period_ms.items[i];

        name_line(i == 0 ? "timers" : "");
        (void)printf("%s in %s%s%s\n", it->timer_types.items[i], ms_text(it->timer_due_ms.items[i], due),
                     period_ms > 0 ? ", every " : "", period_ms > 0 ? ms_text(period_ms, period) : "");
    }
    if (count_of(it, TIMERS) > timers_shown(it))
        (void)printf("%-*sand %" PRIu32 " more\n", NAME_WIDTH, "", count_of(it, TIMERS) - timers_shown(it));
    else if (timers_shown(it) == 0)
        print_word("timers", "");
}

static void print_asks(const struct control_inspect_answer *it)
{
    char ref[THS_REF_TEXT_SIZE], left[THSI_TIME_SIZE];

    for (uint32_t i = 0; i < asks_shown(it); i++) {
        uint64_t left_ms = it->ask_left_ms.items[i];

        name_line(i == 0 ? "asks" : "");
        (void)printf("%s for %s%s%s\n", ths_ref_print(it->ask_targets.items[i], ref),
                     *it->ask_types.items[i] ? it->ask_types.items[i] : "any reply", left_ms != UINT64_MAX ? ", for another " : "",
                     left_ms != UINT64_MAX ? ms_text(left_ms, left) : "");
    }
    if (count_of(it, ASKS) > asks_shown(it))
        (void)printf("%-*sand %" PRIu32 " more\n", NAME_WIDTH, "", count_of(it, ASKS) - asks_shown(it));
    else if (asks_shown(it) == 0)
        print_word("asks", "");
}

static void print_strings(const char *name, const char *const *items, uint32_t count)
{
    name_line(name);
    for (uint32_t i = 0; i < count; i++)
        (void)printf("%s%s", i > 0 ? ", " : "", items[i]);
    (void)printf("%s\n", count == 0 ? "-" : "");
}

static void print_own_words(const struct control_inspect_answer *it)
{
    char ref[THS_REF_TEXT_SIZE];

    print_word("state", it->state);
    print_word("phase", phase_text(it->phase));
    print_strings("marks", it->marks.items, it->marks.count);
    name_line("memory");
    if (it->memory_max > 0)
        (void)printf("%" PRIu64 " of %" PRIu64 " bytes\n", it->memory_used, it->memory_max);
    else
        (void)printf("%" PRIu64 " bytes\n", it->memory_used);
    print_word("supervisor", ths_ref_is_nobody(it->supervisor) ? "" : ths_ref_print(it->supervisor, ref));
    print_refs("links", it->links.items, it->links.count, count_of(it, LINKS));
    print_refs("monitors", it->monitors.items, it->monitors.count, count_of(it, MONITORS));
    print_refs("watched by", it->watchers.items, it->watchers.count, count_of(it, WATCHERS));
    print_timers(it);
    print_asks(it);
    name_line("requests");
    (void)printf("%" PRIu32 " taken and not answered\n", it->requests);
    name_line("put aside");
    (void)printf("%" PRIu32 " messages\n", it->stashed);
    print_strings("last", it->last.items, it->last.count);
}

static bool print_actor(const void *answer)
{
    const struct control_inspect_answer *it = answer;
    char ref[THS_REF_TEXT_SIZE];

    print_word("ref", ths_ref_print(request.to, ref));
    print_word("behaviour", it->behaviour);
    print_word("name", it->name);
    name_line("incarnation");
    (void)printf("%" PRIu32 "\n", it->incarnation);
    name_line("mailbox");
    if (it->capacity > 0)
        (void)printf("%" PRIu32 " of %" PRIu32 " messages", it->queued, it->capacity);
    else
        (void)printf("%" PRIu32 " messages", it->queued);
    if (it->answered || it->queued_bytes > 0)
        (void)printf(", %" PRIu64 " bytes", it->queued_bytes);
    (void)putchar('\n');
    if (it->answered)
        print_own_words(it);
    return ferror(stdout) == 0;
}

/* ---- As JSON ------------------------------------------------------------------------------------------ */

static json_t *ref_json(ths_ref ref)
{
    char text[THS_REF_TEXT_SIZE];

    return ths_ref_is_nobody(ref) ? json_null() : json_string(ths_ref_print(ref, text));
}

static json_t *refs_json(const ths_ref *refs, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_array_append_new(array, ref_json(refs[i]));
    return array;
}

static json_t *strings_json(const char *const *items, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_array_append_new(array, json_string(items[i]));
    return array;
}

static json_t *timers_json(const struct control_inspect_answer *it)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < timers_shown(it); i++)
        (void)json_array_append_new(array, json_pack("{s:s, s:I, s:I}", "type", it->timer_types.items[i], "due_ms",
                                                     (json_int_t)it->timer_due_ms.items[i], "period_ms",
                                                     (json_int_t)it->timer_period_ms.items[i]));
    return array;
}

static json_t *asks_json(const struct control_inspect_answer *it)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < asks_shown(it); i++) {
        uint64_t left_ms = it->ask_left_ms.items[i];

        (void)json_array_append_new(array, json_pack("{s:o, s:s, s:o}", "to", ref_json(it->ask_targets.items[i]), "type",
                                                     it->ask_types.items[i], "left_ms", left_ms == UINT64_MAX
                                                     ? json_null() : json_integer((json_int_t)left_ms)));
    }
    return array;
}

static json_t *actor_json(const void *answer)
{
    const struct control_inspect_answer *it = answer;
    json_t *json = json_pack("{s:o, s:s, s:s, s:b, s:I, s:I}", "ref", ref_json(request.to), "behaviour", it->behaviour, "name",
                             it->name, "answered", (int)it->answered, "incarnation", (json_int_t)it->incarnation, "queued",
                             (json_int_t)it->queued);
    json_t *more = NULL;

    if (!it->answered)
        more = json_pack("{s:o, s:I}", "handling", it->is_handling ? json_string(it->handling) : json_null(), "handling_ms",
                         (json_int_t)it->handling_ms);
    else
        more = json_pack("{s:I, s:I, s:s, s:s, s:o, s:I, s:I, s:o, s:I, s:I}", "queued_bytes", (json_int_t)it->queued_bytes,
                         "capacity", (json_int_t)it->capacity, "state", it->state, "phase", phase_text(it->phase), "marks",
                         strings_json(it->marks.items, it->marks.count), "memory_used", (json_int_t)it->memory_used,
                         "memory_max", (json_int_t)it->memory_max, "supervisor", ref_json(it->supervisor), "requests",
                         (json_int_t)it->requests, "put_aside", (json_int_t)it->stashed);
    if (json && more)
        (void)json_object_update(json, more);
    json_decref(more);
    more = !it->answered ? NULL :
           json_pack("{s:o, s:I, s:o, s:I, s:o, s:I, s:o, s:I, s:o, s:I, s:o}", "links",
                     refs_json(it->links.items, it->links.count), "links_count", (json_int_t)count_of(it, LINKS), "monitors",
                     refs_json(it->monitors.items, it->monitors.count), "monitors_count", (json_int_t)count_of(it, MONITORS),
                     "watchers", refs_json(it->watchers.items, it->watchers.count), "watchers_count",
                     (json_int_t)count_of(it, WATCHERS), "timers", timers_json(it), "timers_count",
                     (json_int_t)count_of(it, TIMERS), "asks", asks_json(it), "asks_count", (json_int_t)count_of(it, ASKS),
                     "last", strings_json(it->last.items, it->last.count));
    if (json && more)
        (void)json_object_update(json, more);
    json_decref(more);
    return json;
}

/* ---- The command ----------------------------------------------------------------------------------------- */

static const char *shortfall(const void *answer)
{
    static char text[400];
    const struct control_inspect_answer *it = answer;
    char since[THSI_TIME_SIZE] = "";

    if (it->answered)
        return NULL;
    if (!it->is_handling) {
        (void)snprintf(text, sizeof text, "the actor did not answer within %u ms: no thread has run it meanwhile; this is "
                       "what is seen from outside: find who is busy with thiasos stats, or give it a longer --timeout",
                       timeout_ms);
        return text;
    }
    if (it->handling_ms > 0)
        (void)ms_text(it->handling_ms, since);
    (void)snprintf(text, sizeof text, "the actor did not answer within %u ms: it is busy in a handler%s%.100s%s%s; this is "
                   "what is seen from outside: try again when it has returned", timeout_ms, *it->handling ? " of " : "",
                   it->handling, *since ? ", for " : "", since);
    return text;
}

int thsi_actor_command(int argc, char **argv)
{
    struct thsi_list_options got = { 0 };
    const struct thsi_option options[] = {
        { "timeout", THSI_OPTION_NUMBER, &timeout_ms, 1, 2000, "MS", "how long it has to answer; default 500" },
        THSI_WATCH_OPTIONS(got), THSI_SOCKET_OPTION(got), THSI_JSON_OPTION(got),
    };
    const struct thsi_command command = {
        .name = "actor",
        .usage = "TARGET [--timeout MS] [--watch SECONDS [--count N]] [--socket PATH] [--json]",
        .about = "Look into an actor of a node. TARGET is its name or ref. Between two messages the actor itself\n"
                 "says: its state in the words of its behaviour (ths_state_wanted), what waits in its mailbox,\n"
                 "memory, supervisor, links, monitors, timers, open asks, requests it holds, and the types it\n"
                 "handled last. Of one that is busy in a handler it shows what is seen from outside; the exit\n"
                 "status is then 3.",
        .examples = "  thiasos actor echo\n  thiasos actor 5f0c9d1e22b3a4c7.12.1 --json\n  thiasos actor worker --watch 1",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
        .words_min = 1,
        .words_max = 1,
    };
    const struct thsi_list list = { .request = &control_inspect_type, .message = &request, .prepare = find,
                                    .answer = &control_inspect_answer_type, .print = print_actor, .to_json = actor_json,
                                    .shortfall = shortfall, .what = "the actor cannot be looked into" };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    target = argv[first];
    return thsi_list_run(&command, &list, &got);
}
