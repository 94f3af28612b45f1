/* CLI: what the subcommands of `thiasos` share. Options, help, errors and exit statuses.
 *
 * An error is one line in three parts: what failed: why; what to do. Data goes to stdout, everything else to stderr. */

#ifndef THSI_TOOLS_CLI_H
#define THSI_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thiasos/err.h"

/* Exit statuses; they never change meaning. */
enum thsi_exit {
    THSI_EXIT_OK = 0,
    THSI_EXIT_FAILED = 1,  /* the operation failed: no such actor, refused, timeout, ... */
    THSI_EXIT_USAGE = 2,   /* the command line is wrong */
    THSI_EXIT_PARTIAL = 3, /* done, but something was left out, and it was said what */
    THSI_EXIT_NO_NODE = 4, /* no node answers at the control socket */
    THSI_EXIT_BURIED = 75  /* the node was declared dead by the others and ended itself: start it again */
};

enum thsi_option_kind {
    THSI_OPTION_FLAG,  /* out: bool */
    THSI_OPTION_TEXT,  /* out: const char *, lent from argv */
    THSI_OPTION_NUMBER /* out: unsigned, from min to max */
};

struct thsi_option {
    const char *name;       /* without the dashes */
    enum thsi_option_kind kind;
    void *out;
    unsigned min, max;      /* of a NUMBER */
    const char *value;      /* what the help calls its value: "MS" */
    const char *help;
};

struct thsi_command {
    const char *name;       /* "tell" */
    const char *usage;      /* what follows the name: "TARGET TYPE [FIELD=VALUE...]" */
    const char *about;      /* a paragraph or two */
    const char *examples;   /* lines, each indented by two */
    const struct thsi_option *options;
    size_t options_count;
    int words_min, words_max; /* words beside options; max -1: any number */
};

/* Parse the words after the subcommand's name, argv[0] being that name. --help is an option of every command. The words
 * beside options are moved to argv[*first] and behind.
 * Returns true to go on; false when all is said (help, or an error), and *status is what to exit with. */
THS_MUST_CHECK bool thsi_cli_parse(const struct thsi_command *command, int argc, char **argv, int *first, int *status);

/* Print "thiasos NAME: " and the text to stderr, and return @status. @command may be NULL: no name. */
int thsi_cli_fail(int status, const char *command, const char *format, ...) THS_PRINTF(3, 4);

/* Of @count names the one spelt most like @name, or NULL. Lends. */
const char *thsi_cli_nearest(const char *name, const char *const *names, size_t count);

/* A decimal number from @min to @max that fills the text. */
THS_MUST_CHECK bool thsi_cli_number(const char *text, unsigned min, unsigned max, unsigned *out);

/* Flush stdout; a status for "could not write" (disk full, closed pipe) when that fails, else @status. */
int thsi_cli_done(int status, const char *command);

/* ---- Subcommands: each as main, argv[0] being its name --------------------------------------- */

int thsi_node_command(int argc, char **argv);
int thsi_key_command(int argc, char **argv);
int thsi_members_command(int argc, char **argv);
int thsi_groups_command(int argc, char **argv);
int thsi_actors_command(int argc, char **argv);
int thsi_actor_command(int argc, char **argv);
int thsi_tree_command(int argc, char **argv);
int thsi_stats_command(int argc, char **argv);
int thsi_info_command(int argc, char **argv);
int thsi_tell_command(int argc, char **argv);
int thsi_ask_command(int argc, char **argv);
int thsi_schema_command(int argc, char **argv);
int thsi_demo_command(int argc, char **argv);

#endif /* THSI_TOOLS_CLI_H */
