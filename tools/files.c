#include "tools/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
#define OPEN_DIRECTORY (O_RDONLY | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC)

/* ---- Reading ---------------------------------------------------------------------------- */

static uint64_t changed_ns(const struct stat *status)
{
    return (uint64_t)status->st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)status->st_mtim.tv_nsec;
}

/* Open a path below @root, one name after the other, so that no link on the way is followed. -1 when that fails or the
 * path leaves @root. */
static int open_below(int root, const char *path)
{
    char name[THSI_PATH_MAX + 1];
    int at = root;

    for (;;) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        int next;

        if (len == 0 || len > THSI_PATH_MAX || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.')))) {
            next = -1;
        } else {
            memcpy(name, path, len);
            name[len] = '\0';
            next = openat(at, name, last ? OPEN_FILE : OPEN_DIRECTORY);
        }
        if (at != root)
            (void)close(at);
        if (next < 0 || last)
            return next;
        at = next;
        path += len + 1;
    }
}

static bool read_all(int file, uint64_t offset, char *out, size_t len)
{
    while (len > 0) {
        ssize_t got = pread(file, out, len, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return true;
}

static enum thsi_left_out read_file(void *arg, const char *path, uint64_t offset, void *out, size_t len, uint64_t size,
                                    uint64_t changed)
{
    int file = open_below(*(const int *)arg, path);
    struct stat status;
    bool read;

    if (file < 0)
        return THSI_UNREADABLE;
    read = read_all(file, offset, out, len);
    /* After the reading, so that a change under way shows. */
    if (fstat(file, &status) != 0) {
        (void)close(file);
        return THSI_UNREADABLE;
    }
    (void)close(file);
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != size || changed_ns(&status) != changed)
        return THSI_CHANGED;
    return read ? THSI_FIT : THSI_UNREADABLE;
}

/* ---- Listing ---------------------------------------------------------------------------- */

struct walk {
    thsi_file_visit *visit;
    void *sink;
    char path[THSI_PATH_MAX + 1]; /* of the directory at hand, with a slash behind it */
};

struct names {
    char **list;
    size_t count, cap;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static bool add_name(struct names *names, const char *name)
{
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 64;
        char **list = realloc(names->list, cap * sizeof *list);

        if (!list)
            return false;
        names->list = list;
        names->cap = cap;
    }
    names->list[names->count] = strdup(name);
    return names->list[names->count++] != NULL;
}

/* The names in a directory, sorted. Takes @directory, which is closed. */
static bool read_names(int directory, struct names *names)
{
    DIR *stream = fdopendir(directory);
    const struct dirent *entry;
    bool ok = true;

    *names = (struct names){ 0 };
    if (!stream) {
        (void)close(directory);
        return false;
    }
    errno = 0;
    while (ok && (entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = add_name(names, entry->d_name);
    ok = ok && errno == 0;
    (void)closedir(stream);
    if (!ok) {
        free_names(names);
        return false;
    }
    if (names->count > 1)
        qsort(names->list, names->count, sizeof *names->list, compare_names);
    return true;
}

/* Compare a name with the first name of a path. */
static int compare_first(const char *name, const char *path)
{
    size_t len = strcspn(path, "/");
    int order = strncmp(name, path, len);

    return order != 0 ? order : name[len] != '\0';
}

static bool walk(struct walk *walker, int directory, size_t path_len, const char *after, unsigned depth);

/* One entry of a directory; @path_len tells where its name stands in the path. */
static bool visit_entry(struct walk *walker, int directory, const char *name, size_t path_len, const char *after,
                        unsigned depth)
{
    size_t name_len = strlen(name);
    struct stat status;
    int opened;

    if (path_len + name_len + 1 > THSI_PATH_MAX) {
        walker->path[path_len] = '\0';
        return walker->visit(walker->sink, walker->path, 0, 0, THSI_UNREADABLE);
    }
    memcpy(walker->path + path_len, name, name_len + 1);
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return after || errno == ENOENT || walker->visit(walker->sink, walker->path, 0, 0, THSI_UNREADABLE);
    if (S_ISDIR(status.st_mode)) {
        opened = depth < THSI_DEPTH_MAX ? openat(directory, name, OPEN_DIRECTORY) : -1;
        if (opened >= 0) {
            memcpy(walker->path + path_len + name_len, "/", 2);
            return walk(walker, opened, path_len + name_len + 1, after, depth + 1);
        }
        return after || walker->visit(walker->sink, walker->path, 0, 0, THSI_UNREADABLE);
    }
    if (!S_ISREG(status.st_mode) || after)
        return true;
    /* Opened here already, so that even an empty file that cannot be read is told of. */
    opened = openat(directory, name, OPEN_FILE);
    if (opened < 0)
        return walker->visit(walker->sink, walker->path, 0, 0, THSI_UNREADABLE);
    (void)close(opened);
    return walker->visit(walker->sink, walker->path, (uint64_t)status.st_size, changed_ns(&status), THSI_FIT);
}

/* All below one directory that comes behind @after, which is relative to it; NULL: all. Takes @directory. */
static bool walk(struct walk *walker, int directory, size_t path_len, const char *after, unsigned depth)
{
    int listed = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    struct names names;
    bool going = true;

    if (listed < 0 || !read_names(listed, &names)) {
        (void)close(directory);
        return after || walker->visit(walker->sink, walker->path, 0, 0, THSI_UNREADABLE);
    }
    for (size_t i = 0; i < names.count && going; i++) {
        int order = after ? compare_first(names.list[i], after) : 1;
        const char *rest = NULL;

        if (order < 0)
            continue;
        if (order == 0) {
            rest = after + strcspn(after, "/");
            if (*rest == '\0')
                continue; /* that one itself */
            rest++;
            if (*rest == '\0')
                continue; /* a directory that could not be read */
        }
        going = visit_entry(walker, directory, names.list[i], path_len, rest, depth);
    }
    free_names(&names);
    (void)close(directory);
    return going;
}

static bool list_files(void *arg, const char *after, thsi_file_visit *visit, void *sink)
{
    struct walk walker = { .visit = visit, .sink = sink };
    int directory = openat(*(const int *)arg, ".", OPEN_DIRECTORY);

    if (directory < 0)
        return *after != '\0' || visit(sink, ".", 0, 0, THSI_UNREADABLE);
    return walk(&walker, directory, 0, *after ? after : NULL, 0);
}

enum ths_err thsi_files_open(const char *directory, struct thsi_file_source *out, char *why, size_t why_size)
{
    static int root = -1;

    root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        (void)snprintf(why, why_size, "%s: %s; name a directory that can be read", directory, strerror(errno));
        return THS_IO;
    }
    *out = (struct thsi_file_source){ .arg = &root, .list = list_files, .read = read_file };
    return THS_OK;
}
