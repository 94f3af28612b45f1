/* thiasos key new FILE. */

#include "tools/cli.h"

#include "codec/keyring_file.h"
#include "thiasos/env.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static int make_key(const char *path)
{
    struct ths_env *env = ths_env_os();
    uint8_t secret[THSI_KEY_SIZE];
    char why[THSI_KEY_WHY_SIZE] = "";
    enum ths_err err;

    env->random(env, secret, sizeof secret);
    err = thsi_keyring_create(path, secret, why, sizeof why);
    sodium_memzero(secret, sizeof secret);
    if (err != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "key", "%s", why);
    (void)printf("%s: a new cluster key, mode 0400. Copy it to every node and start each with --key-file.\n", path);
    return thsi_cli_done(THSI_EXIT_OK, "key");
}

int thsi_key_command(int argc, char **argv)
{
    const struct thsi_command command = {
        .name = "key",
        .usage = "new FILE",
        .about = "Make a new cluster key in FILE, which must not exist yet. All nodes of a cluster need the same\n"
                 "file; whoever has it can join and read everything, so only its owner may read it (mode 0400).",
        .examples = "  thiasos key new cluster.key\n"
                    "  thiasos node --name a --bind tcp://0.0.0.0:7400 --key-file cluster.key",
        .words_min = 2,
        .words_max = 2,
    };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (strcmp(argv[first], "new") != 0)
        return thsi_cli_fail(THSI_EXIT_USAGE, "key",
                             "unknown word \"%s\": a key can only be made; write thiasos key new FILE",
                             argv[first]);
    return make_key(argv[first + 1]);
}
