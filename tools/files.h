/* Files: where a counter's texts come from.
 *
 * A counter lists and reads through this table, so that the simulator can feed it texts that no disk holds. The
 * table of the operating system looks below one directory that the node's user names at its start and nowhere else:
 * paths are relative to it, hold no "..", and no symbolic link is followed, the directory itself excepted. */

#ifndef THSI_TOOLS_FILES_H
#define THSI_TOOLS_FILES_H

#include "tools/job.h"

#define THSI_PATH_MAX 4095u  /* bytes of a relative path */
#define THSI_DEPTH_MAX 128u  /* directories inside each other */

/* Takes one entry of a list: a regular file, or with @verdict something that could not be looked at. Returns false when
 * no more are wanted; the entry was then not taken. */
typedef bool thsi_file_visit(void *sink, const char *path, uint64_t size, uint64_t changed_ns,
                             enum thsi_left_out verdict);

/* The members may be called from several threads at once and may block on the disk. */
struct thsi_file_source {
    void *arg;

    /* Visit the regular files behind @after in a fixed order ("": from the start). Returns whether it reached the end.
     * All that could not be looked at is visited with a verdict of UNREADABLE. */
    bool (*list)(void *arg, const char *after, thsi_file_visit *visit, void *sink);

    /* Read @len bytes at @offset of a file that was listed with @size and @changed_ns.
     * Returns FIT, UNREADABLE, or CHANGED when the file is not as it was listed. */
    enum thsi_left_out (*read)(void *arg, const char *path, uint64_t offset, void *out, size_t len, uint64_t size,
                               uint64_t changed_ns);
};

/* The files below @directory, which stays open as long as the process lives. At most once in a process.
 * Errors: IO, with a sentence in @why (of @why_size bytes). */
THS_MUST_CHECK enum ths_err thsi_files_open(const char *directory, struct thsi_file_source *out, char *why,
                                            size_t why_size);

#endif /* THSI_TOOLS_FILES_H */
