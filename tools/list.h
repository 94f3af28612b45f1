/* List: what the commands share that show a table which a node answers with, once or again and again. */

#ifndef THSI_TOOLS_LIST_H
#define THSI_TOOLS_LIST_H

#include <jansson.h>

#include "tools/cli.h"
#include "tools/control_client.h"

struct thsi_list_options {
    const char *socket;
    bool json;
    unsigned watch_s; /* seconds from one table to the next; 0: only one */
    unsigned count;   /* tables; 0: no end */
};

#define THSI_SOCKET_OPTION(of)                                                                                        \
    { "socket", THSI_OPTION_TEXT, &(of).socket, 0, 0, "PATH", "the node's control socket; needed if several nodes run" }
#define THSI_JSON_OPTION(of) { "json", THSI_OPTION_FLAG, &(of).json, 0, 0, NULL, "print JSON" }
#define THSI_WATCH_OPTIONS(of)                                                                                        \
    { "watch", THSI_OPTION_NUMBER, &(of).watch_s, 1, 3600, "SECONDS", "print it anew every SECONDS; JSON a line each" }, \
    { "count", THSI_OPTION_NUMBER, &(of).count, 1, 1000000, "N", "with --watch: end after N times" }

/* One kind of table: what to ask for, and how to print an answer. */
struct thsi_list {
    struct ths_type *request;
    const void *message;                /* the request; NULL: it has no fields */
    struct ths_type *answer;
    bool (*print)(const void *answer);
    json_t *(*to_json)(const void *answer);
    const char *(*shortfall)(const void *answer); /* what is missing, for the error; NULL: nothing. NULL: never */
    int (*prepare)(struct thsi_client *client);   /* before the request, which it may fill in; returns an exit status */
    const char *what;                   /* is not possible, if the node refuses; NULL: "the node cannot be looked at" */
    const char *hint;                   /* what to do then; NULL: what fits the error */
};

/* The shortfall of a table that is cut. */
#define THSI_LIST_CUT "the table is cut: it has more rows than one answer holds; take it as a sample"

/* Ask the node and print, as the options say. Returns an exit status. */
int thsi_list_run(const struct thsi_command *command, const struct thsi_list *list, const struct thsi_list_options *options);

/* Append @row (takes a new reference; NULL: memory is out). Returns whether it was. */
bool thsi_list_add(json_t *rows, json_t *row);

/* The rows of these numbers (takes; NULL: memory is out), each by @row_json, as an array; NULL: memory is out. */
json_t *thsi_list_json(const void *answer, uint32_t *rows, uint32_t count, json_t *(*row_json)(const void *answer, uint32_t row));

/* Whether @word is one of @count. */
bool thsi_list_is_one(const char *word, const char *const *words, size_t count);

/* A time for people: "850 ns", "12.3 us", "4.05 ms", "17.2 s". Returns @out. */
#define THSI_TIME_SIZE 24
const char *thsi_time_text(uint64_t ns, char out[THSI_TIME_SIZE]);

#endif /* THSI_TOOLS_LIST_H */
