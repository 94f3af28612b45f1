/* Socket path: where control sockets are when nobody said where.
 *
 * $XDG_RUNTIME_DIR/thiasos/NAME.sock, or /tmp/thiasos-UID/NAME.sock. The directory is made with mode 0700 and used only
 * when it belongs to the user and nobody else may write to it. */

#ifndef THSI_TOOLS_SOCKET_PATH_H
#define THSI_TOOLS_SOCKET_PATH_H

#include <stddef.h>

#include "thiasos/err.h"

#define THSI_SOCKET_PATH_SIZE 108 /* as long as a Unix address can be */
#define THSI_SOCKET_WHY_SIZE 512

/* The directory, for $XDG_RUNTIME_DIR being @runtime_dir (NULL, "" or no absolute path: not set) and user @uid.
 * Errors: TOO_BIG. Pure. */
THS_MUST_CHECK enum ths_err thsi_socket_directory(const char *runtime_dir, unsigned uid, char *out, size_t size);

/* The default path of node @name in @out of THSI_SOCKET_PATH_SIZE bytes; makes the directory.
 * Errors: TOO_BIG, IO (with the reason in @why of THSI_SOCKET_WHY_SIZE bytes). */
THS_MUST_CHECK enum ths_err thsi_socket_default(const char *name, char *out, char *why);

/* The path that a command uses: @given, else $THIASOS_SOCKET, else the only one in the default directory that somebody
 * listens on. Errors: NOT_FOUND (none), TOO_MANY (which there are is in @why), TOO_BIG. */
THS_MUST_CHECK enum ths_err thsi_socket_choose(const char *given, char *out, char *why);

#endif /* THSI_TOOLS_SOCKET_PATH_H */
