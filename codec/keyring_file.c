/* Keyring file: see keyring_file.h. */

#include "codec/keyring_file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "codec/text_file.h"

#define HEAD "thiasos-cluster-key"
#define VERSION_LINE HEAD " 1\n"
#define VERSION_LINE_LEN (sizeof VERSION_LINE - 1)
#define HEX_LEN ((size_t)THSI_KEY_SIZE * 2)
#define KEY_LINE_LEN (HEX_LEN + 1) /* with the newline; an editor may have dropped the last one */
#define FILE_LEN_MIN (VERSION_LINE_LEN + HEX_LEN)

static_assert(THSI_KEYRING_TEXT_MAX == VERSION_LINE_LEN + THSI_KEYRING_MAX * KEY_LINE_LEN, "the longest file has all lines");

static const struct thsi_key_kind kind = {
    .head = HEAD,
    .what = "key file",
    .remedy = "Make a key with `thiasos key new FILE` and give every node of the cluster a copy of it",
    .renew = "thiasos key new FILE",
};

/* ---- Writing ----------------------------------------------------------------------------- */

enum ths_err thsi_keyring_create(const char *path, const uint8_t *secret, char *why, size_t why_size)
{
    return thsi_key_file_create(&kind, path, secret, why, why_size);
}

size_t thsi_keyring_print(const struct thsi_keyring *keyring, char *text)
{
    size_t len = VERSION_LINE_LEN;

    memcpy(text, VERSION_LINE, VERSION_LINE_LEN);
    for (unsigned i = 0; i < keyring->count; i++) {
        sodium_bin2hex(text + len, HEX_LEN + 1, keyring->keys[i].secret, THSI_KEY_SIZE);
        text[len + HEX_LEN] = '\n'; /* over the NUL */
        len += KEY_LINE_LEN;
    }
    text[len] = '\0';
    return len;
}

enum ths_err thsi_keyring_save(const struct thsi_keyring *keyring, const char *path, char *why, size_t why_size)
{
    char text[THSI_KEYRING_TEXT_MAX + 1], reason[THSI_FILE_REASON_SIZE];
    size_t len = thsi_keyring_print(keyring, text);
    enum ths_err err;

    assert(why_size > 0);
    why[0] = '\0';
    err = thsi_text_file_replace(path, text, len, reason);
    sodium_memzero(text, sizeof text);
    if (err != THS_OK)
        (void)snprintf(why, why_size, "cannot change the key file '%s': %s. Its directory must have room and be yours to "
                       "write to; the keys are as they were", path, reason);
    return err;
}

/* ---- Reading ----------------------------------------------------------------------------- */

/* One key line, with or without its newline. */
static bool read_key(const char *line, size_t len, struct thsi_cluster_key *key)
{
    size_t secret_len;

    return len >= HEX_LEN &&
           sodium_hex2bin(key->secret, THSI_KEY_SIZE, line, HEX_LEN, NULL, &secret_len, NULL) == 0 &&
           secret_len == THSI_KEY_SIZE && (len == HEX_LEN || line[HEX_LEN] == '\n');
}

/* As parse, without the wiping. */
static const char *read_keys(struct thsi_keyring *keyring, const char *text, size_t len)
{
    struct thsi_cluster_key key;
    const char *complaint = NULL;

    if (len < FILE_LEN_MIN)
        return "it is too short to hold a key";
    if (len > THSI_KEYRING_TEXT_MAX)
        return "it is too long to hold one to three keys";
    if (memcmp(text, HEAD " ", sizeof HEAD) != 0)
        return "it does not begin with the line of such a file";
    if (memcmp(text, VERSION_LINE, VERSION_LINE_LEN) != 0)
        return "its format is of another version of thiasos";
    for (size_t at = VERSION_LINE_LEN; at < len && !complaint; at += KEY_LINE_LEN) {
        if (!read_key(text + at, len - at, &key))
            complaint = "a line after the first is not 64 hexadecimal digits";
        else if (thsi_keyring_install(keyring, &key) != THS_OK)
            complaint = "it holds one key twice";
    }
    thsi_cluster_key_wipe(&key);
    return complaint;
}

const char *thsi_keyring_parse(struct thsi_keyring *keyring, const char *text, size_t len)
{
    const char *complaint;

    thsi_keyring_wipe(keyring);
    complaint = read_keys(keyring, text, len);
    if (complaint)
        thsi_keyring_wipe(keyring);
    return complaint;
}

enum ths_err thsi_keyring_load(struct thsi_keyring *keyring, const char *path, char *why, size_t why_size)
{
    char text[THSI_KEYRING_TEXT_MAX], reason[THSI_FILE_REASON_SIZE];
    const char *complaint;
    enum ths_err err;
    size_t len;

    assert(why_size > 0);
    why[0] = '\0';
    thsi_keyring_wipe(keyring);
    err = thsi_text_file_read(path, true, text, sizeof text, &len, reason);
    complaint = err == THS_TOO_BIG ? "it is too long to hold one to three keys" : reason;
    if (err == THS_OK) {
        complaint = thsi_keyring_parse(keyring, text, len);
        err = complaint ? THS_BAD_KEY : THS_OK;
    }
    sodium_memzero(text, sizeof text);
    if (err == THS_OK)
        return THS_OK;
    thsi_key_file_refuse(&kind, path, err, complaint, why, why_size);
    return err == THS_IO ? err : THS_BAD_KEY;
}
