#include "tools/learn.h"

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#define LOOKUP_MS 10000u /* the node gives up earlier */
#define TEXT_SIZE 512

static int refuse(const struct thsi_client *client, const char *name, const struct ths_described *described)
{
    char names[TEXT_SIZE] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < described->near.count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 described->near.items[i]);
    if (described->err == THS_INVALID)
        return thsi_cli_fail(THSI_EXIT_FAILED, client->command,
                             "message type \"%s\": several types of the target's node end so; give one in full: %s",
                             name, names);
    return thsi_cli_fail(THSI_EXIT_FAILED, client->command,
                         "message type \"%s\": the target's node knows none of that name (%s); %s%s", name,
                         ths_err_name((enum ths_err)described->err),
                         *names ? "it knows " : "look whether the program there declares it", names);
}

int thsi_learn_description(struct thsi_client *client, ths_ref to, const char *name, uint32_t version, uint64_t fingerprint,
                           const struct ths_described **described)
{
    struct control_describe describe = { .to = to, .name = name, .version = version, .fingerprint = fingerprint };
    const void *answer;
    char what[TEXT_SIZE];
    int status;

    if (strlen(name) > THSI_TYPE_NAME_MAX)
        return thsi_cli_fail(THSI_EXIT_USAGE, client->command,
                             "bad message type: it is longer than names are; give a name such as greet or demo.greet");
    (void)snprintf(what, sizeof what, "message type \"%s\" cannot be looked up", name);
    status = thsi_client_request(client, &control_describe_type, &describe, &ths_described_type, LOOKUP_MS,
                                 what, NULL, &answer);
    if (status != THSI_EXIT_OK)
        return status;
    *described = answer;
    return (*described)->err == THS_OK ? THSI_EXIT_OK : refuse(client, name, *described);
}
