#define _GNU_SOURCE

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/control.h"
#include "cluster/control_frame.h"
#include "cluster/control_messages.h"
#include "cluster/control_socket.h"
#include "codec/wire.h"
#include "thiasos/thiasos.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS 30000u /* for what should come at once */

/* ---- Actors to talk to ------------------------------------------------------------------- */

THS_MESSAGE(question, "test.control.question", 1, u32(number), string(text, .max = 100))
THS_MESSAGE(answer, "test.control.answer", 1, u32(number), string(text))
THS_MESSAGE(silence, "test.control.silence", 1)
THS_MESSAGE(crash, "test.control.crash", 1)

struct target {
    char unused;
};

THS_ON(target, question)
{
    ths_reply(ctx, answer, .number = msg->number + 1, .text = msg->text);
}

THS_ON(target, silence)
{
}

THS_ON(target, crash)
{
    ths_fail(ctx, "as it was asked to");
}

THS_BEHAVIOUR(target, question, silence, crash)

/* ---- One node with a control socket -------------------------------------------------------- */

struct fixture {
    char directory[64], path[80];
    struct ths_node *node;
    struct thsi_control *control;
    ths_ref target;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char why[256] = "";

    assert_non_null(f);
    strcpy(f->directory, "/tmp/thiasos-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof f->path, "%s/n.sock", f->directory);
    f->node = ths_node_start(&(struct ths_node_options){ .name = "n", .workers = 2 });
    assert_non_null(f->node);
    f->target = ths_spawn(f->node, target, .name = "target");
    assert_int_equal(thsi_control_start(f->node, f->path, &f->control, why, sizeof why), THS_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    thsi_control_stop(f->control);
    ths_node_stop(f->node, 1000);
    assert_int_equal(lstat(f->path, &status), -1); /* it went with its server */
    assert_int_equal(rmdir(f->directory), 0);
    free(f);
    return 0;
}

static void connect_to(const struct fixture *f, struct thsi_control_link *link)
{
    int fd;

    assert_int_equal(thsi_control_connect(f->path, &fd), THS_OK);
    assert_int_equal(thsi_control_link_init(link, ths_env_os(), fd), THS_OK);
}

/* Send a request and take its answer. */
static enum ths_err request(struct thsi_control_link *link, struct ths_type *type, const void *msg,
                            struct ths_type *wanted, const void **got_msg)
{
    struct ths_type *const types[] = { wanted, &control_failed_type };
    const struct thsi_type_info *got = NULL;
    void *read = NULL;
    enum ths_err err = thsi_control_write(link, type, msg);

    if (err == THS_OK)
        err = thsi_control_read(link, types, 2, LIMIT_MS, &got, &read);
    *got_msg = read;
    if (err == THS_OK && got == thsi_type_intern(&control_failed_type))
        err = (enum ths_err)((const struct control_failed *)read)->err;
    return err;
}

static void assert_served(struct thsi_control_link *link)
{
    const void *got;

    assert_int_equal(request(link, &control_info_type, &(struct control_info){ 0 }, &control_info_answer_type, &got),
                     THS_OK);
    assert_string_equal(((const struct control_info_answer *)got)->node, "n");
}

/* The other side closed: nothing but the end comes. */
static void assert_closed(struct thsi_control_link *link)
{
    struct ths_type *const types[] = { &control_info_answer_type };
    const struct thsi_type_info *got;
    void *msg;

    assert_int_equal(thsi_control_read(link, types, 1, LIMIT_MS, &got, &msg), THS_CLOSED);
}

/* ---- The socket ------------------------------------------------------------------------------ */

static void socket_has_mode_0600(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    assert_int_equal(lstat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void socket_that_is_in_use_is_refused(void **state)
{
    struct fixture *f = *state;
    struct thsi_control *second;
    char why[256] = "";

    assert_int_equal(thsi_control_start(f->node, f->path, &second, why, sizeof why), THS_NAME_TAKEN);
    assert_null(second);
    assert_non_null(strstr(why, "a running process answers"));
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct thsi_control *second;
    char path[96], why[256] = "";

    (void)snprintf(path, sizeof path, "%s/file", f->directory);
    (void)fclose(fopen(path, "w"));
    assert_int_equal(thsi_control_start(f->node, path, &second, why, sizeof why), THS_IO);
    assert_non_null(strstr(why, "no socket"));
    assert_int_equal(unlink(path), 0);
}

static void socket_of_a_dead_process_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct thsi_control *second;
    struct thsi_control_file file;
    struct thsi_control_link link;
    char path[96], why[256] = "";
    int fd;

    (void)snprintf(path, sizeof path, "%s/dead", f->directory);
    assert_int_equal(thsi_control_listen(path, &fd, &file, why, sizeof why), THS_OK);
    (void)close(fd); /* as when its process dies: the file stays */
    assert_int_equal(thsi_control_connect(path, &fd), THS_CLOSED);
    assert_int_equal(thsi_control_start(f->node, path, &second, why, sizeof why), THS_OK);
    assert_int_equal(thsi_control_connect(path, &fd), THS_OK);
    assert_int_equal(thsi_control_link_init(&link, ths_env_os(), fd), THS_OK);
    assert_served(&link);
    thsi_control_link_close(&link);
    thsi_control_stop(second);
}

static void path_without_directory_or_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    struct thsi_control *second;
    char path[200], why[512] = "";

    (void)snprintf(path, sizeof path, "%s/no/where", f->directory);
    assert_int_equal(thsi_control_start(f->node, path, &second, why, sizeof why), THS_IO);
    assert_non_null(strstr(why, "directory does not exist"));
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(thsi_control_start(f->node, path, &second, why, sizeof why), THS_INVALID);
    assert_int_equal(thsi_control_start(f->node, "", &second, why, sizeof why), THS_INVALID);
}

/* A process of nobody's connects, which the opened mode allows: 0 when it was closed without an answer. */
static int try_as_nobody(const struct fixture *f)
{
    struct ths_type *const types[] = { &control_info_answer_type };
    const struct thsi_type_info *got;
    struct thsi_control_link link;
    struct sockaddr_storage address = { 0 };
    void *msg;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    address.ss_family = AF_UNIX;
    memcpy((char *)&address + sizeof address.ss_family, f->path, strlen(f->path) + 1);
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return 1;
    if (connect(fd, (struct sockaddr *)&address, (socklen_t)(sizeof address.ss_family + strlen(f->path) + 1)) != 0)
        return 2;
    if (thsi_control_link_init(&link, ths_env_os(), fd) != THS_OK)
        return 3;
    if (thsi_control_write(&link, &control_info_type, &(struct control_info){ 0 }) != THS_OK)
        return 0; /* closed even before that */
    return thsi_control_read(&link, types, 1, LIMIT_MS, &got, &msg) == THS_CLOSED ? 0 : 4;
}

static void process_of_another_user_is_closed(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t child;

    if (geteuid() != 0)
        skip(); /* only root can become another user */
    assert_int_equal(chmod(f->directory, 0755), 0);
    assert_int_equal(chmod(f->path, 0666), 0);
    child = fork();
    if (child == 0)
        _exit(try_as_nobody(f));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- Clients that break the format ---------------------------------------------------------- */

static void send_raw(struct thsi_control_link *link, const void *data, size_t len)
{
    assert_int_equal(send(link->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void client_that_breaks_the_format_is_closed_and_no_other(void **state)
{
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18 },         /* as a length: over the bound */
        { "\xff\xff\xff\xff", 4 },                /* a frame of 4 GiB */
        { "\0\x10\0\x01", 4 },                    /* one byte over the bound */
        { "\0\0\0\0", 4 },                        /* no frame at all */
        { "\0\0\0\x04\xc1\xc1\xc1\xc1", 8 },      /* no msgpack */
        { "\0\0\0\x05\xdb\xff\xff\xff\xff", 9 },  /* a name of 4 GiB */
    };
    struct thsi_control_link good, link;

    connect_to(*state, &good);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        connect_to(*state, &link);
        send_raw(&link, bad[i].data, bad[i].len);
        assert_closed(&link);
        thsi_control_link_close(&link);
    }
    assert_served(&good);
    thsi_control_link_close(&good);
}

static void client_that_leaves_within_a_frame_is_forgotten(void **state)
{
    struct thsi_control_link link;

    for (unsigned i = 0; i < 3 * THSI_CONTROL_CLIENTS_MAX; i++) { /* a slot that stayed would be missed */
        connect_to(*state, &link);
        assert_served(&link);
        send_raw(&link, "\0\0\1\0half", 8);
        (void)shutdown(link.fd, SHUT_WR);
        assert_closed(&link);
        thsi_control_link_close(&link);
    }
}

static void unknown_request_is_refused_and_the_client_goes_on(void **state)
{
    struct thsi_control_link link;
    const void *got;

    connect_to(*state, &link);
    assert_int_equal(request(&link, &silence_type, &(struct silence){ 0 }, &control_sent_type, &got), THS_UNSUPPORTED);
    assert_served(&link);
    thsi_control_link_close(&link);
}

static void client_beyond_the_bound_is_closed(void **state)
{
    struct thsi_control_link links[THSI_CONTROL_CLIENTS_MAX], more;

    for (unsigned i = 0; i < THSI_CONTROL_CLIENTS_MAX; i++) {
        connect_to(*state, &links[i]);
        assert_served(&links[i]);
    }
    connect_to(*state, &more);
    assert_closed(&more);
    thsi_control_link_close(&more);
    for (unsigned i = 0; i < THSI_CONTROL_CLIENTS_MAX; i++)
        thsi_control_link_close(&links[i]);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void names_and_refs_are_found(void **state)
{
    struct fixture *f = *state;
    struct thsi_control_link link;
    const void *got;
    char text[THS_REF_TEXT_SIZE];
    const char *const targets[] = { "target", "target@n", ths_ref_print(f->target, text) };

    connect_to(f, &link);
    for (size_t i = 0; i < 3; i++) {
        struct control_find find = { .target = targets[i] };

        assert_int_equal(request(&link, &control_find_type, &find, &control_found_type, &got), THS_OK);
        assert_true(ths_ref_equal(((const struct control_found *)got)->to, f->target));
        assert_string_equal(((const struct control_found *)got)->node, "n");
    }
    thsi_control_link_close(&link);
}

static void what_is_not_there_is_said_so(void **state)
{
    static const struct {
        const char *target;
        enum ths_err err;
    } wrong[] = {
        { "nobody", THS_NOT_FOUND },
        { "target@elsewhere", THS_UNKNOWN_NODE },
        { "0123456789abcdef.1.1", THS_UNKNOWN_NODE },
        { "", THS_NOT_FOUND },
        { "@", THS_UNKNOWN_NODE },
    };
    struct thsi_control_link link;
    const void *got;

    connect_to(*state, &link);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct control_find find = { .target = wrong[i].target };

        assert_int_equal(request(&link, &control_find_type, &find, &control_found_type, &got), wrong[i].err);
    }
    thsi_control_link_close(&link);
}

static void type_is_described(void **state)
{
    struct fixture *f = *state;
    struct control_describe describe = { .to = f->target, .name = "question" };
    const struct ths_described *described;
    struct thsi_control_link link;
    const void *got;

    connect_to(f, &link);
    assert_int_equal(request(&link, &control_describe_type, &describe, &ths_described_type, &got), THS_OK);
    described = got;
    assert_int_equal(described->err, THS_OK);
    assert_string_equal(described->name, "test.control.question");
    assert_int_equal(described->fields.count, 2);
    assert_string_equal(described->fields.items[1], "text");
    assert_int_equal(described->kinds.items[1], THS_KIND_STRING);
    assert_int_equal(described->element_maxes.items[1], 100);
    assert_int_equal(described->fingerprint, thsi_type_fingerprint(&question_type));
    describe.name = "qestion";
    assert_int_equal(request(&link, &control_describe_type, &describe, &ths_described_type, &got), THS_OK);
    described = got;
    assert_int_equal(described->err, THS_UNKNOWN_TYPE);
    assert_string_equal(described->near.items[0], "test.control.question");
    thsi_control_link_close(&link);
}

/* Send @msg of @type. The answer is lent by the link. */
static enum ths_err send_to(struct thsi_control_link *link, ths_ref to, bool ask, unsigned timeout_ms,
                            struct ths_type *type, const void *msg, const void **got)
{
    const struct thsi_type_info *info = thsi_type_intern(type);
    static _Thread_local uint8_t body[512];
    struct thsi_packer packer;
    struct control_send send;

    thsi_packer_init(&packer, body, sizeof body);
    assert_int_equal(thsi_schema_pack(info, msg, &packer), THS_OK);
    send = (struct control_send){ .to = to, .type = info->name, .version = info->version,
                                  .fingerprint = info->fingerprint, .body = { body, (uint32_t)packer.len }, .ask = ask,
                                  .timeout_ms = timeout_ms };
    return request(link, &control_send_type, &send, &control_sent_type, got);
}

static void ask_brings_the_reply(void **state)
{
    struct fixture *f = *state;
    const struct question question = { .number = 41, .text = "why" };
    const struct control_sent *sent;
    _Alignas(8) uint8_t room[512];
    struct thsi_arena arena = { .base = room, .cap = sizeof room };
    struct thsi_unpacker unpacker;
    struct thsi_control_link link;
    const void *got;
    void *msg;

    connect_to(f, &link);
    assert_int_equal(send_to(&link, f->target, true, LIMIT_MS, &question_type, &question, &got), THS_OK);
    sent = got;
    assert_string_equal(sent->type, "test.control.answer");
    thsi_unpacker_init(&unpacker, sent->body.data, sent->body.len);
    assert_int_equal(thsi_schema_unpack(thsi_type_intern(&answer_type), &unpacker, &arena, &msg), THS_OK);
    assert_int_equal(((struct answer *)msg)->number, 42);
    assert_string_equal(((struct answer *)msg)->text, "why");
    assert_int_equal(send_to(&link, f->target, false, 0, &question_type, &question, &got), THS_OK);
    thsi_control_link_close(&link);
}

static void every_way_an_ask_ends_is_told(void **state)
{
    struct fixture *f = *state;
    ths_ref crashing = ths_spawn(f->node, target);
    ths_ref elsewhere = { 77, 1, 1 };
    struct thsi_control_link link;
    const void *got;

    connect_to(f, &link);
    assert_int_equal(send_to(&link, f->target, true, 20, &silence_type, &(struct silence){ 0 }, &got), THS_TIMEOUT);
    assert_int_equal(send_to(&link, f->target, true, LIMIT_MS, &answer_type, &(struct answer){ 0 }, &got), THS_REFUSED);
    assert_int_equal(send_to(&link, crashing, true, LIMIT_MS, &crash_type, &(struct crash){ 0 }, &got), THS_CRASHED);
    assert_int_equal(ths_join(f->node, crashing, LIMIT_MS, NULL), THS_OK);
    assert_int_equal(send_to(&link, crashing, true, LIMIT_MS, &crash_type, &(struct crash){ 0 }, &got), THS_GONE);
    assert_int_equal(send_to(&link, crashing, false, 0, &crash_type, &(struct crash){ 0 }, &got), THS_GONE);
    assert_int_equal(send_to(&link, elsewhere, true, LIMIT_MS, &crash_type, &(struct crash){ 0 }, &got),
                     THS_UNKNOWN_NODE);
    thsi_control_link_close(&link);
}

static void body_that_does_not_fit_its_type_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct thsi_type_info *info = thsi_type_intern(&question_type);
    struct control_send send = { .to = f->target, .type = info->name, .version = info->version,
                                 .fingerprint = info->fingerprint, .body = { (const uint8_t *)"\xc1", 1 } };
    struct thsi_control_link link;
    const void *got;

    connect_to(f, &link);
    assert_int_equal(request(&link, &control_send_type, &send, &control_sent_type, &got), THS_MALFORMED);
    send.fingerprint++;
    assert_int_equal(request(&link, &control_send_type, &send, &control_sent_type, &got), THS_TYPE_MISMATCH);
    send.type = "test.control.never_heard_of";
    assert_int_equal(request(&link, &control_send_type, &send, &control_sent_type, &got), THS_UNKNOWN_TYPE);
    thsi_control_link_close(&link);
}

static void table_that_no_answer_holds_is_cut_and_says_so(void **state)
{
    struct fixture *f = *state;
    const struct control_actors_answer *actors;
    struct thsi_control_link link;
    const void *got;
    char name[THS_NAME_SIZE];

    connect_to(f, &link);
    assert_int_equal(request(&link, &control_actors_type, &(struct control_actors){ 0 }, &control_actors_answer_type,
                             &got), THS_OK);
    actors = got;
    assert_false(actors->cut);
    assert_int_equal(actors->refs.count, 2); /* the target and the types actor */
    for (unsigned i = 0; i < THSI_ROWS_MAX; i++) {
        (void)snprintf(name, sizeof name, "%063u", i); /* as long as names can be */
        assert_false(ths_ref_is_nobody(ths_spawn(f->node, target, .name = name)));
    }
    assert_int_equal(request(&link, &control_actors_type, &(struct control_actors){ 0 }, &control_actors_answer_type,
                             &got), THS_OK);
    actors = got;
    assert_true(actors->cut);
    assert_int_equal(actors->refs.count, THSI_ROWS_MAX);
    assert_int_equal(actors->names.count, THSI_ROWS_MAX);
    thsi_control_link_close(&link);
}

/* ---- Stopping -------------------------------------------------------------------------------- */

static void *ask_for_long(void *arg)
{
    struct fixture *f = arg;
    struct thsi_control_link link;
    const void *got;
    enum ths_err err;

    connect_to(f, &link);
    assert_served(&link);
    err = send_to(&link, f->target, true, 10 * LIMIT_MS, &silence_type, &(struct silence){ 0 }, &got);
    thsi_control_link_close(&link);
    return (void *)(uintptr_t)err;
}

static void stop_does_not_wait_for_a_client_that_waits(void **state)
{
    struct fixture *f = *state;
    struct ths_node_stats stats;
    uint64_t spawned;
    pthread_t thread;
    void *err;

    ths_node_stats(f->node, &stats);
    spawned = stats.spawned;
    assert_int_equal(pthread_create(&thread, NULL, ask_for_long, f), 0);
    do /* until the actors that carry the ask are there */
        ths_node_stats(f->node, &stats);
    while (stats.spawned < spawned + 2);
    thsi_control_stop(f->control);
    f->control = NULL;
    assert_int_equal(pthread_join(thread, &err), 0);
    assert_true((uintptr_t)err == THS_CLOSED || (uintptr_t)err == THS_IO);
}

#define on_a_node(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_a_node(socket_has_mode_0600),
        on_a_node(socket_that_is_in_use_is_refused),
        on_a_node(file_that_is_no_socket_is_left_alone),
        on_a_node(socket_of_a_dead_process_is_replaced),
        on_a_node(path_without_directory_or_too_long_is_refused),
        on_a_node(process_of_another_user_is_closed),
        on_a_node(client_that_breaks_the_format_is_closed_and_no_other),
        on_a_node(client_that_leaves_within_a_frame_is_forgotten),
        on_a_node(unknown_request_is_refused_and_the_client_goes_on),
        on_a_node(client_beyond_the_bound_is_closed),
        on_a_node(names_and_refs_are_found),
        on_a_node(what_is_not_there_is_said_so),
        on_a_node(type_is_described),
        on_a_node(ask_brings_the_reply),
        on_a_node(every_way_an_ask_ends_is_told),
        on_a_node(body_that_does_not_fit_its_type_is_refused),
        on_a_node(table_that_no_answer_holds_is_cut_and_says_so),
        on_a_node(stop_does_not_wait_for_a_client_that_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
