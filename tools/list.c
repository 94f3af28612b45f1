#include "tools/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 10000u

bool thsi_list_add(json_t *rows, json_t *row)
{
    return row && json_array_append_new(rows, row) == 0;
}

json_t *thsi_list_json(const void *answer, uint32_t *rows, uint32_t count, json_t *(*row_json)(const void *answer, uint32_t row))
{
    json_t *array = rows ? json_array() : NULL;

    for (uint32_t i = 0; array && i < count; i++)
        if (!thsi_list_add(array, row_json(answer, rows[i]))) {
            json_decref(array);
            array = NULL;
        }
    free(rows);
    return array;
}

bool thsi_list_is_one(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* New references are given to the object, NULLs too: then the whole is NULL. */
static bool print_json(json_t *json, size_t flags)
{
    bool printed = json && json_dumpf(json, stdout, flags | JSON_PRESERVE_ORDER) == 0 && putchar('\n') != EOF;

    json_decref(json);
    return printed;
}

static bool print(const struct thsi_list *list, const struct thsi_list_options *options, unsigned nth, const void *answer)
{
    if (options->json)
        return print_json(list->to_json(answer), options->watch_s > 0 ? JSON_COMPACT : JSON_INDENT(2));
    if (options->watch_s > 0 && isatty(STDOUT_FILENO))
        (void)fputs("\033[H\033[2J", stdout);
    else if (nth > 0)
        (void)putchar('\n');
    return list->print(answer);
}

/* The @nth table. */
static int show(struct thsi_client *client, const struct thsi_list *list, const struct thsi_list_options *options, unsigned nth)
{
    const char *shortfall;
    const void *answer;
    int status = list->prepare ? list->prepare(client) : THSI_EXIT_OK;

    if (status == THSI_EXIT_OK)
        status = thsi_client_request(client, list->request, list->message ? list->message : &(char){ 0 }, list->answer,
                                     ANSWER_MS, list->what ? list->what : "the node cannot be looked at", list->hint, &answer);
    if (status != THSI_EXIT_OK)
        return status;
    if (!print(list, options, nth, answer))
        return thsi_cli_fail(THSI_EXIT_FAILED, client->command,
                             "the table is not printed: memory or stdout failed; try again");
    shortfall = list->shortfall ? list->shortfall(answer) : NULL;
    return shortfall ? thsi_cli_fail(THSI_EXIT_PARTIAL, client->command, "%s", shortfall) : THSI_EXIT_OK;
}

int thsi_list_run(const struct thsi_command *command, const struct thsi_list *list, const struct thsi_list_options *options)
{
    unsigned shown = 0;
    int status;

    if (options->count > 0 && options->watch_s == 0)
        return thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                             "--count makes no sense: it is for tables that come again; add --watch SECONDS");
    for (;;) {
        struct thsi_client client; /* a new one each time: the node closes those that are silent for long */

        status = thsi_client_open(&client, command->name, options->socket);
        if (status != THSI_EXIT_OK)
            return status;
        status = show(&client, list, options, shown++);
        thsi_client_close(&client);
        if ((status != THSI_EXIT_OK && status != THSI_EXIT_PARTIAL) || options->watch_s == 0 || shown == options->count ||
            fflush(stdout) != 0)
            return thsi_cli_done(status, command->name);
        (void)nanosleep(&(struct timespec){ .tv_sec = options->watch_s }, NULL);
    }
}

const char *thsi_time_text(uint64_t ns, char out[THSI_TIME_SIZE])
{
    static const char *const units[] = { "us", "ms", "s" };
    double value = (double)ns / 1000;
    unsigned unit = 0;

    if (ns < 1000) {
        (void)snprintf(out, THSI_TIME_SIZE, "%u ns", (unsigned)ns);
        return out;
    }
    while (value >= 999.95 && unit < 2) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(out, THSI_TIME_SIZE, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, units[unit]);
    return out;
}
