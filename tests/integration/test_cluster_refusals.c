/* What a node says to options that cannot be, to strangers on its port, and to peers that do not belong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "codec/keyring_file.h"
#include "tests/lib/kept_log.h"
#include "tests/lib/os_env.h"
#include "tests/lib/puppet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LONG_MS = 60000, FLAT_KIB = 512 * 1024 }; /* the sanitizer keeps what was freed */
#else
enum { LONG_MS = 60000, FLAT_KIB = 16 * 1024 };
#endif

/* ---- Nodes -------------------------------------------------------------------------------- */

static struct ths_env *logging;
static struct ths_node *node;
static char why[512];

static struct ths_node *start_alone(const char *name)
{
    struct ths_node *started = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1,
                                                                          .env = logging });

    assert_non_null(started);
    return started;
}

static enum ths_err join(struct ths_node *who, struct ths_cluster_options options)
{
    if (!options.bind)
        options.bind = "tcp://127.0.0.1:0";
    return ths_cluster_join(who, &options, why, sizeof why);
}

static int set_up(void **state)
{
    (void)state;
    probe_reset();
    logging = kept_log_begin();
    node = start_alone("a");
    return 0;
}

static int set_up_joined(void **state)
{
    (void)set_up(state);
    assert_int_equal(join(node, (struct ths_cluster_options){ 0 }), THS_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ths_node_stop(node, 1000);
    return 0;
}

static const char *seed_of(struct ths_node *who)
{
    return ths_cluster_endpoint(who) + strlen("tcp://");
}

static struct thsi_driver *driver_of(struct ths_node *who)
{
    return thsi_cluster_of(who)->driver;
}

static void await_closed_for(struct ths_node *who, enum ths_err err, uint64_t count)
{
    uint64_t until_ms = os_now_ms() + LONG_MS;

    while (atomic_load(&driver_of(who)->closed_for[err]) < count) {
        if (os_now_ms() > until_ms)
            fail_msg("not %u links were closed for %s", (unsigned)count, ths_err_name(err));
        (void)sched_yield();
    }
}

/* A key file of its own, in a directory of the test's. */
static const char *new_key(char *path, uint8_t seed)
{
    uint8_t secret[THSI_KEY_SIZE];

    memset(secret, seed, sizeof secret);
    (void)strcpy(path, "/tmp/ths-test-key-XXXXXX");
    assert_non_null(mkdtemp(path));
    (void)strcat(path, "/key");
    assert_int_equal(thsi_keyring_create(path, secret, why, sizeof why), THS_OK);
    return path;
}

static void remove_key(char *path)
{
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

/* ---- Options ------------------------------------------------------------------------------ */

static void listening_beyond_loopback_needs_a_key_and_says_how_to_make_one(void **state)
{
    (void)state;
    assert_int_equal(join(node, (struct ths_cluster_options){ .bind = "tcp://0.0.0.0:0" }), THS_NO_KEY);
    assert_non_null(strstr(why, "thiasos key new FILE"));
    assert_true(is_logged("thiasos key new FILE"));
    assert_null(ths_cluster_endpoint(node));
}

static void key_opens_the_way_beyond_loopback(void **state)
{
    char path[64];

    (void)state;
    assert_int_equal(join(node, (struct ths_cluster_options){ .bind = "tcp://0.0.0.0:0",
                                                              .key_file = new_key(path, 1) }),
                     THS_OK);
    remove_key(path);
}

static void missing_key_file_is_refused_with_its_name(void **state)
{
    (void)state;
    assert_int_equal(join(node, (struct ths_cluster_options){ .key_file = "/nowhere/cluster.key" }), THS_BAD_KEY);
    assert_non_null(strstr(why, "/nowhere/cluster.key"));
}

static void bad_addresses_and_lists_are_refused_with_the_part_that_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(join(node, (struct ths_cluster_options){ .bind = "127.0.0.1:7400" }), THS_INVALID);
    assert_non_null(strstr(why, "127.0.0.1:7400"));
    assert_int_equal(join(node, (struct ths_cluster_options){ .seeds = "good:1,bad host" }), THS_INVALID);
    assert_non_null(strstr(why, "bad host"));
    assert_int_equal(join(node, (struct ths_cluster_options){ .advertise = "node:port" }), THS_INVALID);
    assert_non_null(strstr(why, "node:port"));
    assert_int_equal(join(node, (struct ths_cluster_options){ .scopes = "a/b" }), THS_INVALID);
    assert_non_null(strstr(why, "a/b"));
    assert_int_equal(join(node, (struct ths_cluster_options){ 0 }), THS_OK);
    assert_int_equal(join(node, (struct ths_cluster_options){ 0 }), THS_INVALID);
}

static void port_in_use_is_refused_and_named(void **state)
{
    struct ths_node *other = start_alone("b");
    char bind[64];

    (void)state;
    assert_int_equal(join(node, (struct ths_cluster_options){ 0 }), THS_OK);
    (void)snprintf(bind, sizeof bind, "%s", ths_cluster_endpoint(node));
    assert_int_equal(join(other, (struct ths_cluster_options){ .bind = bind }), THS_IO);
    assert_non_null(strstr(why, "in use"));
    assert_non_null(strstr(why, bind));
    ths_node_stop(other, 1000);
}

static void seed_that_does_not_resolve_is_a_warning(void **state)
{
    (void)state;
    assert_int_equal(join(node, (struct ths_cluster_options){ .seeds = "no-such-host.invalid:7400" }), THS_OK);
    await_line("no-such-host.invalid:7400 does not resolve yet");
}

/* ---- Strangers on the port ---------------------------------------------------------------- */

static int connect_to(struct ths_node *who)
{
    const char *endpoint = ths_cluster_endpoint(who);
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Wait until the node has closed the connection; it must not have answered a byte. */
static void assert_closed_in_silence(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    uint8_t byte;

    assert_int_equal(poll(&wait, 1, LONG_MS), 1);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);
}

static void send_bytes(int fd, const void *bytes, size_t len)
{
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    (void)sent; /* the node may have closed already */
}

static void http_and_garbage_are_closed_without_an_echo(void **state)
{
    static const char http[] = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
    uint8_t garbage[64];
    int fd = connect_to(node);

    (void)state;
    send_bytes(fd, http, sizeof http - 1);
    assert_closed_in_silence(fd);
    memset(garbage, 0xa5, sizeof garbage);
    fd = connect_to(node);
    send_bytes(fd, garbage, sizeof garbage);
    assert_closed_in_silence(fd);
    await_closed_for(node, THS_TOO_BIG, 2);
    assert_true(is_logged("is not the protocol of thiasos"));
    assert_false(is_logged("secret"));
}

static void frame_of_another_type_is_closed(void **state)
{
    static const uint8_t sealed[] = { 0, 0, 0, 100, THSI_FRAME_SEALED };
    int fd = connect_to(node);

    (void)state;
    send_bytes(fd, sealed, sizeof sealed);
    assert_closed_in_silence(fd);
    await_closed_for(node, THS_MALFORMED, 1);
}

static void half_a_handshake_is_closed_after_a_while(void **state)
{
    static const uint8_t half[] = { 0, 0, 1, 0, THSI_FRAME_HELLO1, 'T', 'H', 'S', '1' };
    int fd = connect_to(node);

    (void)state;
    send_bytes(fd, half, sizeof half);
    assert_closed_in_silence(fd);
    await_closed_for(node, THS_TIMEOUT, 1);
}

static void silent_strangers_have_a_bounded_number_of_places(void **state)
{
    enum { STRANGERS = 200 };
    int fds[STRANGERS];
    unsigned closed = 0;

    (void)state;
    for (unsigned i = 0; i < STRANGERS; i++)
        fds[i] = connect_to(node);
    await_closed_for(node, THS_TOO_MANY, STRANGERS - THSI_UNVERIFIED_MAX);
    while (closed < STRANGERS - THSI_UNVERIFIED_MAX)
        assert_closed_in_silence(fds[closed++]);
    while (closed < STRANGERS)
        (void)close(fds[closed++]);
}

static size_t resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return resident * 4;
}

/* Strangers that each begin the longest frame they may, and one that never ends. */
static void endless_frames_leave_memory_flat(void **state)
{
    static const uint8_t begin[] = { 0, 0, 3, 0xfc, THSI_FRAME_HELLO1 };
    static uint8_t zeros[65536];
    size_t before;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        int fd = connect_to(node);
        send_bytes(fd, begin, sizeof begin);
        send_bytes(fd, zeros, 500);
        (void)close(fd);
    }
    before = resident_kib();
    for (unsigned i = 0; i < 64; i++) {
        int fd = connect_to(node);
        send_bytes(fd, begin, sizeof begin);
        for (unsigned j = 0; j < 64; j++)
            send_bytes(fd, zeros, sizeof zeros);
        assert_closed_in_silence(fd);
    }
    assert_true(resident_kib() < before + FLAT_KIB);
}

/* ---- Peers that do not belong ------------------------------------------------------------- */

static void peer_with_another_key_is_refused_and_both_say_so(void **state)
{
    struct ths_node *other = start_alone("b");
    char path[64];

    (void)state;
    assert_int_equal(join(other, (struct ths_cluster_options){ .key_file = new_key(path, 9), .seeds = seed_of(node) }),
                     THS_OK);
    remove_key(path);
    await_closed_for(node, THS_BAD_KEY, 1);
    await_line("a: closed the link with ");
    await_line("it holds another cluster key; give all nodes the same key file");
    await_line("refuses this one: it holds another cluster key");
    ths_node_stop(other, 1000);
}

static void peer_of_another_cluster_is_refused(void **state)
{
    struct ths_node *other = start_alone("b");

    (void)state;
    assert_int_equal(join(other, (struct ths_cluster_options){ .cluster = "other", .seeds = seed_of(node) }), THS_OK);
    await_closed_for(node, THS_REFUSED, 1);
    ths_node_stop(other, 1000);
}

static void peer_with_the_same_name_is_refused_and_told_what_to_do(void **state)
{
    struct ths_node *other = start_alone("a");

    (void)state;
    assert_int_equal(join(other, (struct ths_cluster_options){ .seeds = seed_of(node) }), THS_OK);
    await_closed_for(other, THS_NAME_TAKEN, 2); /* it goes on trying */
    await_line("the name a is in use by another node; give this one another name");
    assert_int_equal(ths_cluster_members(node, NULL, NULL), 1);
    ths_node_stop(other, 1000);
}

static void node_that_is_its_own_seed_finds_that_out(void **state)
{
    char bind[64], seeds[64];

    (void)state;
    (void)snprintf(seeds, sizeof seeds, "%s", seed_of(node));
    (void)snprintf(bind, sizeof bind, "%s", ths_cluster_endpoint(node));
    ths_node_stop(node, 1000);
    node = start_alone("a");
    assert_int_equal(join(node, (struct ths_cluster_options){ .bind = bind, .seeds = seeds }), THS_OK);
    {
        struct ths_node *other = start_alone("b");
        ths_ref bob = puppet_spawn(other, "bob", (struct ths_spawn_options){ .name = "bob" });
        assert_int_equal(join(other, (struct ths_cluster_options){ .seeds = seeds }), THS_OK);
        assert_true(ths_ref_equal(ths_whereis(node, "bob@b", LONG_MS), bob));
        ths_node_stop(other, 1000);
    }
}

static void node_works_on_while_strangers_knock(void **state)
{
    struct ths_node *other = start_alone("b");
    ths_ref bob = puppet_spawn(other, "bob", (struct ths_spawn_options){ .name = "bob" });
    int fds[32];

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        fds[i] = connect_to(node);
    assert_int_equal(join(other, (struct ths_cluster_options){ .seeds = seed_of(node) }), THS_OK);
    assert_true(ths_ref_equal(ths_whereis(node, "bob@b", LONG_MS), bob));
    for (unsigned i = 0; i < 32; i++)
        (void)close(fds[i]);
    ths_node_stop(other, 1000);
}

int main(void)
{
#define OPTIONS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define JOINED(name) cmocka_unit_test_setup_teardown(name, set_up_joined, tear_down)
    const struct CMUnitTest tests[] = {
        OPTIONS(listening_beyond_loopback_needs_a_key_and_says_how_to_make_one),
        OPTIONS(key_opens_the_way_beyond_loopback),
        OPTIONS(missing_key_file_is_refused_with_its_name),
        OPTIONS(bad_addresses_and_lists_are_refused_with_the_part_that_is_wrong),
        OPTIONS(port_in_use_is_refused_and_named),
        OPTIONS(seed_that_does_not_resolve_is_a_warning),
        JOINED(http_and_garbage_are_closed_without_an_echo),
        JOINED(frame_of_another_type_is_closed),
        JOINED(half_a_handshake_is_closed_after_a_while),
        JOINED(silent_strangers_have_a_bounded_number_of_places),
        JOINED(endless_frames_leave_memory_flat),
        JOINED(peer_with_another_key_is_refused_and_both_say_so),
        JOINED(peer_of_another_cluster_is_refused),
        JOINED(peer_with_the_same_name_is_refused_and_told_what_to_do),
        JOINED(node_that_is_its_own_seed_finds_that_out),
        JOINED(node_works_on_while_strangers_knock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
