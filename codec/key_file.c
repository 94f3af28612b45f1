/* Key files: see key_file.h. */

#include "codec/key_file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "codec/text_file.h"

#define VERSION " 1\n"
#define VERSION_LEN (sizeof VERSION - 1)
#define HEX_LEN ((size_t)THSI_KEY_SIZE * 2)
#define HEAD_MAX 32
#define FILE_MAX (HEAD_MAX + VERSION_LEN + HEX_LEN + 1)

/* Of a whole file, with the last newline, which an editor may have dropped. */
static size_t file_len(const struct thsi_key_kind *kind)
{
    size_t head_len = strlen(kind->head);

    assert(head_len <= HEAD_MAX);
    return head_len + VERSION_LEN + HEX_LEN + 1;
}

enum ths_err thsi_key_file_create(const struct thsi_key_kind *kind, const char *path, const uint8_t *secret, char *why,
                                  size_t why_size)
{
    char text[FILE_MAX + 1], reason[THSI_FILE_REASON_SIZE];
    size_t head_len = strlen(kind->head), len = file_len(kind);
    const char *remedy = "Choose a directory that exists, with room, where you may write";
    enum ths_err err;

    assert(why_size > 0);
    why[0] = '\0';
    memcpy(text, kind->head, head_len);
    memcpy(text + head_len, VERSION, VERSION_LEN);
    sodium_bin2hex(text + head_len + VERSION_LEN, HEX_LEN + 1, secret, THSI_KEY_SIZE);
    text[len - 1] = '\n'; /* over the NUL */
    err = thsi_text_file_create(path, true, text, len, reason);
    sodium_memzero(text, sizeof text);
    if (err == THS_INVALID) {
        (void)snprintf(reason, sizeof reason, "something is there already, and a key in use must not be lost");
        remedy = "Choose another name, or move the old file away";
    }
    if (err != THS_OK)
        (void)snprintf(why, why_size, "cannot create the %s '%s': %s. %s", kind->what, path, reason, remedy);
    return err;
}

/* What is wrong with the text, or NULL with @secret filled. */
static const char *complain(const struct thsi_key_kind *kind, const char *text, size_t len, uint8_t *secret)
{
    size_t head_len = strlen(kind->head), whole = file_len(kind), secret_len;
    bool is_kind = len > head_len && memcmp(text, kind->head, head_len) == 0 && text[head_len] == ' ';

    if (len < whole - 1)
        return "it is too short to hold a key";
    if (len > whole)
        return "it is too long to be a key";
    if (!is_kind)
        return "it does not begin with the line of such a file";
    if (memcmp(text + head_len, VERSION, VERSION_LEN) != 0)
        return "its format is of another version of thiasos";
    if (sodium_hex2bin(secret, THSI_KEY_SIZE, text + head_len + VERSION_LEN, HEX_LEN, NULL, &secret_len, NULL) != 0 ||
        secret_len != THSI_KEY_SIZE || (len == whole && text[whole - 1] != '\n'))
        return "its second line is not 64 hexadecimal digits";
    return NULL;
}

void thsi_key_file_refuse(const struct thsi_key_kind *kind, const char *path, enum ths_err err, const char *reason,
                          char *why, size_t why_size)
{
    if (err == THS_REFUSED)
        (void)snprintf(why, why_size,
                       "cannot use the %s '%s': %s. If nobody has read it, say `chmod 0400 FILE`; otherwise make a new "
                       "one with `%s`",
                       kind->what, path, reason, kind->renew);
    else
        (void)snprintf(why, why_size, "cannot use the %s '%s': %s. %s", kind->what, path, reason, kind->remedy);
}

enum ths_err thsi_key_file_load(const struct thsi_key_kind *kind, uint8_t *secret, const char *path, char *why,
                                size_t why_size)
{
    char text[FILE_MAX + 1], reason[THSI_FILE_REASON_SIZE];
    const char *complaint;
    enum ths_err err;
    size_t len;

    assert(why_size > 0);
    why[0] = '\0';
    err = thsi_text_file_read(path, true, text, file_len(kind) + 1, &len, reason);
    if (err != THS_OK)
        thsi_key_file_refuse(kind, path, err, err == THS_TOO_BIG ? "it is too long to be a key" : reason, why, why_size);
    if (err == THS_OK) {
        complaint = complain(kind, text, len, secret);
        if (complaint)
            thsi_key_file_refuse(kind, path, THS_BAD_KEY, complaint, why, why_size);
        err = complaint ? THS_BAD_KEY : THS_OK;
    }
    sodium_memzero(text, sizeof text);
    if (err != THS_OK)
        sodium_memzero(secret, THSI_KEY_SIZE);
    return err == THS_OK || err == THS_IO ? err : THS_BAD_KEY;
}
