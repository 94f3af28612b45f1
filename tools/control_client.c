#include "tools/control_client.h"

#include "cluster/control_socket.h"
#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#define FIND_MS 10000u /* the node gives up earlier */

/* ---- Connecting --------------------------------------------------------------------------------- */

static int refuse_path(const char *command, enum ths_err err, const char *why)
{
    if (err == THS_TOO_MANY)
        return thsi_cli_fail(THSI_EXIT_USAGE, command, "several nodes run here: %s; choose one with --socket PATH",
                             why);
    if (err == THS_NOT_FOUND)
        return thsi_cli_fail(THSI_EXIT_NO_NODE, command,
                             "no node is reached: %s; start one with thiasos node, or name its socket with --socket",
                             why);
    return thsi_cli_fail(THSI_EXIT_USAGE, command, "no node is reached: %s; give a shorter --socket PATH", why);
}

static int refuse_connection(const char *command, enum ths_err err, const char *path)
{
    const char *why = err == THS_NOT_FOUND ? "there is no such socket"
                      : err == THS_CLOSED  ? "the process that made it has ended"
                      : err == THS_REFUSED ? "it belongs to another user"
                                           : ths_err_text(err);
    const char *hint = err == THS_REFUSED ? "run the command as the user of the node"
                                          : "start a node there, or name another with --socket PATH";

    return thsi_cli_fail(THSI_EXIT_NO_NODE, command, "no node is reached at %s: %s; %s", path, why, hint);
}

int thsi_client_open(struct thsi_client *client, const char *command, const char *socket)
{
    char why[THSI_SOCKET_WHY_SIZE];
    enum ths_err err;
    int fd;

    memset(client, 0, sizeof *client);
    client->command = command;
    err = thsi_socket_choose(socket, client->path, why);
    if (err != THS_OK)
        return refuse_path(command, err, why);
    err = thsi_control_connect(client->path, &fd);
    if (err == THS_OK)
        err = thsi_control_link_init(&client->link, ths_env_os(), fd);
    return err == THS_OK ? THSI_EXIT_OK : refuse_connection(command, err, client->path);
}

void thsi_client_close(struct thsi_client *client)
{
    thsi_control_link_close(&client->link);
}

/* ---- Requests ------------------------------------------------------------------------------------ */

static const char *hint_for(enum ths_err err)
{
    switch (err) {
    case THS_NOT_FOUND: return "see thiasos actors on its node for the names there are";
    case THS_UNKNOWN_NODE: return "see thiasos members for the nodes there are";
    case THS_GONE:
    case THS_STALE: return "look its present ref up by name, or with thiasos actors";
    case THS_FULL: return "try again when it has worked off what waits";
    case THS_TIMEOUT:
    case THS_EXPIRED: return "try again with a longer --timeout, or look at it with thiasos actors";
    case THS_REFUSED: return "send a message that the behaviour of this actor accepts";
    case THS_UNKNOWN_TYPE:
    case THS_TYPE_MISMATCH: return "use the names and fields that the target's node knows";
    case THS_NODE_LOST: return "see thiasos members for the nodes that are left";
    case THS_TOO_BIG: return "send less at a time";
    case THS_CRASHED: return "look into the log of its node";
    case THS_UNSUPPORTED: return "use the thiasos command of the node's version";
    default: return "look into the log of the node";
    }
}

static int refuse_answer(struct thsi_client *client, const struct control_failed *failed, const char *what,
                         const char *hint)
{
    client->err = (enum ths_err)failed->err;
    return thsi_cli_fail(THSI_EXIT_FAILED, client->command, "%s: %s (%s); %s", what, failed->why,
                         ths_err_name(client->err), hint ? hint : hint_for(client->err));
}

/* The link failed: the node is not what it should be, or is no more. */
static int refuse_link(const struct thsi_client *client, enum ths_err err, const char *what)
{
    if (err == THS_TOO_BIG)
        return thsi_cli_fail(THSI_EXIT_FAILED, client->command, "%s: %s; send less at a time", what, ths_err_text(err));
    if (err == THS_TIMEOUT)
        return thsi_cli_fail(THSI_EXIT_FAILED, client->command,
                             "%s: the node at %s does not answer; look whether it runs", what, client->path);
    if (err == THS_UNKNOWN_TYPE || err == THS_TYPE_MISMATCH)
        return thsi_cli_fail(THSI_EXIT_FAILED, client->command,
                             "%s: the node at %s is of another version; use the command of that version", what,
                             client->path);
    return thsi_cli_fail(THSI_EXIT_NO_NODE, client->command,
                         "%s: the node at %s ended the connection (%s); it may be stopping, or serve as many clients "
                         "as it can: try again", what, client->path, ths_err_text(err));
}

int thsi_client_request(struct thsi_client *client, struct ths_type *type, const void *msg,
                        struct ths_type *answer_type, unsigned timeout_ms, const char *what, const char *hint,
                        const void **answer)
{
    struct ths_type *const types[] = { answer_type, &control_failed_type };
    const struct thsi_type_info *got = NULL;
    void *read = NULL;
    enum ths_err err = thsi_control_write(&client->link, type, msg);

    *answer = NULL;
    client->err = THS_OK;
    if (err == THS_OK)
        err = thsi_control_read(&client->link, types, 2, timeout_ms, &got, &read);
    if (err != THS_OK)
        return refuse_link(client, err, what);
    if (got == thsi_type_intern(&control_failed_type))
        return refuse_answer(client, read, what, hint);
    *answer = read;
    return THSI_EXIT_OK;
}

int thsi_client_find(struct thsi_client *client, const char *target, ths_ref *to)
{
    struct control_find find = { .target = target };
    const void *answer;
    char what[THSI_TARGET_MAX + 32];
    int status;

    if (strlen(target) > THSI_TARGET_MAX)
        return thsi_cli_fail(THSI_EXIT_USAGE, client->command,
                             "bad target: it is longer than names are; give NAME, NAME@NODE or a ref");
    (void)snprintf(what, sizeof what, "%s is not found", target);
    status = thsi_client_request(client, &control_find_type, &find, &control_found_type, FIND_MS, what, NULL, &answer);
    if (status == THSI_EXIT_OK)
        *to = ((const struct control_found *)answer)->to;
    return status;
}
