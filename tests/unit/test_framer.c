#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/framer.h"

#include <stdlib.h>
#include <string.h>

/* Memory that counts: how much is out, how much ever was, and whether there is any. */
struct counting_env {
    struct ths_env env; /* first */
    void *block;        /* a framer has one at most */
    size_t held, most;
    unsigned calls;
    bool is_out;
};

struct bench {
    struct counting_env counting;
    struct thsi_framer framer;
    uint8_t *big;
};

static void *count_memory(struct ths_env *env, void *ptr, size_t size)
{
    struct counting_env *counting = (struct counting_env *)(void *)env;
    void *block;

    counting->calls++;
    assert_ptr_equal(ptr, counting->block);
    if (size == 0) {
        free(ptr);
        counting->block = NULL;
        counting->held = 0;
        return NULL;
    }
    if (counting->is_out)
        return NULL;
    block = realloc(ptr, size);
    assert_non_null(block);
    counting->block = block;
    counting->held = size;
    if (size > counting->most)
        counting->most = size;
    return block;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    if (bench == NULL)
        return -1;
    bench->big = calloc(1, THSI_SEALED_FRAME_MAX);
    bench->counting.env.memory = count_memory;
    thsi_framer_init(&bench->framer, &bench->counting.env);
    *state = bench;
    return bench->big != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    size_t held;

    thsi_framer_fini(&bench->framer);
    thsi_framer_fini(&bench->framer);
    held = bench->counting.held;
    free(bench->big);
    free(bench);
    return held == 0 ? 0 : -1;
}

/* A frame of @len bytes in @out, whose payload tells one place from another. */
static void make_frame(uint8_t *out, uint8_t type, size_t len)
{
    thsi_put_u32(out, (uint32_t)(len - THSI_LENGTH_SIZE));
    out[THSI_LENGTH_SIZE] = type;
    for (size_t i = THSI_FRAME_PREFIX_SIZE; i < len; i++)
        out[i] = (uint8_t)(i * 7);
}

/* Feed all of @data in pieces of @piece bytes. Returns the first error; counts frames, each compared with @expected. */
static enum ths_err feed(struct bench *bench, const uint8_t *data, size_t len, size_t piece, const uint8_t *expected,
                         unsigned *frames)
{
    while (len > 0) {
        const uint8_t *at = data;
        size_t left = piece < len ? piece : len;

        data += left;
        len -= left;
        while (left > 0) {
            struct thsi_frame frame;
            enum ths_err err = thsi_framer_feed(&bench->framer, &at, &left, &frame);

            if (err != THS_OK)
                return err;
            if (frame.data != NULL) {
                assert_int_equal(frame.type, frame.data[THSI_LENGTH_SIZE]);
                assert_memory_equal(frame.data, expected, frame.len);
                expected += frame.len;
                (*frames)++;
            }
        }
    }
    return THS_OK;
}

static void verify(struct bench *bench)
{
    thsi_framer_verified(&bench->framer);
}

static enum ths_err feed_text(struct bench *bench, const char *text, size_t len)
{
    unsigned frames = 0;

    return feed(bench, (const uint8_t *)text, len, len, NULL, &frames);
}

/* ---- Whole frames ---------------------------------------------------------------------------- */

static void frames_come_out_whole_however_they_are_cut(void **state)
{
    struct bench *bench = *state;
    uint8_t stream[300];

    make_frame(stream, THSI_FRAME_SEALED, 100);
    make_frame(stream + 100, THSI_FRAME_SEALED, THSI_SEALED_OVERHEAD);
    make_frame(stream + 140, THSI_FRAME_SEALED, 160);
    verify(bench);
    for (size_t piece = 1; piece <= sizeof stream; piece++) {
        unsigned frames = 0;

        assert_int_equal(feed(bench, stream, sizeof stream, piece, stream, &frames), THS_OK);
        assert_int_equal(frames, 3);
    }
}

static void feed_stops_behind_one_frame(void **state)
{
    struct bench *bench = *state;
    uint8_t stream[60];
    const uint8_t *at = stream;
    size_t left = sizeof stream;
    struct thsi_frame frame;

    make_frame(stream, THSI_FRAME_HELLO1, 20);
    make_frame(stream + 20, THSI_FRAME_SEALED, 40);
    assert_int_equal(thsi_framer_feed(&bench->framer, &at, &left, &frame), THS_OK);
    assert_int_equal(frame.len, 20);
    assert_ptr_equal(at, stream + 20);
    assert_int_equal(left, 40);
    verify(bench); /* between the two, so that the second is read by the new rules */
    assert_int_equal(thsi_framer_feed(&bench->framer, &at, &left, &frame), THS_OK);
    assert_int_equal(frame.type, THSI_FRAME_SEALED);
    assert_int_equal(left, 0);
}

static void largest_frame_passes_and_its_memory_is_given_back(void **state)
{
    struct bench *bench = *state;
    uint8_t small[THSI_SEALED_OVERHEAD];
    unsigned frames = 0;

    verify(bench);
    make_frame(bench->big, THSI_FRAME_SEALED, THSI_SEALED_FRAME_MAX);
    assert_int_equal(feed(bench, bench->big, THSI_SEALED_FRAME_MAX, 8192, bench->big, &frames), THS_OK);
    assert_int_equal(frames, 1);
    assert_true(bench->counting.most <= THSI_SEALED_FRAME_MAX);
    make_frame(small, THSI_FRAME_SEALED, sizeof small);
    assert_int_equal(feed(bench, small, sizeof small, sizeof small, small, &frames), THS_OK);
    assert_int_equal(bench->counting.held, 0);
}

static void ordinary_frames_keep_one_buffer(void **state)
{
    struct bench *bench = *state;
    unsigned frames = 0, calls;

    verify(bench);
    make_frame(bench->big, THSI_FRAME_SEALED, 65536);
    assert_int_equal(feed(bench, bench->big, 65536, 8192, bench->big, &frames), THS_OK);
    calls = bench->counting.calls;
    for (int i = 0; i < 10; i++)
        assert_int_equal(feed(bench, bench->big, 65536, 8192, bench->big, &frames), THS_OK);
    assert_int_equal(bench->counting.calls, calls);
    assert_int_equal(frames, 11);
}

/* ---- Strangers: no memory, an end at once ------------------------------------------------------ */

static void stranger_makes_us_allocate_nothing(void **state)
{
    struct bench *bench = *state;
    uint8_t frame[THSI_HANDSHAKE_FRAME_MAX];
    unsigned frames = 0;

    make_frame(frame, THSI_FRAME_HELLO1, sizeof frame);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(feed(bench, frame, sizeof frame, 100, frame, &frames), THS_OK);
    assert_int_equal(frames, 1000);
    assert_int_equal(bench->counting.calls, 0);
}

static void half_a_handshake_waits_in_the_slot(void **state)
{
    struct bench *bench = *state;
    uint8_t frame[THSI_HANDSHAKE_FRAME_MAX];
    unsigned frames = 0;

    make_frame(frame, THSI_FRAME_HELLO1, sizeof frame);
    assert_int_equal(feed(bench, frame, sizeof frame - 1, 1, frame, &frames), THS_OK);
    assert_int_equal(frames, 0);
    assert_int_equal(bench->counting.calls, 0);
}

static void endless_frame_is_refused_by_its_length(void **state)
{
    static const uint8_t lengths[][4] = {
        { 0xff, 0xff, 0xff, 0xff }, { 0x7f, 0xff, 0xff, 0xff }, { 0x00, 0x10, 0x00, 0x00 }, { 0x00, 0x00, 0x07, 0xfd },
    };

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct bench *bench = *state;
        unsigned frames = 0;

        thsi_framer_init(&bench->framer, &bench->counting.env);
        assert_int_equal(feed(bench, lengths[i], 3, 1, NULL, &frames), THS_OK);
        assert_int_equal(feed(bench, lengths[i] + 3, 1, 1, NULL, &frames), THS_TOO_BIG);
        assert_int_equal(bench->counting.calls, 0);
    }
}

static void endless_frame_after_the_handshake_is_refused_by_its_length(void **state)
{
    static const uint8_t length[] = { 0x00, 0x10, 0x00, 0x25 };
    struct bench *bench = *state;
    unsigned frames = 0;

    verify(bench);
    assert_int_equal(feed(bench, length, sizeof length, 1, NULL, &frames), THS_TOO_BIG);
    assert_int_equal(bench->counting.calls, 0);
}

static void other_protocols_end_within_five_bytes(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum ths_err err;
    } rows[] = {
        { "GET / HTTP/1.1\r\n", 4, THS_TOO_BIG },          { "\x16\x03\x01\x02\x00", 4, THS_TOO_BIG },
        { "SSH-2.0-OpenSSH", 4, THS_TOO_BIG },             { "\n\n\n\n", 4, THS_TOO_BIG },
        { "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f", 4, THS_TOO_BIG }, /* ZMTP */
        { "\0\0\0\0", 4, THS_MALFORMED },                  { "\0\0\0\x08\x00", 5, THS_MALFORMED },
        { "\0\0\0\x40\x10", 5, THS_MALFORMED }, /* a sealed frame before its time */
        { "\0\0\0\x40\x07", 5, THS_MALFORMED },            { "\0\0\0\x40\xff", 5, THS_MALFORMED },
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        thsi_framer_init(&bench->framer, &bench->counting.env);
        assert_int_equal(feed_text(bench, rows[i].text, rows[i].len), rows[i].err);
        assert_int_equal(feed_text(bench, "x", 1), rows[i].err); /* and stays so */
        assert_int_equal(bench->counting.calls, 0);
    }
}

static void random_bytes_end_at_once_and_allocate_nothing(void **state)
{
    struct bench *bench = *state;
    uint64_t seed = 1;

    for (int round = 0; round < 2000; round++) {
        char bytes[64];

        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[i] = (char)(seed >> 56);
        }
        thsi_framer_init(&bench->framer, &bench->counting.env);
        assert_int_not_equal(feed_text(bench, bytes, sizeof bytes), THS_OK);
    }
    assert_int_equal(bench->counting.calls, 0);
}

/* ---- Between the handshake and the first sealed frame --------------------------------------------- */

static void proof_is_sealed_and_fits_the_slot(void **state)
{
    struct bench *bench = *state;
    uint8_t frame[THSI_HANDSHAKE_FRAME_MAX];
    unsigned frames = 0;

    thsi_framer_proof_due(&bench->framer);
    make_frame(frame, THSI_FRAME_SEALED, sizeof frame);
    assert_int_equal(feed(bench, frame, sizeof frame, 100, frame, &frames), THS_OK);
    assert_int_equal(frames, 1);
    assert_int_equal(bench->counting.calls, 0);
    verify(bench);
    make_frame(bench->big, THSI_FRAME_SEALED, 5000);
    assert_int_equal(feed(bench, bench->big, 5000, 100, bench->big, &frames), THS_OK);
    assert_int_equal(frames, 2);
}

static void proof_of_another_type_or_size_is_refused(void **state)
{
    struct bench *bench = *state;

    thsi_framer_proof_due(&bench->framer);
    assert_int_equal(feed_text(bench, "\x00\x00\x00\x40\x01", 5), THS_MALFORMED);
    thsi_framer_init(&bench->framer, &bench->counting.env);
    thsi_framer_proof_due(&bench->framer);
    assert_int_equal(feed_text(bench, "\x00\x00\x07\xfd", 4), THS_TOO_BIG);
    thsi_framer_init(&bench->framer, &bench->counting.env);
    thsi_framer_proof_due(&bench->framer);
    assert_int_equal(feed_text(bench, "\x00\x00\x00\x23", 4), THS_MALFORMED);
    assert_int_equal(bench->counting.calls, 0);
}

/* ---- Verified peers: bounded by what really came ----------------------------------------------------- */

static void claimed_length_is_not_allocated_before_it_came(void **state)
{
    struct bench *bench = *state;
    unsigned frames = 0;

    verify(bench);
    make_frame(bench->big, THSI_FRAME_SEALED, THSI_SEALED_FRAME_MAX);
    assert_int_equal(feed(bench, bench->big, 20000, 1000, NULL, &frames), THS_OK);
    assert_true(bench->counting.most <= 40000);
}

static void handshake_frame_after_the_handshake_is_malformed(void **state)
{
    struct bench *bench = *state;

    verify(bench);
    assert_int_equal(feed_text(bench, "\x00\x00\x00\x40\x01", 5), THS_MALFORMED);
    thsi_framer_init(&bench->framer, &bench->counting.env);
    verify(bench);
    assert_int_equal(feed_text(bench, "\x00\x00\x00\x23", 4), THS_MALFORMED); /* shorter than an empty sealed one */
}

static void lack_of_memory_ends_the_stream(void **state)
{
    struct bench *bench = *state;
    unsigned frames = 0;

    verify(bench);
    make_frame(bench->big, THSI_FRAME_SEALED, 5000);
    bench->counting.is_out = true;
    assert_int_equal(feed(bench, bench->big, 5000, 5000, NULL, &frames), THS_NOMEM);
    bench->counting.is_out = false;
    assert_int_equal(feed(bench, bench->big, 5000, 5000, NULL, &frames), THS_NOMEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_out_whole_however_they_are_cut),
        TEST(feed_stops_behind_one_frame),
        TEST(largest_frame_passes_and_its_memory_is_given_back),
        TEST(ordinary_frames_keep_one_buffer),
        TEST(stranger_makes_us_allocate_nothing),
        TEST(half_a_handshake_waits_in_the_slot),
        TEST(endless_frame_is_refused_by_its_length),
        TEST(endless_frame_after_the_handshake_is_refused_by_its_length),
        TEST(other_protocols_end_within_five_bytes),
        TEST(random_bytes_end_at_once_and_allocate_nothing),
        TEST(proof_is_sealed_and_fits_the_slot),
        TEST(proof_of_another_type_or_size_is_refused),
        TEST(claimed_length_is_not_allocated_before_it_came),
        TEST(handshake_frame_after_the_handshake_is_malformed),
        TEST(lack_of_memory_ends_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
