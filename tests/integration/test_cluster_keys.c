/* Three nodes with real threads and sockets change their cluster's key while they tell and ask each other, through the key
 * files and ths_cluster_reload_keys, as an administrator would. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "codec/keyring_file.h"
#include "tests/lib/traffic.h"

#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 3, MEET_MS = 20000 };

static char directory[64], old_file[96];
static char files[NODES][96];
static struct ths_node *nodes[NODES];
static uint8_t old_secret[THSI_KEY_SIZE], new_secret[THSI_KEY_SIZE];

static struct thsi_driver *driver_of(struct ths_node *node)
{
    return thsi_cluster_of(node)->driver;
}

static struct ths_node *start_node(const char *name, const char *key_file, const char *seeds)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 1 });

    assert_non_null(node);
    assert_int_equal(ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .seeds = seeds,
                                                                           .key_file = key_file, .rekey_ms = 200,
                                                                           .rekey_mib = 1 }, NULL, 0), THS_OK);
    return node;
}

static void make_file(const char *path, const uint8_t *secret)
{
    char why[THSI_KEY_WHY_SIZE];

    assert_int_equal(thsi_keyring_create(path, secret, why, sizeof why), THS_OK);
}

static const char *first_endpoint(void)
{
    return ths_cluster_endpoint(nodes[0]) + strlen("tcp://");
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/ths-test-keys-XXXXXX");
    assert_non_null(mkdtemp(directory));
    memset(old_secret, 1, sizeof old_secret);
    memset(new_secret, 2, sizeof new_secret);
    (void)snprintf(old_file, sizeof old_file, "%s/old.key", directory);
    make_file(old_file, old_secret);
    traffic_reset();
    for (unsigned i = 0; i < NODES; i++) {
        const char name[] = { (char)('a' + i), '\0' };

        (void)snprintf(files[i], sizeof files[i], "%s/%s.key", directory, name);
        make_file(files[i], old_secret);
        nodes[i] = start_node(name, files[i], i > 0 ? first_endpoint() : "");
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = NODES; i-- > 0;)
        ths_node_stop(nodes[i], 1000);
    for (unsigned i = 0; i < NODES; i++)
        (void)unlink(files[i]);
    (void)unlink(old_file);
    (void)rmdir(directory);
    return 0;
}

/* ---- What an administrator does ---------------------------------------------------------- */

enum stage { INSTALL, PROMOTE, REMOVE };

static void change_file(unsigned node, enum stage stage)
{
    struct thsi_cluster_key key;
    struct thsi_keyring keys;
    char why[THSI_KEY_WHY_SIZE];

    memcpy(key.secret, new_secret, sizeof key.secret);
    assert_int_equal(thsi_keyring_load(&keys, files[node], why, sizeof why), THS_OK);
    if (stage == INSTALL)
        assert_int_equal(thsi_keyring_install(&keys, &key), THS_OK);
    else if (stage == PROMOTE)
        thsi_keyring_promote(&keys, 1);
    else
        assert_int_equal(thsi_keyring_remove(&keys, 1), THS_OK);
    assert_int_equal(thsi_keyring_save(&keys, files[node], why, sizeof why), THS_OK);
    assert_int_equal(ths_cluster_reload_keys(nodes[node], why, sizeof why), THS_OK);
    assert_string_equal(why, "");
}

static void change_everywhere(enum stage stage)
{
    for (unsigned i = 0; i < NODES; i++)
        change_file(i, stage);
}

static void await_heard(uint64_t count)
{
    while (traffic_heard() < count)
        (void)sched_yield();
}

static void await_settled(void)
{
    for (unsigned i = 0; i < NODES; i++)
        while (atomic_load(&driver_of(nodes[i])->keys_moving) != 0)
            (void)sched_yield();
}

static uint64_t links_closed(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < NODES; i++)
        for (unsigned err = 0; err < 32; err++)
            sum += atomic_load(&driver_of(nodes[i])->closed_for[err]);
    return sum;
}

static void begin_traffic(void)
{
    traffic_begin(nodes, NODES);
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned other = 0; other < NODES; other++)
            while (i != other && atomic_load(&traffic.heard[i][other]) == 0)
                (void)sched_yield();
}

static void assert_all_arrives(void)
{
    atomic_store(&traffic.paused, true);
    while (!traffic_has_arrived())
        (void)sched_yield();
    assert_int_equal(atomic_load(&traffic.wrong), 0);
}

/* ---- Facts ------------------------------------------------------------------------------- */

static void cluster_changes_its_key_under_load_and_loses_nothing(void **state)
{
    uint64_t closed;

    (void)state;
    begin_traffic();
    closed = links_closed();
    for (enum stage stage = INSTALL; stage <= REMOVE; stage++) {
        change_everywhere(stage);
        await_heard(traffic_heard() + 3000);
        await_settled();
    }
    await_heard(traffic_heard() + 3000);
    assert_all_arrives();
    assert_int_equal(links_closed(), closed);
}

static void node_with_the_old_key_alone_is_refused_with_the_reason(void **state)
{
    struct ths_node *late;
    uint64_t refused;

    (void)state;
    begin_traffic();
    for (enum stage stage = INSTALL; stage <= REMOVE; stage++)
        change_everywhere(stage);
    await_settled();
    refused = atomic_load(&driver_of(nodes[0])->closed_for[THS_BAD_KEY]);
    late = start_node("late", old_file, first_endpoint());
    while (atomic_load(&driver_of(late)->closed_for[THS_REFUSED]) == 0)
        (void)sched_yield();
    assert_true(atomic_load(&driver_of(nodes[0])->closed_for[THS_BAD_KEY]) > refused);
    assert_int_equal(ths_cluster_members(late, NULL, NULL), 1);
    ths_node_stop(late, 1000);
    assert_all_arrives();
}

static void node_that_has_both_keys_joins_on_either_side_of_the_change(void **state)
{
    static const char *const names[] = { "early", "later" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct ths_node *guest;

        if (i == 1)
            change_everywhere(INSTALL);
        guest = start_node(names[i], i == 0 ? old_file : files[0], first_endpoint());
        while (ths_cluster_members(guest, NULL, NULL) < NODES + 1)
            (void)sched_yield();
        ths_node_stop(guest, 1000);
    }
}

/* ---- Refusals ---------------------------------------------------------------------------- */

static void file_that_is_no_key_changes_nothing(void **state)
{
    char why[THSI_KEY_WHY_SIZE];

    (void)state;
    assert_int_equal(unlink(files[1]), 0);
    assert_int_equal(ths_cluster_reload_keys(nodes[1], why, sizeof why), THS_BAD_KEY);
    assert_non_null(strstr(why, files[1]));
    make_file(files[1], new_secret); /* nothing in common with the key in use */
    assert_int_equal(ths_cluster_reload_keys(nodes[1], why, sizeof why), THS_BAD_KEY);
    assert_non_null(strstr(why, "none of the keys in use"));
    assert_int_equal(ths_cluster_reload_keys(nodes[1], NULL, 0), THS_BAD_KEY);
    begin_traffic();
    assert_all_arrives();
}

static void node_without_a_key_file_has_none_to_reload(void **state)
{
    struct ths_node *alone = ths_node_start(&(struct ths_node_options){ .name = "alone", .workers = 1 });
    char why[THSI_KEY_WHY_SIZE];

    (void)state;
    assert_int_equal(ths_cluster_reload_keys(alone, why, sizeof why), THS_INVALID);
    assert_int_equal(ths_cluster_join(alone, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .seeds = "" }, NULL, 0),
                     THS_OK);
    assert_int_equal(ths_cluster_reload_keys(alone, why, sizeof why), THS_INVALID);
    assert_non_null(strstr(why, "without a key file"));
    ths_node_stop(alone, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cluster_changes_its_key_under_load_and_loses_nothing),
        TEST(node_with_the_old_key_alone_is_refused_with_the_reason),
        TEST(node_that_has_both_keys_joins_on_either_side_of_the_change),
        TEST(file_that_is_no_key_changes_nothing),
        TEST(node_without_a_key_file_has_none_to_reload),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
