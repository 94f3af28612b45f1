/* Blobs of messages alone: counts, bounds, equality, the wire. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "codec/schema.h"
#include "node/message.h"
#include "tests/lib/test_env.h"
#include "thiasos/blob.h"

THS_MESSAGE(crate, "test.crate", 1, string(label), blob(load, .max = 8), blob(rest, .max = THS_MESSAGE_MAX))
THS_MESSAGE(bytes_crate, "test.crate", 1, string(label), bytes(load, .max = 8), bytes(rest, .max = THS_MESSAGE_MAX))

static struct test_env env;
static struct ths_blob *load;
static struct thsi_arena arena;
static uint8_t packed[4096];
static size_t packed_len;

static struct ths_blob *make(const char *text)
{
    struct ths_blob *blob = thsi_blob_create(&env.env, (uint32_t)strlen(text));

    assert_non_null(blob);
    memcpy(blob->data, text, strlen(text));
    return blob;
}

static int setup(void **state)
{
    static _Alignas(8) uint8_t room[4096];

    (void)state;
    test_env_init(&env, 1);
    load = make("cargo");
    arena = (struct thsi_arena){ .base = room, .cap = sizeof room, .env = &env.env };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    thsi_arena_release(&arena);
    assert_int_equal(atomic_load(&load->refs), 1);
    ths_blob_release(load);
    test_env_assert_clean(&env);
    return 0;
}

static const struct thsi_type_info *info(void)
{
    return thsi_type_intern(&crate_type);
}

static void pack(const struct crate *crate)
{
    struct thsi_packer packer;

    thsi_packer_init(&packer, packed, sizeof packed);
    assert_int_equal(thsi_schema_pack(info(), crate, &packer), THS_OK);
    packed_len = packer.len;
}

static enum ths_err unpack(struct crate **got)
{
    struct thsi_unpacker unpacker;
    void *msg;
    enum ths_err err;

    thsi_unpacker_init(&unpacker, packed, packed_len);
    err = thsi_schema_unpack(info(), &unpacker, &arena, &msg);
    *got = msg;
    return err;
}

static void copy_counts_a_reference_and_its_release_gives_it_back(void **state)
{
    const struct crate crate = { .label = "a", .load = load, .rest = load };
    struct crate *copy;
    size_t size;

    (void)state;
    assert_int_equal(thsi_message_measure(info(), &crate, &size), THS_OK);
    assert_int_equal(size, sizeof crate + 8);
    copy = malloc(size);
    assert_non_null(copy);
    thsi_message_copy(info(), copy, &crate);
    assert_ptr_equal(copy->load, load);
    assert_int_equal(atomic_load(&load->refs), 3);
    assert_int_equal(thsi_message_shared_size(info(), copy), 10);
    thsi_message_release(info(), copy);
    assert_int_equal(atomic_load(&load->refs), 1);
    free(copy);
}

/* The pool of the messages of one test. */
static struct thsi_depot depot;
static struct thsi_pool pool;

static void begin_pool(void)
{
    thsi_depot_init(&depot, &env.env);
    thsi_pool_init(&pool, &depot);
}

static void end_pool(void)
{
    thsi_pool_fini(&pool);
    thsi_depot_fini(&depot);
}

static void freed_message_gives_back_whatever_its_size(void **state)
{
    static char label[2000];

    (void)state;
    begin_pool();
    for (size_t len = 0; len < sizeof label; len = 2 * len + 1) {
        const struct crate crate = { .label = label, .load = load };
        const struct thsi_signal signal = { .kind = THSI_TELL, .type = &crate_type, .body = &crate };
        struct thsi_message *message;

        memset(label, 'x', len);
        assert_int_equal(thsi_message_create(&pool, &signal, &message), THS_OK);
        assert_int_equal(atomic_load(&load->refs), 2);
        thsi_message_free(&pool, message);
        assert_int_equal(atomic_load(&load->refs), 1);
    }
    end_pool();
}

static void message_that_becomes_an_answer_gives_back(void **state)
{
    const struct crate crate = { .load = load };
    const struct thsi_signal signal = { .kind = THSI_ASK, .type = &crate_type, .body = &crate };
    struct thsi_message *message;

    (void)state;
    begin_pool();
    assert_int_equal(thsi_message_create(&pool, &signal, &message), THS_OK);
    message = thsi_message_become(message, &(struct thsi_signal){ .kind = THSI_REPLY, .err = THS_GONE });
    assert_int_equal(atomic_load(&load->refs), 1);
    thsi_message_free(&pool, message);
    assert_int_equal(atomic_load(&load->refs), 1);
    end_pool();
}

static void message_without_memory_counts_nothing(void **state)
{
    const struct crate crate = { .load = load };
    const struct thsi_signal signal = { .kind = THSI_TELL, .type = &crate_type, .body = &crate };
    struct thsi_message *message;

    (void)state;
    begin_pool();
    TEST_ENV_EACH_FAILURE(&env, thsi_message_create(&pool, &signal, &message) == THS_OK) {
        assert_int_equal(atomic_load(&load->refs), 1);
    }
    assert_int_equal(atomic_load(&load->refs), 2);
    thsi_message_free(&pool, message);
    end_pool();
}

static void field_and_message_bound_it(void **state)
{
    struct ths_blob *nine = make("123456789"), *large = thsi_blob_create(&env.env, THS_MESSAGE_MAX);

    (void)state;
    assert_non_null(large);
    assert_int_equal(thsi_message_check(info(), &(struct crate){ .load = load, .rest = nine }), THS_OK);
    assert_int_equal(thsi_message_check(info(), &(struct crate){ .load = nine }), THS_TOO_BIG);
    assert_int_equal(thsi_message_check(info(), &(struct crate){ .rest = large }), THS_TOO_BIG);
    ths_blob_release(nine);
    ths_blob_release(large);
}

static void equal_bytes_are_equal_messages(void **state)
{
    struct ths_blob *same = make("cargo"), *other = make("cargO"), *empty = make("");

    (void)state;
#define EQUAL(a, b) thsi_message_equal(info(), &(struct crate){ .load = (a) }, &(struct crate){ .load = (b) })
    assert_true(EQUAL(load, load));
    assert_true(EQUAL(load, same));
    assert_false(EQUAL(load, other));
    assert_false(EQUAL(load, empty));
    assert_true(EQUAL(NULL, empty));
    ths_blob_release(same);
    ths_blob_release(other);
    ths_blob_release(empty);
}

static void prints_as_bytes(void **state)
{
    char text[100];

    (void)state;
    (void)thsi_message_print(info(), &(struct crate){ .label = "a", .load = load }, text, sizeof text);
    assert_string_equal(text, "crate{label=\"a\", load=<636172676f>, rest=<>}");
}

static void on_the_wire_it_is_bytes(void **state)
{
    uint8_t plain[100];
    struct thsi_packer packer;
    struct crate *got;

    (void)state;
    thsi_packer_init(&packer, plain, sizeof plain);
    assert_int_equal(thsi_schema_pack(thsi_type_intern(&bytes_crate_type),
                                      THSP_LITERAL_V(bytes_crate, .label = "a", .load = THS_BYTES("cargo", 5)), &packer),
                     THS_OK);
    pack(&(struct crate){ .label = "a", .load = load });
    assert_int_equal(packed_len, packer.len);
    assert_memory_equal(packed, plain, packed_len);
    assert_int_equal(unpack(&got), THS_OK);
    assert_int_equal(ths_blob_len(got->load), 5);
    assert_memory_equal(ths_blob_data(got->load), "cargo", 5);
    assert_null(got->rest);
    assert_true(thsi_type_intern(&bytes_crate_type)->fingerprint != info()->fingerprint);
}

static void what_came_may_be_kept_longer_than_the_arena(void **state)
{
    struct crate *got;
    struct ths_blob *kept;

    (void)state;
    pack(&(struct crate){ .load = load, .rest = load });
    assert_int_equal(unpack(&got), THS_OK);
    kept = ths_blob_ref(got->rest);
    thsi_arena_release(&arena);
    assert_int_equal(atomic_load(&kept->refs), 1);
    assert_memory_equal(ths_blob_data(kept), "cargo", 5);
    ths_blob_release(kept);
}

static void what_came_is_bounded_and_survives_the_lack_of_memory(void **state)
{
    struct crate *got;
    size_t blocks;

    (void)state;
    pack(&(struct crate){ .load = load, .rest = load });
    blocks = env.blocks;
    TEST_ENV_EACH_FAILURE(&env, unpack(&got) == THS_OK) {
        assert_null(got);
        assert_int_equal(unpack(&got), THS_NOMEM);
        thsi_arena_release(&arena);
        assert_int_equal(env.blocks, blocks);
    }
    memcpy(packed, "\x92\xa0\xc4\x09" "123456789", packed_len = 13);
    assert_int_equal(unpack(&got), THS_TOO_BIG);
    memcpy(packed, "\x92\xa0\xa1" "1", packed_len = 4);
    assert_int_equal(unpack(&got), THS_MALFORMED);
    memcpy(packed, "\x91\xa0", packed_len = 2);
    assert_int_equal(unpack(&got), THS_OK);
    assert_null(got->load);
    thsi_arena_release(&arena);
    arena.env = NULL;
    pack(&(struct crate){ .load = load });
    assert_int_equal(unpack(&got), THS_UNSUPPORTED);
}

#define blob_test(fact) cmocka_unit_test_setup_teardown(fact, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        blob_test(copy_counts_a_reference_and_its_release_gives_it_back),
        blob_test(freed_message_gives_back_whatever_its_size),
        blob_test(message_that_becomes_an_answer_gives_back),
        blob_test(message_without_memory_counts_nothing),
        blob_test(field_and_message_bound_it),
        blob_test(equal_bytes_are_equal_messages),
        blob_test(prints_as_bytes),
        blob_test(on_the_wire_it_is_bytes),
        blob_test(what_came_may_be_kept_longer_than_the_arena),
        blob_test(what_came_is_bounded_and_survives_the_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
