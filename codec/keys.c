/* Keys: see keys.h. */

#include "codec/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define HEAD "thiasos-cluster-key "
#define VERSION_LINE HEAD "1\n"
#define VERSION_LINE_LEN (sizeof VERSION_LINE - 1)
#define HEX_LEN ((size_t)THSI_KEY_SIZE * 2)
#define FILE_LEN (VERSION_LINE_LEN + HEX_LEN + 1) /* with the last newline, which an editor may have dropped */

/* ---- The file ---------------------------------------------------------------------------- */

static enum ths_err cannot_create(const char *path, const char *reason, const char *remedy, char *why, size_t why_size)
{
    (void)snprintf(why, why_size, "cannot create the key file '%s': %s. %s", path, reason, remedy);
    return THS_IO;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t count = write(fd, text, len);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        text += count;
        len -= (size_t)count;
    }
    return true;
}

static void format_file(const uint8_t *secret, char *text)
{
    memcpy(text, VERSION_LINE, VERSION_LINE_LEN);
    sodium_bin2hex(text + VERSION_LINE_LEN, HEX_LEN + 1, secret, THSI_KEY_SIZE);
    text[FILE_LEN - 1] = '\n'; /* over the NUL */
}

enum ths_err thsi_cluster_key_create(const char *path, const uint8_t *secret, char *why, size_t why_size)
{
    char text[FILE_LEN];
    bool written;
    int cause, fd;

    assert(why_size > 0);
    why[0] = '\0';
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR);
    if (fd < 0 && errno == EEXIST) {
        (void)cannot_create(path, "something is there already, and a key in use must not be lost",
                            "Choose another name, or move the old file away", why, why_size);
        return THS_INVALID;
    }
    if (fd < 0)
        return cannot_create(path, strerror(errno), "Choose a directory that exists and that you may write to", why,
                             why_size);
    format_file(secret, text);
    written = fchmod(fd, S_IRUSR) == 0 && write_all(fd, text, sizeof text) && fsync(fd) == 0;
    cause = errno;
    sodium_memzero(text, sizeof text);
    if (close(fd) != 0 && written) {
        written = false;
        cause = errno;
    }
    if (written)
        return THS_OK;
    (void)unlink(path); /* half a key is worse than none */
    return cannot_create(path, strerror(cause), "Make room, or choose another file system", why, why_size);
}

static enum ths_err cannot_use(const char *path, const char *reason, char *why, size_t why_size)
{
    (void)snprintf(why, why_size,
                   "cannot use the key file '%s': %s. Make a key with `thiasos key new FILE` and give every node of "
                   "the cluster a copy of it",
                   path, reason);
    return THS_BAD_KEY;
}

/* What is wrong with the open file, or NULL. */
static const char *complain_about_file(const struct stat *file)
{
    if (!S_ISREG(file->st_mode))
        return "it is not a regular file";
    if (file->st_size < (off_t)(FILE_LEN - 1))
        return "it is too short to hold a key";
    if (file->st_size > (off_t)FILE_LEN)
        return "it is too long to be a key";
    return NULL;
}

/* What is wrong with the text, or NULL with @secret filled. */
static const char *complain_about_text(const char *text, size_t len, uint8_t *secret)
{
    size_t secret_len;

    if (len < FILE_LEN - 1 || len > FILE_LEN)
        return "its length changed while it was read";
    if (memcmp(text, VERSION_LINE, VERSION_LINE_LEN) != 0)
        return memcmp(text, HEAD, sizeof HEAD - 1) == 0 ? "its format is of another version of thiasos"
                                                        : "it does not begin with 'thiasos-cluster-key 1'";
    if (sodium_hex2bin(secret, THSI_KEY_SIZE, text + VERSION_LINE_LEN, HEX_LEN, NULL, &secret_len, NULL) != 0 ||
        secret_len != THSI_KEY_SIZE || (len == FILE_LEN && text[FILE_LEN - 1] != '\n'))
        return "its second line is not 64 hexadecimal digits";
    return NULL;
}

/* Up to @size bytes; negative with errno set on an error. */
static ssize_t read_all(int fd, char *text, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t count = read(fd, text + len, size - len);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        len += (size_t)count;
    }
    return (ssize_t)len;
}

static enum ths_err load_open(struct thsi_cluster_key *key, const char *path, int fd, char *why, size_t why_size)
{
    char text[FILE_LEN + 1]; /* one more, to see that the file ends */
    const char *complaint;
    struct stat file;
    ssize_t len;

    if (fstat(fd, &file) != 0) {
        (void)cannot_use(path, strerror(errno), why, why_size);
        return THS_IO;
    }
    complaint = complain_about_file(&file);
    if (complaint != NULL)
        return cannot_use(path, complaint, why, why_size);
    if ((file.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)snprintf(why, why_size,
                       "cannot use the key file '%s': its mode %04o lets others than its owner at it. If nobody has "
                       "read it, say `chmod 0400 FILE`; otherwise make a new key with `thiasos key new FILE`",
                       path, (unsigned)(file.st_mode & 07777));
        return THS_BAD_KEY;
    }
    len = read_all(fd, text, sizeof text);
    if (len < 0) {
        (void)cannot_use(path, strerror(errno), why, why_size);
        return THS_IO;
    }
    complaint = complain_about_text(text, (size_t)len, key->secret);
    sodium_memzero(text, sizeof text);
    key->is_given = complaint == NULL;
    return complaint == NULL ? THS_OK : cannot_use(path, complaint, why, why_size);
}

enum ths_err thsi_cluster_key_load(struct thsi_cluster_key *key, const char *path, char *why, size_t why_size)
{
    enum ths_err err;
    int fd;

    assert(why_size > 0);
    why[0] = '\0';
    thsi_cluster_key_wipe(key);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* do not wait for the writer of a pipe */
    if (fd < 0) {
        enum ths_err missing = errno == ENOENT || errno == ENOTDIR ? THS_BAD_KEY : THS_IO;

        (void)cannot_use(path, missing == THS_BAD_KEY ? "there is no such file" : strerror(errno), why, why_size);
        return missing;
    }
    err = load_open(key, path, fd, why, why_size);
    (void)close(fd);
    if (err != THS_OK)
        thsi_cluster_key_wipe(key);
    return err;
}

/* ---- The key ----------------------------------------------------------------------------- */

void thsi_cluster_key_none(struct thsi_cluster_key *key)
{
    static const char text[] = "thiasos: no cluster key, loopback only";

    crypto_generichash(key->secret, sizeof key->secret, (const uint8_t *)text, sizeof text - 1, NULL, 0);
    key->is_given = false;
}

void thsi_cluster_key_wipe(struct thsi_cluster_key *key)
{
    sodium_memzero(key, sizeof *key);
}

/* The keyed hash of label, NUL, text: labels hold no NUL, so no two inputs meet. Each use takes its first bytes. */
static void derive(const struct thsi_cluster_key *key, const char *label, const char *text, uint8_t *out, size_t size)
{
    uint8_t hash[THSI_HASH_SIZE];
    crypto_generichash_state state;

    assert(size <= sizeof hash);
    crypto_generichash_init(&state, key->secret, sizeof key->secret, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_update(&state, (const uint8_t *)text, strlen(text));
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(out, hash, size);
    sodium_memzero(hash, sizeof hash);
    sodium_memzero(&state, sizeof state);
}

void thsi_cluster_key_psk(const struct thsi_cluster_key *key, uint8_t *out)
{
    derive(key, "thiasos psk", "", out, THSI_KEY_SIZE);
}

void thsi_cluster_key_id(const struct thsi_cluster_key *key, uint8_t *out)
{
    derive(key, "thiasos key id", "", out, THSI_KEY_ID_SIZE);
}

void thsi_cluster_key_cluster_hash(const struct thsi_cluster_key *key, const char *cluster, uint8_t *out)
{
    derive(key, "thiasos cluster", cluster, out, THSI_CLUSTER_HASH_SIZE);
}

void thsi_cluster_key_node_id(const struct thsi_cluster_key *key, const char *node, uint8_t *out)
{
    derive(key, "thiasos node id", node, out, THSI_NODE_ID_SIZE);
}
