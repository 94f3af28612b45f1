/* The second process of a bench: this program again, with other arguments. It says an endpoint when it is ready and ends
 * when its standard input does. */

#ifndef THSI_TESTS_BENCH_SPAWN_SERVER_H
#define THSI_TESTS_BENCH_SPAWN_SERVER_H

#include <stddef.h>
#include <sys/types.h>

struct server {
    pid_t pid;
    int input; /* closing it ends the server */
};

/* Start @program with @args (NULL at the end; borrowed) and read the endpoint, a line, to @endpoint. Dies on failure. */
void server_start(struct server *server, const char *program, const char *const *args, char *endpoint, size_t size);
void server_stop(struct server *server);

#endif /* THSI_TESTS_BENCH_SPAWN_SERVER_H */
