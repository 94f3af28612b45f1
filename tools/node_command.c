/* thiasos node: a node as a process of its own, until it is told to stop. */

#define _GNU_SOURCE /* sigset_t under gnu11's POSIX */

#include "tools/cli.h"
#include "tools/echo.h"
#include "tools/socket_path.h"
#include "tools/wordcount.h"

#include "cluster/seeds.h"
#include "thiasos/thiasos.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_MS 2500u /* for the actors, so that all is over within 5 s, with a lookup of the control socket before it */
#define WHY_SIZE 512

struct node_options {
    const char *name, *log, *log_level, *files;
    unsigned workers;
    struct ths_cluster_options cluster;
};

/* ---- Options ------------------------------------------------------------------------------------ */

/* Also what the node does when no name is given; needed here for the default socket. */
static const char *node_name(const struct node_options *options, char *host, size_t size)
{
    const char *name = options->name ? options->name : getenv("THIASOS_NAME");

    if (name && *name)
        return name;
    if (gethostname(host, size) != 0)
        return "node";
    host[size - 1] = '\0';
    return host;
}

static bool is_node_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t len = strlen(name);

    return len > 0 && len < 64 && strspn(name, allowed) == len;
}

static bool set_log(const struct node_options *options)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    bool json = options->log && strcmp(options->log, "json") == 0;
    const char *level = options->log_level ? options->log_level : "info";

    if (options->log && !json && strcmp(options->log, "text") != 0)
        return false;
    for (unsigned i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(level, levels[i]) == 0) {
            ths_env_os_log((enum ths_log_level)i, json);
            return true;
        }
    return false;
}

/* What can be known to be wrong before anything is started. Returns 0 or an exit status. */
static int check(const struct node_options *options, const char *name)
{
    const char *seeds = options->cluster.seeds ? options->cluster.seeds : getenv("THIASOS_SEEDS");
    struct thsi_seeds parsed;
    char why[WHY_SIZE] = "";

    if (!is_node_name(name))
        return thsi_cli_fail(THSI_EXIT_USAGE, "node",
                             "bad name \"%.80s\": a node's name is 1 to 63 letters, digits, dots, dashes and "
                             "underscores; give one with --name", name);
    if (!set_log(options))
        return thsi_cli_fail(THSI_EXIT_USAGE, "node",
                             "bad value of --log or --log-level: the log is text or json, the level debug, info, warn "
                             "or error; give one of these");
    if (thsi_seeds_init(&parsed, seeds, why, sizeof why) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_USAGE, "node", "bad seeds: %s", why);
    return THSI_EXIT_OK;
}

/* The control socket's path: as given, "none" for none, else the default. @path has THSI_SOCKET_PATH_SIZE bytes. */
static int choose_socket(struct node_options *options, const char *name, char *path)
{
    const char *given = options->cluster.socket ? options->cluster.socket : getenv("THIASOS_SOCKET");
    char why[THSI_SOCKET_WHY_SIZE];

    if (given && strcmp(given, "none") == 0) {
        options->cluster.socket = "";
        return THSI_EXIT_OK;
    }
    if (given && *given) {
        options->cluster.socket = given;
        return THSI_EXIT_OK;
    }
    if (thsi_socket_default(name, path, why) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "node",
                             "no control socket: %s; give --socket PATH, or --socket none to do without", why);
    options->cluster.socket = path;
    return THSI_EXIT_OK;
}

/* ---- Running ------------------------------------------------------------------------------------ */

static int refuse_join(enum ths_err err, const char *why)
{
    int status = err == THS_INVALID || err == THS_NO_KEY ? THSI_EXIT_USAGE : THSI_EXIT_FAILED;

    return thsi_cli_fail(status, "node", "the node does not start: %s",
                         *why ? why : "memory or descriptors are out; free some");
}

/* What the counters of this node may read. Returns 0 or an exit status. */
static int open_files(const struct node_options *options)
{
    static struct thsi_file_source source; /* the counters' for as long as the process lives */
    const char *directory = options->files ? options->files : getenv("THIASOS_FILES");
    char why[WHY_SIZE] = "";

    if (!directory || !*directory)
        return THSI_EXIT_OK;
    if (thsi_files_open(directory, &source, why, sizeof why) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "node",
                             "no files to count: %s; name a directory that can be read with --files", why);
    thsi_counter_source(&source, ths_env_os());
    return THSI_EXIT_OK;
}

/* Everything that makes the node one of the cluster's. Returns 0 or an exit status. */
static int bring_up(struct ths_node *node, const struct node_options *options)
{
    char why[WHY_SIZE] = "";
    enum ths_err err;

    /* Behaviours and the echo actor first: from the moment of joining others may ask for them. */
    if (thsi_counter_register(node) != THS_OK || ths_ref_is_nobody(thsi_echo_start(node)))
        return thsi_cli_fail(THSI_EXIT_FAILED, "node", "the built-in actors do not start: memory is out; free some");
    err = ths_cluster_join(node, &options->cluster, why, sizeof why);
    return err == THS_OK ? THSI_EXIT_OK : refuse_join(err, why);
}

/* The line that scripts wait for. */
static void announce(struct ths_node *node, const struct node_options *options)
{
    const char *endpoint = ths_cluster_endpoint(node);

    (void)printf("ready %s %s %s\n", ths_node_name(node), endpoint ? endpoint : "-",
                 *options->cluster.socket ? options->cluster.socket : "-");
    (void)fflush(stdout);
}

static int run(struct node_options *options, const char *name)
{
    const struct ths_node_options node_options = { .name = name, .workers = options->workers };
    struct ths_node *node;
    sigset_t signals;
    int signal_number, status;

    /* Before any thread is started, so that all have them blocked and they come here. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    node = ths_node_start(&node_options);
    if (!node)
        return thsi_cli_fail(THSI_EXIT_FAILED, "node", "the node does not start: memory or threads are out; free some");
    status = bring_up(node, options);
    if (status == THSI_EXIT_OK) {
        announce(node, options);
        (void)sigwait(&signals, &signal_number);
    }
    ths_node_stop(node, STOP_MS);
    return status;
}

int thsi_node_command(int argc, char **argv)
{
    struct node_options got = { .cluster = { .bury_exits = true } };
    char host[256], socket_path[THSI_SOCKET_PATH_SIZE];
    const char *name;
    int first, status;
    const struct thsi_option options[] = {
        { "name", THSI_OPTION_TEXT, &got.name, 0, 0, "NAME",
          "the node's name; default $THIASOS_NAME, else the host's" },
        { "bind", THSI_OPTION_TEXT, &got.cluster.bind, 0, 0, "tcp://HOST:PORT",
          "where to listen; default tcp://127.0.0.1:7400; port 0: any free one" },
        { "advertise", THSI_OPTION_TEXT, &got.cluster.advertise, 0, 0, "HOST:PORT",
          "the address that others are told; default the host's name and the port" },
        { "seeds", THSI_OPTION_TEXT, &got.cluster.seeds, 0, 0, "HOST[:PORT],...",
          "nodes to look for; none for the first node" },
        { "key-file", THSI_OPTION_TEXT, &got.cluster.key_file, 0, 0, "FILE",
          "the cluster's key (thiasos key new FILE); needed beyond loopback" },
        { "node-key", THSI_OPTION_TEXT, &got.cluster.node_key, 0, 0, "FILE",
          "this node's own key (thiasos key new-node FILE); all nodes have one, or none" },
        { "allow", THSI_OPTION_TEXT, &got.cluster.allow, 0, 0, "LIST",
          "which node keys to admit (thiasos key allow LIST ...); needed with --node-key" },
        { "certificate", THSI_OPTION_TEXT, &got.cluster.certificate, 0, 0, "FILE",
          "what an authority has signed for the node key (thiasos key sign ...)" },
        { "revoked", THSI_OPTION_TEXT, &got.cluster.revoked, 0, 0, "LIST",
          "which keys and certificates not to admit any more (thiasos key revoke LIST ...)" },
        { "cluster", THSI_OPTION_TEXT, &got.cluster.cluster, 0, 0, "NAME", "the cluster's name; default thiasos" },
        { "roles", THSI_OPTION_TEXT, &got.cluster.roles, 0, 0, "ROLE,...",
          "what this node is for; supervisors choose by it" },
        { "scopes", THSI_OPTION_TEXT, &got.cluster.scopes, 0, 0, "SCOPE,...",
          "scopes of process groups; default \"default\"" },
        { "socket", THSI_OPTION_TEXT, &got.cluster.socket, 0, 0, "PATH",
          "the control socket; default $XDG_RUNTIME_DIR/thiasos/NAME.sock; none" },
        { "files", THSI_OPTION_TEXT, &got.files, 0, 0, "DIRECTORY",
          "what counters of this node may read; none by default" },
        { "workers", THSI_OPTION_NUMBER, &got.workers, 0, 64, "N", "threads that run actors; default one per CPU" },
        { "log", THSI_OPTION_TEXT, &got.log, 0, 0, "FORMAT", "of the log on stderr: text (default) or json" },
        { "log-level", THSI_OPTION_TEXT, &got.log_level, 0, 0, "LEVEL", "debug, info (default), warn or error" },
    };
    const struct thsi_command command = {
        .name = "node",
        .usage = "[OPTION...]",
        .about = "Run a node until SIGTERM or SIGINT, which end it in order within 5 seconds. It runs an actor\n"
                 "named echo and knows the behaviours echo and counter, so other nodes may start counters here.\n"
                 "When it is up it prints one line: ready NAME ENDPOINT SOCKET. Options are also taken from the\n"
                 "environment: THIASOS_NAME, THIASOS_BIND, THIASOS_ADVERTISE, THIASOS_SEEDS, THIASOS_KEY_FILE,\n"
                 "THIASOS_NODE_KEY, THIASOS_ALLOW, THIASOS_CERTIFICATE, THIASOS_REVOKED, THIASOS_CLUSTER,\n"
                 "THIASOS_ROLES, THIASOS_SCOPES, THIASOS_SOCKET, THIASOS_FILES.",
        .examples = "  thiasos node --name a\n"
                    "  thiasos node --name b --bind tcp://127.0.0.1:7401 --seeds 127.0.0.1:7400 --roles counter\n"
                    "  thiasos node --bind tcp://0.0.0.0:7400 --key-file cluster.key --seeds nodes.example:7400",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
    };

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    name = node_name(&got, host, sizeof host);
    status = check(&got, name);
    if (status == THSI_EXIT_OK)
        status = choose_socket(&got, name, socket_path);
    if (status == THSI_EXIT_OK)
        status = open_files(&got);
    return status == THSI_EXIT_OK ? thsi_cli_done(run(&got, name), "node") : status;
}
