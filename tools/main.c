/* thiasos: one binary for nodes and for looking at them. Each subcommand is in a file of its own. */

#include "tools/cli.h"

#include "thiasos/thiasos.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    { "node", thsi_node_command, "run a node, alone or in a cluster" },
    { "key", thsi_key_command, "make the key that the nodes of a cluster share" },
    { "members", thsi_members_command, "show the members of the cluster, as one node sees them" },
    { "groups", thsi_groups_command, "show the process groups" },
    { "actors", thsi_actors_command, "show the actors of a node" },
    { "actor", thsi_actor_command, "look into one actor" },
    { "tree", thsi_tree_command, "show the supervisors of a node and their children" },
    { "stats", thsi_stats_command, "show what messages cost: counts and times, by behaviour and type" },
    { "info", thsi_info_command, "show what a node has done so far" },
    { "tell", thsi_tell_command, "send a message to an actor" },
    { "ask", thsi_ask_command, "send a request to an actor and print its reply" },
    { "schema", thsi_schema_command, "show how messages are declared, and whether a change is safe" },
    { "demo", thsi_demo_command, "count the words of many files on a cluster" },
};

#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

static void print_help(void)
{
    (void)printf("Usage: thiasos COMMAND [OPTION...] [WORD...]\n\n"
                 "Actors on one node or many. Start a node, look at it, talk to its actors.\n\nCommands:\n");
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        (void)printf("  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    (void)printf("\nOptions:\n"
                 "  --help     this text; thiasos COMMAND --help for one command\n"
                 "  --version  the version\n\n"
                 "Examples:\n"
                 "  thiasos key new cluster.key\n"
                 "  thiasos node --name a --key-file cluster.key\n"
                 "  thiasos members --json\n"
                 "  thiasos ask echo@a say text=hello\n\n"
                 "Exit status: 0 done, 1 failed, 2 wrong usage, 3 done in part, 4 no node at the control socket,\n"
                 "75 the node was declared dead by the others.\n");
}

static int refuse_unknown(const char *word)
{
    const char *names[SUBCOMMANDS];
    const char *nearest;

    for (size_t i = 0; i < SUBCOMMANDS; i++)
        names[i] = subcommands[i].name;
    nearest = thsi_cli_nearest(word, names, SUBCOMMANDS);
    if (nearest)
        return thsi_cli_fail(THSI_EXIT_USAGE, NULL,
                             "unknown command \"%s\": there is none of that name; did you mean %s?", word,
                             nearest);
    return thsi_cli_fail(THSI_EXIT_USAGE, NULL,
                         "unknown command \"%s\": there is none of that name; see thiasos --help", word);
}

/* Each link takes a descriptor or two, and strangers take some for a moment: use all that may be had. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    raise_descriptors();
    if (argc < 2)
        return thsi_cli_fail(THSI_EXIT_USAGE, NULL, "no command: one is needed; see thiasos --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return thsi_cli_done(THSI_EXIT_OK, NULL);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("thiasos %s\n", THS_VERSION);
        return thsi_cli_done(THSI_EXIT_OK, NULL);
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    return refuse_unknown(argv[1]);
}
