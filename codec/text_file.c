/* Text files: see text_file.h. */

#include "codec/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

static enum ths_err because(char *reason, enum ths_err err, const char *text)
{
    (void)snprintf(reason, THSI_FILE_REASON_SIZE, "%s", text);
    return err;
}

/* ---- Writing ----------------------------------------------------------------------------- */

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

/* The whole of a file that was just created, on disk; false with errno set. Closes @fd. */
static bool fill(int fd, mode_t mode, const char *text, size_t len)
{
    bool written = fchmod(fd, mode) == 0 && write_all(fd, text, len) && fsync(fd) == 0;
    int cause = errno;

    if (close(fd) != 0 && written) {
        written = false;
        cause = errno;
    }
    errno = cause;
    return written;
}

enum ths_err thsi_text_file_create(const char *path, bool secret, const char *text, size_t len, char *reason)
{
    mode_t mode = secret ? S_IRUSR : S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & S_IRWXU);

    reason[0] = '\0';
    if (fd < 0)
        return because(reason, errno == EEXIST ? THS_INVALID : THS_IO, strerror(errno));
    if (fill(fd, mode, text, len))
        return THS_OK;
    (void)because(reason, THS_IO, strerror(errno));
    (void)unlink(path); /* half a key is worse than none */
    return THS_IO;
}

enum ths_err thsi_text_file_replace(const char *path, const char *text, size_t len, char *reason)
{
    char beside[4096];
    struct stat old;
    mode_t mode = stat(path, &old) == 0 ? old.st_mode & 07777 : S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
    int fd;

    if ((size_t)snprintf(beside, sizeof beside, "%s.XXXXXX", path) >= sizeof beside)
        return because(reason, THS_IO, strerror(ENAMETOOLONG));
    fd = mkstemp(beside);
    if (fd < 0)
        return because(reason, THS_IO, strerror(errno));
    if (fill(fd, mode, text, len) && rename(beside, path) == 0)
        return THS_OK;
    (void)because(reason, THS_IO, strerror(errno));
    (void)unlink(beside);
    return THS_IO;
}

/* ---- Reading ----------------------------------------------------------------------------- */

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

static enum ths_err check_file(int fd, bool secret, size_t size, char *reason)
{
    struct stat file;

    if (fstat(fd, &file) != 0)
        return because(reason, THS_IO, strerror(errno));
    if (!S_ISREG(file.st_mode))
        return because(reason, THS_INVALID, "it is not a regular file");
    if (file.st_size > 0 && (size_t)file.st_size > size)
        return because(reason, THS_TOO_BIG, "it is too long");
    if (secret && (file.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)snprintf(reason, THSI_FILE_REASON_SIZE, "its mode %04o lets others than its owner at it",
                       (unsigned)(file.st_mode & 07777));
        return THS_REFUSED;
    }
    return THS_OK;
}

enum ths_err thsi_text_file_read(const char *path, bool secret, char *out, size_t size, size_t *len, char *reason)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* do not wait for the writer of a pipe */
    enum ths_err err;
    ssize_t count;
    char more;

    *len = 0;
    reason[0] = '\0';
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return because(reason, THS_NOT_FOUND, "there is no such file");
    if (fd < 0)
        return because(reason, THS_IO, strerror(errno));
    err = check_file(fd, secret, size, reason);
    if (err == THS_OK) {
        count = read_all(fd, out, size);
        if (count < 0)
            err = because(reason, THS_IO, strerror(errno));
        else if ((size_t)count == size && read_all(fd, &more, 1) != 0)
            err = because(reason, THS_TOO_BIG, "it is too long");
        else
            *len = (size_t)count;
    }
    (void)close(fd);
    if (err != THS_OK && secret)
        sodium_memzero(out, size);
    return err;
}
