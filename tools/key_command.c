/* thiasos key: the keys of a cluster, in files and in a running node. */

#include "tools/cli.h"
#include "tools/control_client.h"
#include "tools/key_verbs.h"
#include "tools/table.h"

#include "codec/keyring_file.h"
#include "thiasos/env.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_MIN 4u      /* digits of a fingerprint that name a key, if no other begins so */
#define RELOAD_MS 10000u
#define FINGERPRINT_SIZE (THSI_KEY_ID_SIZE * 2 + 1)

struct thsi_key_options thsi_key_options;

int thsi_key_refuse(const char *why)
{
    return thsi_cli_fail(THSI_EXIT_FAILED, "key", "%s", why);
}

static char *print_fingerprint(const struct thsi_cluster_key *key, char *out)
{
    uint8_t fingerprint[THSI_KEY_ID_SIZE];

    thsi_cluster_key_fingerprint(key, fingerprint);
    return sodium_bin2hex(out, FINGERPRINT_SIZE, fingerprint, sizeof fingerprint);
}

/* ---- Files ------------------------------------------------------------------------------- */

static int make_key(char **words)
{
    struct ths_env *env = ths_env_os();
    uint8_t secret[THSI_KEY_SIZE];
    char why[THSI_KEY_WHY_SIZE] = "";
    enum ths_err err;

    env->random(env, secret, sizeof secret);
    err = thsi_keyring_create(words[0], secret, why, sizeof why);
    sodium_memzero(secret, sizeof secret);
    if (err != THS_OK)
        return thsi_key_refuse(why);
    (void)printf("%s: a new cluster key, mode 0400. Copy it to every node and start each with --key-file.\n", words[0]);
    return THSI_EXIT_OK;
}

static bool add_row(struct thsi_table *table, unsigned index, const char *fingerprint)
{
    if (!table)
        return false;
    thsi_table_add(table, "%s", fingerprint);
    thsi_table_add(table, "%s", index == 0 ? "primary" : "installed");
    return true;
}

static int print_table(struct thsi_table *table)
{
    return thsi_table_print(table) ? THSI_EXIT_OK : thsi_key_refuse("the keys are not printed: memory or stdout failed; try again");
}

static struct thsi_table *begin_table(void)
{
    static const char *const headings[] = { "FINGERPRINT", "USE" };

    return thsi_table_create(headings, 2);
}

static int list_keys(char **words)
{
    char why[THSI_KEY_WHY_SIZE], fingerprint[FINGERPRINT_SIZE];
    struct thsi_table *table = NULL;
    struct thsi_keyring keys;

    if (thsi_keyring_load(&keys, words[0], why, sizeof why) != THS_OK)
        return thsi_key_refuse(why);
    table = begin_table();
    for (unsigned i = 0; i < keys.count; i++)
        (void)add_row(table, i, print_fingerprint(&keys.keys[i], fingerprint));
    thsi_keyring_wipe(&keys);
    return print_table(table);
}

/* The only key whose fingerprint begins with @prefix; keys->count: none, or several. */
static unsigned find_key(const struct thsi_keyring *keys, const char *prefix)
{
    char fingerprint[FINGERPRINT_SIZE];
    size_t len = strlen(prefix);
    unsigned found = keys->count;

    for (unsigned i = 0; len >= PREFIX_MIN && i < keys->count; i++) {
        if (strncmp(print_fingerprint(&keys->keys[i], fingerprint), prefix, len) != 0)
            continue;
        if (found < keys->count)
            return keys->count;
        found = i;
    }
    return found;
}

static int install_in(struct thsi_keyring *keys, const char *file, const char *from)
{
    char why[THSI_KEY_WHY_SIZE];
    struct thsi_keyring other;
    enum ths_err err;

    if (thsi_keyring_load(&other, from, why, sizeof why) != THS_OK)
        return thsi_key_refuse(why);
    err = thsi_keyring_install(keys, &other.keys[0]);
    thsi_keyring_wipe(&other);
    if (err == THS_INVALID)
        return thsi_cli_fail(THSI_EXIT_FAILED, "key", "nothing is installed: %s holds this key already; see thiasos key list %s",
                             file, file);
    if (err != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "key",
                             "nothing is installed: %s holds %u keys, the most there may be; remove one that no node uses any "
                             "more", file, THSI_KEYRING_MAX);
    return THSI_EXIT_OK;
}

static int promote_in(struct thsi_keyring *keys, const char *file, unsigned index)
{
    (void)file;
    thsi_keyring_promote(keys, index);
    return THSI_EXIT_OK;
}

static int remove_in(struct thsi_keyring *keys, const char *file, unsigned index)
{
    if (thsi_keyring_remove(keys, index) == THS_OK)
        return THSI_EXIT_OK;
    return thsi_cli_fail(THSI_EXIT_FAILED, "key", "nothing is removed: this is the primary key of %s; promote another first",
                         file);
}

/* Change one key of the file, named by its fingerprint. */
static int change_one(char **words, int (*change)(struct thsi_keyring *keys, const char *file, unsigned index))
{
    char why[THSI_KEY_WHY_SIZE];
    struct thsi_keyring keys;
    unsigned index;
    int status;

    if (thsi_keyring_load(&keys, words[0], why, sizeof why) != THS_OK)
        return thsi_key_refuse(why);
    index = find_key(&keys, words[1]);
    if (index == keys.count)
        status = thsi_cli_fail(THSI_EXIT_FAILED, "key",
                               "no key of %s is named \"%.64s\": a key's name is its fingerprint, or the first %u digits or more "
                               "of it if no other begins so; see thiasos key list %s", words[0], words[1], PREFIX_MIN, words[0]);
    else
        status = change(&keys, words[0], index);
    if (status == THSI_EXIT_OK && thsi_keyring_save(&keys, words[0], why, sizeof why) != THS_OK)
        status = thsi_key_refuse(why);
    thsi_keyring_wipe(&keys);
    return status == THSI_EXIT_OK ? list_keys(words) : status;
}

static int promote_key(char **words)
{
    return change_one(words, promote_in);
}

static int remove_key(char **words)
{
    return change_one(words, remove_in);
}

static int install_key(char **words)
{
    char why[THSI_KEY_WHY_SIZE];
    struct thsi_keyring keys;
    int status;

    if (thsi_keyring_load(&keys, words[0], why, sizeof why) != THS_OK)
        return thsi_key_refuse(why);
    status = install_in(&keys, words[0], words[1]);
    if (status == THSI_EXIT_OK && thsi_keyring_save(&keys, words[0], why, sizeof why) != THS_OK)
        status = thsi_key_refuse(why);
    thsi_keyring_wipe(&keys);
    return status == THSI_EXIT_OK ? list_keys(words) : status;
}

/* ---- A running node ---------------------------------------------------------------------- */

static int print_answer(const struct control_keys_answer *answer)
{
    struct thsi_table *table = begin_table();
    int status;

    for (uint32_t i = 0; i < answer->fingerprints.count; i++)
        (void)add_row(table, i, answer->fingerprints.items[i]);
    status = print_table(table);
    if (status == THSI_EXIT_OK && answer->moving > 0)
        (void)printf("%u of %u links still use another key than the primary one\n", answer->moving, answer->links);
    else if (status == THSI_EXIT_OK)
        (void)printf("all %u links use the primary key\n", answer->links);
    return status;
}

static int reload_keys(char **words)
{
    struct thsi_client client;
    const void *answer;
    int status = thsi_client_open(&client, "key", thsi_key_options.socket);

    (void)words;
    if (status != THSI_EXIT_OK)
        return status;
    status = thsi_client_request(&client, &control_reload_keys_type, &(struct control_reload_keys){ 0 },
                                 &control_keys_answer_type, RELOAD_MS, "the node does not take up its key file",
                                 "see thiasos key list FILE; the node goes on with the keys it has", &answer);
    if (status == THSI_EXIT_OK)
        status = print_answer(answer);
    thsi_client_close(&client);
    return status;
}

/* ---- The command ------------------------------------------------------------------------- */

static const struct verb {
    const char *name;
    int words; /* behind it */
    int (*run)(char **words);
} verbs[] = {
    { "new", 1, make_key },       { "list", 1, list_keys },     { "install", 2, install_key },
    { "promote", 2, promote_key }, { "remove", 2, remove_key }, { "reload", 0, reload_keys },
    { "new-node", 1, thsi_key_new_node },  { "new-authority", 1, thsi_key_new_authority },
    { "show", 1, thsi_key_show },          { "sign", 3, thsi_key_sign },
    { "allow", 2, thsi_key_allow },        { "deny", 2, thsi_key_deny },
    { "revoke", 2, thsi_key_revoke },
};

#define VERBS (sizeof verbs / sizeof verbs[0])

static int run_verb(int words, char **argv)
{
    const struct verb *verb = verbs;

    while (verb < verbs + VERBS && strcmp(argv[0], verb->name) != 0)
        verb++;
    if (verb == verbs + VERBS)
        return thsi_cli_fail(THSI_EXIT_USAGE, "key",
                             "unknown word \"%.64s\": there is no such verb; see thiasos key --help", argv[0]);
    if (words != verb->words)
        return thsi_cli_fail(THSI_EXIT_USAGE, "key", "too %s words for key %s: it takes %d; see thiasos key --help",
                             words < verb->words ? "few" : "many", verb->name, verb->words);
    return verb->run(argv + 1);
}

int thsi_key_command(int argc, char **argv)
{
    const struct thsi_option options[] = {
        { "socket", THSI_OPTION_TEXT, &thsi_key_options.socket, 0, 0, "PATH",
          "reload: the node's control socket; needed if several nodes run" },
        { "name", THSI_OPTION_TEXT, &thsi_key_options.name, 0, 0, "NAME",
          "allow, sign: the name of the node; sign: or several, or '*'" },
        { "roles", THSI_OPTION_TEXT, &thsi_key_options.roles, 0, 0, "ROLE,...",
          "allow, sign: which roles it may claim; default allow: any, sign: none" },
        { "rights", THSI_OPTION_TEXT, &thsi_key_options.rights, 0, 0, "RIGHT,...",
          "allow, sign: of send,ask,spawn,monitor,kill,admin; all (default); none" },
        { "days", THSI_OPTION_NUMBER, &thsi_key_options.days, 1, 36500, "N", "sign: how long the certificate is valid" },
        { "authority", THSI_OPTION_FLAG, &thsi_key_options.authority, 0, 0, NULL,
          "allow: the key is an authority's, whose certificates count" },
    };
    const struct thsi_command command = {
        .name = "key",
        .usage = "VERB WORD... [OPTION...]",
        .about = "Keys of a cluster, and of its nodes.\n\n"
                 "The cluster's keys. All nodes of a cluster need the same; whoever has one can join and read everything,\n"
                 "so only its owner may read a key file (mode 0400).\n\n"
                 "  new FILE           make a key in FILE, which must not exist yet\n"
                 "  list FILE          show the fingerprints of the keys in FILE, never the keys\n"
                 "  install FILE FROM  add the key of the file FROM to FILE: nodes accept it\n"
                 "  promote FILE KEY   make KEY, a fingerprint, the primary one: nodes begin with it\n"
                 "  remove FILE KEY    forget KEY\n"
                 "  reload             have a running node take up its changed files, those below too\n\n"
                 "To change the key of a cluster that works, install the new one on all nodes, then promote it on all\n"
                 "nodes, then remove the old one on all nodes, with a reload on each node after each step. Links\n"
                 "stay up and nothing is lost. reload says how many links are still on another key than the primary\n"
                 "one: go on when none is.\n\n"
                 "Keys of nodes. With them each node decides whom it admits, and what that node may do on it; PUBLIC\n"
                 "stands for 64 digits that show prints.\n\n"
                 "  new-node FILE      make a node's key in FILE, which stays on that node, and print PUBLIC\n"
                 "  allow LIST PUBLIC  admit the node, or with --authority whom that authority signs for\n"
                 "  deny LIST PUBLIC   take it off the list\n"
                 "  new-authority FILE make the key of an authority, to be kept off the nodes, and print PUBLIC\n"
                 "  sign AUTHORITY PUBLIC FILE  write a certificate for the node to FILE (--name, --days)\n"
                 "  revoke LIST WHAT   admit it no more: a certificate's file or serial, or PUBLIC\n"
                 "  show FILE          print PUBLIC, or what the certificate or list says",
        .examples = "  thiasos key new cluster.key\n"
                    "  thiasos node --name a --bind tcp://0.0.0.0:7400 --key-file cluster.key\n"
                    "  thiasos key new next.key\n"
                    "  thiasos key install cluster.key next.key && thiasos key reload\n"
                    "  thiasos key promote cluster.key 7c1f && thiasos key reload\n"
                    "  thiasos key allow nodes.allow $(thiasos key new-node a.key) --name a --rights send,ask\n"
                    "  thiasos key sign authority.key $(thiasos key show a.key) a.cert --name a --days 90\n"
                    "  thiasos key revoke nodes.revoked a.cert",
        .options = options,
        .options_count = sizeof options / sizeof options[0],
        .words_min = 1,
        .words_max = 4,
    };
    int first, status;

    if (!thsi_cli_parse(&command, argc, argv, &first, &status))
        return status;
    if (sodium_init() < 0)
        return thsi_key_refuse("no key is touched: libsodium could not be initialised; check the system's random source");
    return thsi_cli_done(run_verb(argc - first - 1, argv + first), "key");
}
