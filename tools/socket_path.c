#include "tools/socket_path.h"

#include "cluster/control_socket.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".sock"

enum ths_err thsi_socket_directory(const char *runtime_dir, unsigned uid, char *out, size_t size)
{
    int len;

    if (runtime_dir && runtime_dir[0] == '/')
        len = snprintf(out, size, "%s/thiasos", runtime_dir);
    else
        len = snprintf(out, size, "/tmp/thiasos-%u", uid);
    return len > 0 && (size_t)len < size ? THS_OK : THS_TOO_BIG;
}

static enum ths_err default_directory(char *out, size_t size)
{
    return thsi_socket_directory(getenv("XDG_RUNTIME_DIR"), geteuid(), out, size);
}

/* A directory that somebody else prepared would let them replace the socket. */
static enum ths_err check_directory(const char *directory, char *why)
{
    struct stat status;

    if (lstat(directory, &status) != 0) {
        (void)snprintf(why, THSI_SOCKET_WHY_SIZE, "%s: %s", directory, strerror(errno));
        return THS_IO;
    }
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
        (void)snprintf(why, THSI_SOCKET_WHY_SIZE, "%s is not a directory of this user with mode 0700", directory);
        return THS_IO;
    }
    return THS_OK;
}

enum ths_err thsi_socket_default(const char *name, char *out, char *why)
{
    char directory[THSI_SOCKET_PATH_SIZE];
    enum ths_err err = default_directory(directory, sizeof directory);
    int len;

    (void)snprintf(why, THSI_SOCKET_WHY_SIZE, "the path is longer than a socket's may be");
    if (err != THS_OK)
        return err;
    len = snprintf(out, THSI_SOCKET_PATH_SIZE, "%s/%s" SUFFIX, directory, name);
    if (len < 0 || len >= THSI_SOCKET_PATH_SIZE)
        return THS_TOO_BIG;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        (void)snprintf(why, THSI_SOCKET_WHY_SIZE, "%s cannot be made: %s", directory, strerror(errno));
        return THS_IO;
    }
    return check_directory(directory, why);
}

/* ---- Choosing --------------------------------------------------------------------------------- */

static bool is_answered(const char *path)
{
    int fd;

    if (thsi_control_connect(path, &fd) != THS_OK)
        return false;
    (void)close(fd);
    return true;
}

static bool has_suffix(const char *name)
{
    size_t len = strlen(name);

    return len > strlen(SUFFIX) && strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* Look through @directory; the last answered path is in @out, all are listed in @why. Returns their number. */
static unsigned scan(const char *directory, char *out, char *why)
{
    DIR *dir = opendir(directory);
    char path[THSI_SOCKET_PATH_SIZE];
    struct dirent *entry;
    unsigned count = 0;

    why[0] = '\0';
    while (dir && (entry = readdir(dir)) != NULL) {
        size_t used = strlen(why);
        int len = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);

        if (!has_suffix(entry->d_name) || len < 0 || (size_t)len >= sizeof path || !is_answered(path))
            continue;
        (void)snprintf(why + used, THSI_SOCKET_WHY_SIZE - used, "%s%s", count > 0 ? ", " : "", path);
        memcpy(out, path, (size_t)len + 1);
        count++;
    }
    if (dir)
        (void)closedir(dir);
    return count;
}

enum ths_err thsi_socket_choose(const char *given, char *out, char *why)
{
    const char *path = given ? given : getenv("THIASOS_SOCKET");
    char directory[THSI_SOCKET_PATH_SIZE];
    enum ths_err err;
    unsigned count;

    (void)snprintf(why, THSI_SOCKET_WHY_SIZE, "the path is longer than a socket's may be");
    if (path && *path) {
        if (strlen(path) >= THSI_SOCKET_PATH_SIZE)
            return THS_TOO_BIG;
        memcpy(out, path, strlen(path) + 1);
        return THS_OK;
    }
    err = default_directory(directory, sizeof directory);
    if (err != THS_OK)
        return err;
    count = scan(directory, out, why);
    if (count == 0)
        (void)snprintf(why, THSI_SOCKET_WHY_SIZE, "no node listens in %s", directory);
    return count == 1 ? THS_OK : count == 0 ? THS_NOT_FOUND : THS_TOO_MANY;
}
