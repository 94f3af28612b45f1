#include "tools/cli.h"

#include "cluster/type_names.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 24
#define HELP_AT 1000 /* value of --help; others are their index */

int thsi_cli_fail(int status, const char *command, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    if (command)
        (void)fprintf(stderr, "thiasos %s: ", command);
    else
        (void)fprintf(stderr, "thiasos: ");
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return status;
}

const char *thsi_cli_nearest(const char *name, const char *const *names, size_t count)
{
    size_t allowed = strlen(name) / 3 > 2 ? strlen(name) / 3 : 2;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = thsi_edit_distance(name, names[i]);

        if (distance > allowed)
            continue;
        nearest = names[i];
        allowed = distance > 0 ? distance - 1 : 0; /* only a nearer one takes its place */
    }
    return nearest;
}

bool thsi_cli_number(const char *text, unsigned min, unsigned max, unsigned *out)
{
    unsigned long number;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < min || number > max)
        return false;
    *out = (unsigned)number;
    return true;
}

int thsi_cli_done(int status, const char *command)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return thsi_cli_fail(THSI_EXIT_FAILED, command, "the output could not be written: %s; look at where stdout goes",
                         strerror(errno));
}

/* ---- Help -------------------------------------------------------------------------------------- */

static void print_help(const struct thsi_command *command)
{
    (void)printf("Usage: thiasos %s %s\n\n%s\n\nOptions:\n", command->name, command->usage, command->about);
    for (size_t i = 0; i < command->options_count; i++) {
        const struct thsi_option *option = &command->options[i];
        char left[64];

        (void)snprintf(left, sizeof left, "--%s%s%s", option->name, option->value ? " " : "",
                       option->value ? option->value : "");
        (void)printf("  %-24s %s\n", left, option->help);
    }
    (void)printf("  %-24s %s\n\nExamples:\n%s\n\n", "--help", "this text", command->examples);
    (void)printf("Exit status: 0 done, 1 failed, 2 wrong usage, 3 done in part, 4 no node at the control socket,\n"
                 "75 the node was declared dead by the others.\n");
}

/* ---- Parsing ------------------------------------------------------------------------------------- */

static bool refuse(int *status, int with)
{
    *status = with;
    return false;
}

static bool refuse_unknown(const struct thsi_command *command, const char *word, int *status)
{
    const char *names[OPTIONS_MAX + 1];
    char name[64];
    const char *nearest;

    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word + strspn(word, "-"), "="), word + strspn(word, "-"));
    for (size_t i = 0; i < command->options_count; i++)
        names[i] = command->options[i].name;
    nearest = thsi_cli_nearest(name, names, command->options_count);
    if (nearest && strcmp(nearest, name) == 0)
        return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                            "bad option %s: it takes no value; write --%s", word, name));
    if (nearest)
        return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                            "unknown option %s: this command has none of that name; did you mean --%s?",
                                            word, nearest));
    return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                        "unknown option %s: this command has none of that name; see thiasos %s --help",
                                        word, command->name));
}

/* What getopt did not know: of "-abc" it names the letter, and stands before or behind the word. */
static const char *unknown_word(char **argv)
{
    static char letter[3] = "-?";

    if (optopt < ' ' || optopt > '~')
        return argv[optind - 1];
    letter[1] = (char)optopt;
    return letter;
}

static bool take(const struct thsi_command *command, const struct thsi_option *option, const char *value, int *status)
{
    if (option->kind == THSI_OPTION_FLAG) {
        *(bool *)option->out = true;
        return true;
    }
    if (option->kind == THSI_OPTION_TEXT) {
        *(const char **)option->out = value;
        return true;
    }
    if (thsi_cli_number(value, option->min, option->max, option->out))
        return true;
    return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                        "bad value \"%s\" of --%s: it is not a number from %u to %u; give one", value,
                                        option->name, option->min, option->max));
}

static void fill_table(const struct thsi_command *command, struct option *table)
{
    size_t i;

    assert(command->options_count <= OPTIONS_MAX);
    for (i = 0; i < command->options_count; i++)
        table[i] = (struct option){ .name = command->options[i].name,
                                    .has_arg = command->options[i].kind == THSI_OPTION_FLAG ? no_argument
                                                                                             : required_argument,
                                    .val = (int)i };
    table[i++] = (struct option){ .name = "help", .has_arg = no_argument, .val = HELP_AT };
    table[i] = (struct option){ 0 };
}

static bool check_words(const struct thsi_command *command, int words, int *status)
{
    if (words < command->words_min)
        return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                            "too few words: %d given, at least %d needed; usage: thiasos %s %s", words,
                                            command->words_min, command->name, command->usage));
    if (command->words_max >= 0 && words > command->words_max)
        return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                            "too many words: %d given, at most %d taken; usage: thiasos %s %s", words,
                                            command->words_max, command->name, command->usage));
    return true;
}

bool thsi_cli_parse(const struct thsi_command *command, int argc, char **argv, int *first, int *status)
{
    struct option table[OPTIONS_MAX + 2];
    int got;

    fill_table(command, table);
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (got == HELP_AT || got == 'h') {
            print_help(command);
            return refuse(status, thsi_cli_done(THSI_EXIT_OK, command->name));
        }
        if (got == ':')
            return refuse(status, thsi_cli_fail(THSI_EXIT_USAGE, command->name,
                                                "option %s has no value: it needs one; see thiasos %s --help",
                                                argv[optind - 1], command->name));
        if (got == '?')
            return refuse_unknown(command, unknown_word(argv), status);
        if (!take(command, &command->options[got], optarg, status))
            return false;
    }
    *first = optind;
    return check_words(command, argc - optind, status);
}
