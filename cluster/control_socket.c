#define _GNU_SOURCE /* struct ucred */

#include "cluster/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static enum ths_err set_address(const char *path, struct sockaddr_un *address)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof address->sun_path)
        return THS_INVALID;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, len);
    return THS_OK;
}

bool thsi_control_is_own_user(int fd)
{
    struct ucred other;
    socklen_t len = sizeof other;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &len) == 0 && len == sizeof other &&
           other.uid == geteuid();
}

enum ths_err thsi_control_connect(const char *path, int *fd)
{
    struct sockaddr_un address;
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    enum ths_err err = set_address(path, &address);

    *fd = -1;
    if (made < 0 || err != THS_OK) {
        if (made >= 0)
            (void)close(made);
        return made < 0 ? THS_IO : err;
    }
    if (connect(made, (const struct sockaddr *)&address, sizeof address) != 0) {
        err = errno == ENOENT || errno == ENOTDIR ? THS_NOT_FOUND
              : errno == ECONNREFUSED             ? THS_CLOSED
              : errno == EACCES                   ? THS_REFUSED
                                                  : THS_IO;
        (void)close(made);
        return err;
    }
    if (!thsi_control_is_own_user(made)) {
        (void)close(made);
        return THS_REFUSED;
    }
    *fd = made;
    return THS_OK;
}

/* ---- Listening --------------------------------------------------------------------------- */

/* What, why, and what to do. */
static enum ths_err refuse(enum ths_err err, char *why, size_t why_size, const char *path, const char *text)
{
    if (why)
        (void)snprintf(why, why_size, "the control socket %.120s: %s; %s", path, text,
                       err == THS_NAME_TAKEN ? "stop it, or choose another path"
                                             : "choose a path in a directory of your own");
    return err;
}

/* Hold the lock of the socket's directory, so that of two processes that start at once only one finds a dead
 * socket and replaces it. In a directory that others may open no lock is taken: they could hold it for ever.
 * Returns a descriptor to close, or -1. */
static int lock_directory(const char *path)
{
    char directory[sizeof ((struct sockaddr_un *)NULL)->sun_path];
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    struct stat status;
    int fd;

    memcpy(directory, path, len);
    directory[len] = '\0';
    fd = open(len > 0 ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 077) == 0)
        (void)flock(fd, LOCK_EX);
    return fd;
}

/* Make way for a new socket: remove what a dead process of this user left. */
static enum ths_err clear(const char *path, char *why, size_t why_size)
{
    struct stat status;
    enum ths_err err;
    int fd;

    if (lstat(path, &status) != 0)
        return errno == ENOENT ? THS_OK : refuse(THS_IO, why, why_size, path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return refuse(THS_IO, why, why_size, path, "there is a file of this name that is no socket");
    if (status.st_uid != geteuid())
        return refuse(THS_IO, why, why_size, path, "there is a socket of this name that belongs to another user");
    err = thsi_control_connect(path, &fd);
    if (fd >= 0)
        (void)close(fd);
    if (err != THS_CLOSED && err != THS_NOT_FOUND)
        return refuse(THS_NAME_TAKEN, why, why_size, path, "a running process answers on it");
    if (unlink(path) != 0 && errno != ENOENT)
        return refuse(THS_IO, why, why_size, path, strerror(errno));
    return THS_OK;
}

static enum ths_err bind_and_listen(const struct sockaddr_un *address, int fd, struct thsi_control_file *file,
                                    char *why, size_t why_size)
{
    const char *path = address->sun_path;
    struct stat status;

    /* The mode of the descriptor becomes that of the file when it is bound, so it is never open to others. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return refuse(THS_IO, why, why_size, path,
                      errno == ENOENT ? "its directory does not exist" : strerror(errno));
    if (chmod(path, 0600) != 0 || lstat(path, &status) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;

        (void)unlink(path);
        return refuse(THS_IO, why, why_size, path, strerror(error));
    }
    memcpy(file->path, path, strlen(path) + 1);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return THS_OK;
}

enum ths_err thsi_control_listen(const char *path, int *fd, struct thsi_control_file *file, char *why,
                                 size_t why_size)
{
    struct sockaddr_un address;
    enum ths_err err = set_address(path, &address);
    int lock, made;

    *fd = -1;
    if (err != THS_OK)
        return refuse(err, why, why_size, path, "the path is empty or longer than 107 characters");
    made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return refuse(THS_IO, why, why_size, path, strerror(errno));
    lock = lock_directory(path);
    err = clear(path, why, why_size);
    if (err == THS_OK)
        err = bind_and_listen(&address, made, file, why, why_size);
    if (lock >= 0)
        (void)close(lock);
    if (err == THS_OK)
        *fd = made;
    else
        (void)close(made);
    return err;
}

void thsi_control_remove(const struct thsi_control_file *file)
{
    struct stat status;

    if (lstat(file->path, &status) == 0 && status.st_dev == file->device && status.st_ino == file->inode)
        (void)unlink(file->path);
}
