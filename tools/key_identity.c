/* thiasos key new-node, new-authority, show, sign: keys of nodes and authorities, and certificates. */

#include "tools/key_verbs.h"

#include "codec/text_file.h"
#include "codec/trust.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS (UINT64_C(24) * 3600 * 1000)
#define BEFORE_MS UINT64_C(300000) /* a certificate counts from so long ago: clocks differ */

static void print_public(const uint8_t *public_key)
{
    char hex[THSI_KEY_SIZE * 2 + 1];

    (void)printf("%s\n", sodium_bin2hex(hex, sizeof hex, public_key, THSI_KEY_SIZE));
}

/* ---- Keys -------------------------------------------------------------------------------- */

static int make(const struct thsi_key_kind *kind, const char *path)
{
    struct ths_env *env = ths_env_os();
    uint8_t secret[THSI_KEY_SIZE];
    char why[THSI_KEY_WHY_SIZE] = "";
    struct thsi_identity_key key;
    enum ths_err err;

    env->random(env, secret, sizeof secret);
    err = thsi_key_file_create(kind, path, secret, why, sizeof why);
    thsi_identity_key_of(&key, secret);
    if (err == THS_OK)
        print_public(key.public_key);
    sodium_memzero(secret, sizeof secret);
    thsi_identity_key_wipe(&key);
    return err == THS_OK ? THSI_EXIT_OK : thsi_key_refuse(why);
}

int thsi_key_new_node(char **words)
{
    return make(&thsi_node_key_kind, words[0]);
}

int thsi_key_new_authority(char **words)
{
    return make(&thsi_authority_key_kind, words[0]);
}

/* ---- Show -------------------------------------------------------------------------------- */

static int show_key(const struct thsi_key_kind *kind, const char *path)
{
    char why[THSI_KEY_WHY_SIZE];
    struct thsi_identity_key key;

    if (thsi_identity_key_load(kind, &key, path, why, sizeof why) != THS_OK)
        return thsi_key_refuse(why);
    print_public(key.public_key);
    thsi_identity_key_wipe(&key);
    return THSI_EXIT_OK;
}

static int show_certificate(const char *text, size_t len, const char *path)
{
    struct ths_env *env = ths_env_os();
    struct thsi_certificate certificate;
    uint64_t wall_ms = env->wall_ms(env);

    if (thsi_certificate_parse(&certificate, text, len) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "key",
                             "cannot use the certificate %s: it does not follow its format; have it signed again", path);
    if (!thsi_certificate_is_signed(&certificate, text))
        return thsi_cli_fail(THSI_EXIT_FAILED, "key",
                             "cannot use the certificate %s: its authority has not signed this; have it signed again", path);
    (void)printf("%.*s%s\n", (int)len, text,
                 wall_ms >= certificate.not_after_ms    ? "it has expired"
                 : wall_ms < certificate.not_before_ms ? "it is not valid yet"
                                                        : "it is signed by that authority, and valid now");
    return THSI_EXIT_OK;
}

static int show_list(const char *text, size_t len, const char *path, bool allowed)
{
    char reason[THSI_TRUST_REASON_SIZE];
    struct thsi_trust trust;
    enum ths_err err;

    thsi_trust_init(&trust, ths_env_os());
    err = allowed ? thsi_trust_read_allowed(&trust, text, len, reason) : thsi_trust_read_revoked(&trust, text, len, reason);
    if (err == THS_OK && allowed)
        (void)printf("%zu nodes and %zu authorities are allowed\n", trust.nodes_count, trust.authorities_count);
    else if (err == THS_OK)
        (void)printf("%zu keys and certificates are revoked\n", trust.revoked_count);
    thsi_trust_fini(&trust);
    return err == THS_OK ? THSI_EXIT_OK
                         : thsi_cli_fail(THSI_EXIT_FAILED, "key", "cannot use the list %s: %s; mend the line", path, reason);
}

static bool begins(const char *text, size_t len, const char *head)
{
    return len >= strlen(head) && memcmp(text, head, strlen(head)) == 0;
}

/* What the file is, its first line says. Secrets are read again by those who know how to. */
int thsi_key_show(char **words)
{
    static char text[THSI_TRUST_FILE_MAX];
    char reason[THSI_FILE_REASON_SIZE];
    const char *path = words[0];
    size_t len;
    int status;

    if (thsi_text_file_read(path, false, text, sizeof text, &len, reason) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "key", "cannot show %s: %s; name a key, a certificate or a list", path, reason);
    if (begins(text, len, thsi_node_key_kind.head))
        status = show_key(&thsi_node_key_kind, path);
    else if (begins(text, len, thsi_authority_key_kind.head))
        status = show_key(&thsi_authority_key_kind, path);
    else if (begins(text, len, "thiasos-certificate"))
        status = show_certificate(text, len, path);
    else if (begins(text, len, "thiasos-allow") || begins(text, len, "thiasos-revoked"))
        status = show_list(text, len, path, begins(text, len, "thiasos-allow"));
    else
        status = thsi_cli_fail(THSI_EXIT_FAILED, "key",
                               "cannot show %s: it is no node's or authority's key, certificate or list; of a cluster key see "
                               "thiasos key list", path);
    sodium_memzero(text, sizeof text);
    return status;
}

/* ---- Sign -------------------------------------------------------------------------------- */

static int sign_refused(const char *text, const char *remedy)
{
    return thsi_cli_fail(THSI_EXIT_USAGE, "key", "nothing is signed: %s; %s", text, remedy);
}

/* What is to be signed, from the options. Returns an exit status. */
static int fill(struct thsi_certificate *certificate, const char *public_key)
{
    const struct thsi_key_options *options = &thsi_key_options;
    struct ths_env *env = ths_env_os();
    uint8_t static_public[THSI_KEY_SIZE];
    uint64_t wall_ms = env->wall_ms(env);

    *certificate = (struct thsi_certificate){ .rights = THSI_RIGHTS_ALL, .not_before_ms = wall_ms - BEFORE_MS,
                                              .not_after_ms = wall_ms + options->days * DAY_MS };
    if (!options->name || options->days == 0)
        return sign_refused("it must be said for which names and for how long", "give --name NAME,... and --days N");
    if (!thsi_hex_parse(public_key, strlen(public_key), certificate->node, THSI_KEY_SIZE) ||
        !thsi_static_of(certificate->node, static_public))
        return sign_refused("this is no public key", "give the 64 digits that thiasos key show prints");
    if (strlen(options->name) > THSI_CERTIFICATE_LIST_MAX || !thsi_words_are_good(options->name))
        return sign_refused("the names are not understood", "write for example --name a,b or '*'");
    if (options->roles && (strlen(options->roles) > THSI_CERTIFICATE_LIST_MAX || !thsi_words_are_good(options->roles)))
        return sign_refused("the roles are not understood", "write for example --roles counter,web or '*'");
    if (options->rights && !thsi_rights_parse(options->rights, strlen(options->rights), &certificate->rights))
        return sign_refused("the rights are not understood", "write some of send,ask,spawn,monitor,kill,admin, all, or none");
    env->random(env, &certificate->serial, sizeof certificate->serial);
    (void)strcpy(certificate->names, options->name);
    (void)strcpy(certificate->roles, options->roles ? options->roles : "");
    return THSI_EXIT_OK;
}

int thsi_key_sign(char **words)
{
    char why[THSI_KEY_WHY_SIZE], reason[THSI_FILE_REASON_SIZE], text[THSI_CERTIFICATE_MAX];
    struct thsi_certificate certificate;
    struct thsi_identity_key authority;
    int status = fill(&certificate, words[1]);
    size_t len = 0;
    enum ths_err err;

    if (status != THSI_EXIT_OK)
        return status;
    if (thsi_identity_key_load(&thsi_authority_key_kind, &authority, words[0], why, sizeof why) != THS_OK)
        return thsi_key_refuse(why);
    err = thsi_certificate_sign(&certificate, &authority, text, &len);
    thsi_identity_key_wipe(&authority);
    if (err != THS_OK)
        return sign_refused("names, roles or time give no certificate", "shorten them");
    if (thsi_text_file_replace(words[2], text, len, reason) != THS_OK)
        return thsi_cli_fail(THSI_EXIT_FAILED, "key", "nothing is signed: cannot write %s: %s; choose another place", words[2],
                             reason);
    (void)printf("%s: serial %" PRIu64 ", for %u days\n", words[2], certificate.serial, thsi_key_options.days);
    return THSI_EXIT_OK;
}
