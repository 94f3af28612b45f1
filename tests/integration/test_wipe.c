/* What a node leaves in memory when it has stopped: no cluster key, nothing derived from one, no key of a handshake or a session,
 * not even one that was replaced long ago. The test searches all of its own process, freed memory and the stacks of ended
 * threads included. It knows what to search for from the cipher's recorder, and holds it masked. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/root.h"
#include "codec/keyring_file.h"
#include "tests/lib/aead_recorder.h"
#include "tests/lib/sanitized.h"
#include "tests/lib/traffic.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NODES = 2, NEEDLES_MAX = 8192, WINDOW = 1 << 20 };

/* 32 bytes each, masked as the recorder masks. */
static uint8_t needles[NEEDLES_MAX][THSI_KEY_SIZE];
static const char *needle_names[NEEDLES_MAX];
static unsigned needles_count;
static uint16_t first_bytes[256]; /* how many needles begin with this masked byte */

static char directory[64], files[NODES][96], next_file[96];
static struct ths_node *nodes[NODES];

/* ---- What to search for ------------------------------------------------------------------ */

static void add_masked(const uint8_t *masked, const char *name)
{
    assert_true(needles_count < NEEDLES_MAX);
    memcpy(needles[needles_count], masked, THSI_KEY_SIZE);
    needle_names[needles_count++] = name;
    first_bytes[masked[0]]++;
}

static void add(const uint8_t *bytes, const char *name)
{
    uint8_t masked[THSI_KEY_SIZE];

    for (unsigned i = 0; i < sizeof masked; i++)
        masked[i] = bytes[i] ^ AEAD_RECORDER_MASK;
    add_masked(masked, name);
}

static void forget_needles(void)
{
    needles_count = 0;
    memset(first_bytes, 0, sizeof first_bytes);
}

/* A cluster key in a new file; what is to be searched for is noted, the rest wiped. */
static void make_key_file(const char *path)
{
    struct thsi_cluster_key key;
    uint8_t psk[THSI_KEY_SIZE];
    char why[THSI_KEY_WHY_SIZE], hex[2 * THSI_KEY_SIZE + 1];

    randombytes_buf(key.secret, sizeof key.secret);
    assert_int_equal(thsi_keyring_create(path, key.secret, why, sizeof why), THS_OK);
    thsi_cluster_key_psk(&key, psk);
    sodium_bin2hex(hex, sizeof hex, key.secret, sizeof key.secret);
    add(key.secret, "a cluster key");
    add(psk, "the pre-shared key of a handshake");
    add((const uint8_t *)hex, "the digits of a cluster key");
    add((const uint8_t *)hex + THSI_KEY_SIZE, "the digits of a cluster key");
    thsi_cluster_key_wipe(&key);
    sodium_memzero(psk, sizeof psk);
    sodium_memzero(hex, sizeof hex);
}

/* ---- The search -------------------------------------------------------------------------- */

static uint8_t *window; /* a mapping of its own, which is not searched */

static bool is_at(const uint8_t *at, const uint8_t *needle)
{
    for (unsigned i = 0; i < THSI_KEY_SIZE; i++)
        if ((uint8_t)(at[i] ^ AEAD_RECORDER_MASK) != needle[i])
            return false;
    return true;
}

/* How many needles begin in the first @count bytes of the window, which holds THSI_KEY_SIZE - 1 more. */
static unsigned search_window(size_t count, uintptr_t address, const char *mapping)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++) {
        if (first_bytes[window[i] ^ AEAD_RECORDER_MASK] == 0)
            continue;
        for (unsigned n = 0; n < needles_count; n++) {
            if (!is_at(window + i, needles[n]))
                continue;
            found++;
            (void)fprintf(stderr, "%s is still at %" PRIxPTR " in %s", needle_names[n], address + i, mapping);
        }
    }
    return found;
}

static unsigned search_mapping(int memory, uintptr_t from, uintptr_t to, const char *mapping)
{
    const size_t step = WINDOW - THSI_KEY_SIZE;
    unsigned found = 0;

    for (uintptr_t at = from; at < to; at += step) {
        size_t wanted = to - at < WINDOW ? (size_t)(to - at) : WINDOW;
        ssize_t got = pread(memory, window, wanted, (off_t)at);

        if (got < THSI_KEY_SIZE)
            break; /* not to be read: a device, or a guard */
        found += search_window((size_t)got - THSI_KEY_SIZE + 1 < step ? (size_t)got - THSI_KEY_SIZE + 1 : step, at, mapping);
    }
    return found;
}

/* How often a needle is anywhere in this process. */
static unsigned search_process(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned found = 0;
    char line[512];

    assert_non_null(maps);
    assert_true(memory >= 0);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        char rights[5];

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3 && rights[0] == 'r' &&
            !(from <= (uintptr_t)window && (uintptr_t)window < to))
            found += search_mapping(memory, from, to, line);
    }
    (void)fclose(maps);
    (void)close(memory);
    return found;
}

/* ---- Nodes ------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    forget_needles();
    aead_recorder_reset();
    traffic_reset();
    (void)snprintf(directory, sizeof directory, "/tmp/ths-test-wipe-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(next_file, sizeof next_file, "%s/next.key", directory);
    for (unsigned i = 0; i < NODES; i++)
        (void)snprintf(files[i], sizeof files[i], "%s/%u.key", directory, i);
    window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(window != MAP_FAILED);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NODES; i++)
        (void)unlink(files[i]);
    (void)unlink(next_file);
    (void)rmdir(directory);
    (void)munmap(window, WINDOW);
    return 0;
}

static void start_nodes(void)
{
    make_key_file(files[0]);
    make_key_file(next_file);
    assert_int_equal(link(files[0], files[1]), 0); /* until one of them is replaced */
    for (unsigned i = 0; i < NODES; i++) {
        const char name[] = { (char)('a' + i), '\0' };

        nodes[i] = ths_node_start(&(struct ths_node_options){ .name = name, .workers = 2 });
        assert_int_equal(ths_cluster_join(nodes[i], &(struct ths_cluster_options){
                                                        .bind = "tcp://127.0.0.1:0", .key_file = files[i], .rekey_ms = 20,
                                                        .seeds = i > 0 ? ths_cluster_endpoint(nodes[0]) + strlen("tcp://") : "" },
                                          NULL, 0), THS_OK);
    }
    traffic_begin(nodes, NODES);
}

static void await_more(uint64_t count)
{
    for (uint64_t until = traffic_heard() + count; traffic_heard() < until;)
        (void)sched_yield();
}

/* Install and promote the next key on both. */
static void change_key(void)
{
    char why[THSI_KEY_WHY_SIZE];
    struct thsi_keyring keys, next;

    for (unsigned i = 0; i < 2 * NODES; i++) {
        assert_int_equal(thsi_keyring_load(&keys, files[i % NODES], why, sizeof why), THS_OK);
        assert_int_equal(thsi_keyring_load(&next, next_file, why, sizeof why), THS_OK);
        if (i < NODES)
            assert_int_equal(thsi_keyring_install(&keys, &next.keys[0]), THS_OK);
        else
            thsi_keyring_promote(&keys, 1);
        assert_int_equal(thsi_keyring_save(&keys, files[i % NODES], why, sizeof why), THS_OK);
        thsi_keyring_wipe(&keys);
        thsi_keyring_wipe(&next);
        assert_int_equal(ths_cluster_reload_keys(nodes[i % NODES], why, sizeof why), THS_OK);
    }
    for (unsigned i = 0; i < NODES; i++)
        while (atomic_load(&thsi_cluster_of(nodes[i])->driver->keys_moving) != 0)
            (void)sched_yield();
}

/* ---- Facts ------------------------------------------------------------------------------- */

static void search_finds_what_is_there(void **state)
{
    uint8_t *left = malloc(THSI_KEY_SIZE);

    (void)state;
    assert_non_null(left);
    make_key_file(files[0]);
    assert_int_equal(search_process(), 0);
    for (unsigned i = 0; i < THSI_KEY_SIZE; i++)
        left[i] = needles[1][i] ^ AEAD_RECORDER_MASK;
    assert_int_equal(search_process(), 1);
    sodium_memzero(left, THSI_KEY_SIZE);
    free(left);
}

static void stopped_node_leaves_no_key_in_memory(void **state)
{
    const uint8_t(*used)[THSI_KEY_SIZE];
    unsigned count;

    (void)state;
    start_nodes();
    await_more(1000);
    change_key();
    await_more(1000);
    for (unsigned i = NODES; i-- > 0;)
        ths_node_stop(nodes[i], 1000);
    count = aead_recorder_keys(&used);
    assert_true(count > 10); /* of the handshake, and both directions, replaced again and again */
    for (unsigned i = 0; i < count; i++)
        add_masked(used[i], "the key of a handshake or a session");
    assert_int_equal(search_process(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(search_finds_what_is_there),
        TEST(stopped_node_leaves_no_key_in_memory),
    };

    if (SANITIZED)
        return EXIT_SUCCESS; /* they keep copies, and terabytes of their own */
    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
