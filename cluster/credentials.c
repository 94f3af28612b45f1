#include "cluster/credentials.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/text_file.h"

static enum ths_err THS_PRINTF(3, 4) complain(char *why, enum ths_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, THSI_KEY_WHY_SIZE, format, args);
    va_end(args);
    return err;
}

/* ---- Paths ------------------------------------------------------------------------------ */

static bool take_path(const char *given, char *out)
{
    size_t len = given ? strlen(given) : 0;

    if (len >= THSI_PATH_SIZE)
        return false;
    memcpy(out, given ? given : "", len + 1);
    return true;
}

enum ths_err thsi_credential_files_of(struct thsi_credential_files *files, const struct ths_cluster_options *options,
                                      char *why)
{
    if (!take_path(options->node_key, files->node_key) || !take_path(options->certificate, files->certificate) ||
        !take_path(options->allow, files->allow) || !take_path(options->revoked, files->revoked))
        return complain(why, THS_INVALID, "the path of a key, certificate or list is longer than %d bytes; shorten it",
                        THSI_PATH_SIZE - 1);
    if (!files->node_key[0] && (files->certificate[0] || files->allow[0] || files->revoked[0]))
        return complain(why, THS_INVALID,
                        "a certificate, an allow list and a revocation list are for nodes with node keys; make one with "
                        "`thiasos key new-node FILE` and give it too (--node-key FILE, THIASOS_NODE_KEY)");
    if (files->node_key[0] && !files->allow[0])
        return complain(why, THS_INVALID,
                        "with a node key it must be said whom to admit; make an allow list with `thiasos key allow LIST "
                        "PUBLIC-KEY` and give it (--allow LIST, THIASOS_ALLOW)");
    return THS_OK;
}

/* ---- Files ------------------------------------------------------------------------------ */

static enum ths_err read_failed(char *why, const char *what, const char *path, enum ths_err err, const char *reason)
{
    return complain(why, err == THS_IO ? THS_IO : THS_BAD_KEY, "cannot use the %s '%.200s': %s. See `thiasos key --help`",
                    what, path, reason);
}

static enum ths_err check_certificate(const struct thsi_credential *credential, const struct thsi_identity *self,
                                      uint64_t wall_ms, const char **reason)
{
    const struct thsi_proof *proof = &credential->proof;
    struct thsi_certificate certificate;

    *reason = NULL;
    if (thsi_certificate_parse(&certificate, proof->certificate, proof->certificate_len) != THS_OK)
        *reason = "it is no certificate";
    else if (!thsi_certificate_is_signed(&certificate, proof->certificate))
        *reason = "its signature is wrong";
    else if (memcmp(certificate.node, credential->key.public_key, THSI_KEY_SIZE) != 0)
        *reason = "it is of another node key";
    else if (wall_ms >= certificate.not_after_ms)
        *reason = "it has expired";
    else if (!thsi_words_cover(certificate.names, self->name))
        *reason = "it does not give this node's name";
    else if (!thsi_words_cover(certificate.roles, self->roles))
        *reason = "it does not give all of this node's roles";
    return *reason ? THS_BAD_KEY : THS_OK;
}

static enum ths_err load_certificate(const char *path, struct thsi_credential *credential,
                                     const struct thsi_identity *self, uint64_t wall_ms, char *why)
{
    struct thsi_proof *proof = &credential->proof;
    char said[THSI_FILE_REASON_SIZE];
    const char *reason = said;
    enum ths_err err;
    size_t len = 0;

    proof->certificate_len = 0;
    if (!path[0])
        return THS_OK;
    err = thsi_text_file_read(path, false, proof->certificate, sizeof proof->certificate, &len, said);
    proof->certificate_len = (uint16_t)len;
    if (err == THS_OK)
        err = check_certificate(credential, self, wall_ms, &reason);
    return err == THS_OK ? THS_OK : read_failed(why, "certificate", path, err, reason);
}

typedef enum ths_err read_list(struct thsi_trust *trust, const char *text, size_t len, char *reason);

static enum ths_err load_list(const char *path, const char *what, read_list *read, struct thsi_trust *trust, char *why)
{
    struct ths_env *env = trust->env;
    char reason[THSI_FILE_REASON_SIZE > THSI_TRUST_REASON_SIZE ? THSI_FILE_REASON_SIZE : THSI_TRUST_REASON_SIZE];
    enum ths_err err;
    size_t len;
    char *text;

    if (!path[0])
        return THS_OK;
    text = env->memory(env, NULL, THSI_TRUST_FILE_MAX);
    if (!text)
        return complain(why, THS_NOMEM, "memory is out; nothing was started");
    err = thsi_text_file_read(path, false, text, THSI_TRUST_FILE_MAX, &len, reason);
    if (err == THS_OK)
        err = read(trust, text, len, reason);
    (void)env->memory(env, text, 0);
    return err == THS_OK ? THS_OK : read_failed(why, what, path, err, reason);
}

enum ths_err thsi_credentials_load(const struct thsi_credential_files *files, struct ths_env *env,
                                   const struct thsi_identity *self, bool with_key, struct thsi_credential *credential,
                                   struct thsi_trust *trust, char *why)
{
    enum ths_err err = THS_OK;

    thsi_trust_init(trust, env);
    if (with_key) {
        err = thsi_identity_key_load(&thsi_node_key_kind, &credential->key, files->node_key, why, THSI_KEY_WHY_SIZE);
        memcpy(credential->proof.public_key, credential->key.public_key, THSI_KEY_SIZE);
    }
    if (err == THS_OK)
        err = load_certificate(files->certificate, credential, self, env->wall_ms(env), why);
    if (err == THS_OK)
        err = load_list(files->allow, "allow list", thsi_trust_read_allowed, trust, why);
    if (err == THS_OK)
        err = load_list(files->revoked, "revocation list", thsi_trust_read_revoked, trust, why);
    if (err != THS_OK)
        thsi_trust_fini(trust);
    return err;
}
