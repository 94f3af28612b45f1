#define _GNU_SOURCE

#include "spawn_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { ARGS_MAX = 8 };

static void run_child(const char *program, const char *const *args, int input, int output)
{
    char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t)"thiasos-bench" };

    for (int i = 0; i < ARGS_MAX && args[i]; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    (void)dup2(input, STDIN_FILENO);
    (void)dup2(output, STDOUT_FILENO);
    (void)execv(program, argv);
    _exit(127);
}

static void read_line(int fd, char *line, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && read(fd, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    if (len == 0)
        bench_die("the second process did not start");
}

void server_start(struct server *server, const char *program, const char *const *args, char *endpoint, size_t size)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        bench_die("no pipe");
    server->pid = fork();
    if (server->pid < 0)
        bench_die("no second process");
    if (server->pid == 0)
        run_child(program, args, to[0], from[1]);
    (void)close(to[0]);
    (void)close(from[1]);
    server->input = to[1];
    read_line(from[0], endpoint, size);
    (void)close(from[0]);
}

void server_stop(struct server *server)
{
    (void)close(server->input);
    (void)waitpid(server->pid, NULL, 0);
}
