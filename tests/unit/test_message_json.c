#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "thiasos/blob.h"
#include "tools/message_json.h"

#include <math.h>
#include <stdlib.h>

THS_MESSAGE(greet, "test.json.greet", 1, string(name, .max = 8), u32(times))
THS_MESSAGE(numbers, "test.json.numbers", 1, boolean(flag), u8(a), u64(d), i8(e), i64(h), f32(x), f64(y))
THS_MESSAGE(shapes, "test.json.shapes", 1, ref(who), bytes(data, .max = 4), list(u64, ids, .max = 3),
            list(string, names), list(bytes, blobs), opt(u32, limit), opt(string, nick))

THS_MESSAGE(shared, "test.json.shared", 1, blob(load, .max = 4))

#define INFO(message) thsi_type_intern(&message##_type)

static _Alignas(8) uint8_t room[4096];
static struct thsi_arena arena;
static char error[THSI_JSON_ERROR_SIZE];

static int set_up(void **state)
{
    (void)state;
    arena = (struct thsi_arena){ .base = room, .cap = sizeof room, .env = ths_env_os() };
    error[0] = '\0';
    return 0;
}

/* Message to JSON text. */
#define assert_json(expected, message, ...)                                                         \
    do {                                                                                            \
        json_t *object = thsi_json_from_message(INFO(message), THSP_LITERAL_V(message, __VA_ARGS__)); \
        char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);                        \
        assert_string_equal(text, expected);                                                        \
        free(text);                                                                                 \
        json_decref(object);                                                                        \
    } while (0)

/* JSON text to message. */
static enum ths_err read_json(const struct thsi_type_info *info, const char *text, void **msg)
{
    json_t *object = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    enum ths_err err;

    assert_non_null(object);
    err = thsi_json_to_message(info, object, &arena, msg, error);
    json_decref(object);
    assert_true((err == THS_OK) == (*msg != NULL));
    return err;
}

static void set_field(json_t *object, const char *field, const char *value)
{
    assert_int_equal(json_object_set_new(object, field, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
}

static void message_is_an_object_of_its_fields(void **state)
{
    (void)state;
    assert_json("{\"name\":\"world\",\"times\":2}", greet, .name = "world", .times = 2);
    assert_json("{\"flag\":true,\"a\":255,\"d\":\"18446744073709551615\",\"e\":-128,\"h\":-9223372036854775808,"
                "\"x\":0.5,\"y\":\"-inf\"}", numbers, .flag = true, .a = 255, .d = UINT64_MAX, .e = INT8_MIN,
                .h = INT64_MIN, .x = 0.5f, .y = -INFINITY);
    assert_json("{\"who\":\"nobody\",\"data\":\"00ff\",\"ids\":[1,2],\"names\":[\"a\",\"\"],\"blobs\":[],"
                "\"limit\":null,\"nick\":\"n\"}", shapes, .data = THS_BYTES("\0\xff", 2),
                .ids = THS_ITEMS(uint64_t, 1, 2), .names = THS_ITEMS(const char *, "a", NULL), .nick = THS_SOME("n"));
}

static void object_becomes_the_message(void **state)
{
    struct numbers *numbers;
    struct shapes *shapes;
    void *msg;

    (void)state;
    assert_int_equal(read_json(INFO(numbers), "{\"flag\":true,\"a\":255,\"d\":\"18446744073709551615\",\"e\":\"-128\","
                               "\"h\":-5,\"x\":0.5,\"y\":\"inf\"}", &msg), THS_OK);
    numbers = msg;
    assert_true(numbers->flag && numbers->a == 255 && numbers->d == UINT64_MAX && numbers->e == -128);
    assert_true(numbers->h == -5 && numbers->x == 0.5f && isinf(numbers->y));
    assert_int_equal(read_json(INFO(shapes), "{\"who\":\"00000000000000ff.2.3\",\"data\":\"00Ff\",\"ids\":[1,\"2\"],"
                               "\"names\":[\"a\",\"\"],\"blobs\":[\"61\"],\"limit\":null}", &msg), THS_OK);
    shapes = msg;
    assert_true(ths_ref_equal(shapes->who, (ths_ref){ 255, 2, 3 }));
    assert_memory_equal(shapes->data.data, "\0\xff", 2);
    assert_true(shapes->ids.count == 2 && shapes->ids.items[1] == 2);
    assert_string_equal(shapes->names.items[0], "a");
    assert_true(shapes->blobs.items[0].len == 1 && shapes->blobs.items[0].data[0] == 'a');
    assert_false(shapes->limit.present || shapes->nick.present);
    assert_int_equal(thsi_message_check(INFO(shapes), shapes), THS_OK);
}

static void refusals_name_the_field(void **state)
{
    static const struct { const char *text; enum ths_err err; const char *sentence; } rows[] = {
        { "{\"name\":\"a\"}", THS_INVALID, "field 'times': is missing" },
        { "{\"name\":\"a\",\"times\":1,\"tims\":1}", THS_INVALID, "field 'tims': the message has no such field" },
        { "{\"name\":7,\"times\":1}", THS_INVALID, "field 'name': wants a string" },
        { "{\"name\":\"123456789\",\"times\":1}", THS_TOO_BIG, "field 'name': the string is longer than its bound" },
        { "{\"name\":\"a\\u0000\",\"times\":1}", THS_MALFORMED,
          "field 'name': the string holds a NUL or is not UTF-8" },
        { "{\"name\":\"a\",\"times\":-1}", THS_INVALID, "field 'times': wants an integer that is not negative" },
        { "{\"name\":\"a\",\"times\":4294967296}", THS_INVALID, "field 'times': the number is too large" },
        { "{\"name\":\"a\",\"times\":\"7x\"}", THS_INVALID, "field 'times': wants an integer that is not negative" },
        { "{\"name\":\"a\",\"times\":1.5}", THS_INVALID, "field 'times': wants an integer that is not negative" },
        { "[1]", THS_INVALID, "a message is an object of its fields" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *msg = room;

        assert_int_equal(read_json(INFO(greet), rows[i].text, &msg), rows[i].err);
        assert_string_equal(error, rows[i].sentence);
        assert_int_equal(arena.used, 0);
    }
}

static void wrong_values_of_every_shape_are_refused(void **state)
{
    static const struct { const char *field; const char *value; enum ths_err err; } rows[] = {
        { "who", "\"x\"", THS_MALFORMED },
        { "who", "1", THS_MALFORMED },
        { "data", "\"0\"", THS_MALFORMED },
        { "data", "\"0g\"", THS_MALFORMED },
        { "data", "\"0011223344\"", THS_TOO_BIG },
        { "ids", "1", THS_INVALID },
        { "ids", "[1,2,3,4]", THS_TOO_BIG },
        { "ids", "[true]", THS_INVALID },
        { "names", "[null]", THS_INVALID },
        { "limit", "\"a\"", THS_INVALID },
        { "nick", "[]", THS_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *object = thsi_json_from_message(INFO(shapes), THSP_LITERAL_V(shapes));
        void *msg;

        set_field(object, rows[i].field, rows[i].value);
        assert_int_equal(thsi_json_to_message(INFO(shapes), object, &arena, &msg, error), rows[i].err);
        assert_non_null(strstr(error, rows[i].field));
        json_decref(object);
    }
}

static void integers_out_of_their_width_are_refused(void **state)
{
    static const struct { const char *field; const char *value; } rows[] = {
        { "a", "256" }, { "d", "\"18446744073709551616\"" }, { "e", "128" }, { "e", "-129" }, { "flag", "1" },
        { "h", "\"9223372036854775808\"" }, { "x", "1e300" }, { "y", "\"\"" }, { "y", "null" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *object = thsi_json_from_message(INFO(numbers), THSP_LITERAL_V(numbers));
        void *msg;

        set_field(object, rows[i].field, rows[i].value);
        assert_int_equal(thsi_json_to_message(INFO(numbers), object, &arena, &msg, error), THS_INVALID);
        json_decref(object);
    }
}

static void small_arena_is_too_big(void **state)
{
    void *msg;

    (void)state;
    for (arena.cap = 0; arena.cap < sizeof(struct greet) + sizeof "world"; arena.cap++)
        assert_int_equal(read_json(INFO(greet), "{\"name\":\"world\",\"times\":1}", &msg), THS_TOO_BIG);
    assert_int_equal(read_json(INFO(greet), "{\"name\":\"world\",\"times\":1}", &msg), THS_OK);
}

#define WORDS(...) (int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)), (char *[]){ __VA_ARGS__ }

static void *message_of_words(const struct thsi_type_info *info, int count, char *const *words)
{
    json_t *object = thsi_json_from_words(info, count, words, error);
    void *msg;

    assert_non_null(object);
    assert_int_equal(thsi_json_to_message(info, object, &arena, &msg, error), THS_OK);
    json_decref(object);
    return msg;
}

static void words_are_taken_as_their_fields_want_them(void **state)
{
    const struct greet *greet = message_of_words(INFO(greet), WORDS("name=7", "times=7"));
    const struct shapes *shapes = message_of_words(INFO(shapes),
                                                   WORDS("ids=1,2", "names=[\"a,b\"]", "data=ff", "nick="));
    const struct numbers *numbers = message_of_words(INFO(numbers), WORDS("flag=true", "e=-3", "y=2.5"));

    (void)state;
    assert_string_equal(greet->name, "7");
    assert_int_equal(greet->times, 7);
    assert_true(shapes->ids.count == 2 && shapes->ids.items[1] == 2);
    assert_string_equal(shapes->names.items[0], "a,b");
    assert_true(shapes->nick.present && !shapes->limit.present);
    assert_true(numbers->flag && numbers->e == -3 && numbers->y == 2.5 && numbers->d == 0);
}

static void message_without_words_is_zero(void **state)
{
    const struct shapes *shapes = message_of_words(INFO(shapes), 0, NULL);

    (void)state;
    assert_true(ths_ref_is_nobody(shapes->who) && shapes->ids.count == 0 && !shapes->nick.present);
}

static void wrong_words_are_refused(void **state)
{
    static const struct { char *words[2]; const char *sentence; } rows[] = {
        { { "name", "times=1" }, "'name' is no name=value" },
        { { "nam=a", "times=1" }, "'nam=a' names no field of this message" },
        { { "=a", "times=1" }, "'=a' names no field of this message" },
        { { "times=2", "times=1" }, "'times=1' names a field that was given before" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(thsi_json_from_words(INFO(greet), 2, rows[i].words, error));
        assert_string_equal(error, rows[i].sentence);
    }
    assert_null(thsi_json_from_words(INFO(numbers), WORDS("flag=yes"), error));
    assert_string_equal(error, "'flag=yes' is no value of its field");
    assert_null(thsi_json_from_words(INFO(shapes), WORDS("ids=[1,"), error));
    assert_string_equal(error, "'ids=[1,' is no value of its field");
}

#define test(fact) cmocka_unit_test_setup(fact, set_up)

static void blob_is_read_and_written_as_bytes_are(void **state)
{
    struct shared *got;

    (void)state;
    assert_int_equal(read_json(INFO(shared), "{\"load\":\"00fF\"}", (void **)&got), THS_OK);
    assert_int_equal(ths_blob_len(got->load), 2);
    assert_memory_equal(ths_blob_data(got->load), "\0\xff", 2);
    assert_json("{\"load\":\"00ff\"}", shared, .load = got->load);
    assert_json("{\"load\":\"\"}", shared, .load = NULL);
    assert_int_equal(read_json(INFO(shared), "{\"load\":\"\"}", (void **)&got), THS_OK);
    assert_null(got->load);
    assert_int_equal(read_json(INFO(shared), "{\"load\":\"0011223344\"}", (void **)&got), THS_TOO_BIG);
    assert_int_equal(read_json(INFO(shared), "{\"load\":\"0g\"}", (void **)&got), THS_MALFORMED);
    thsi_arena_release(&arena);
    arena.env = NULL;
    assert_int_equal(read_json(INFO(shared), "{\"load\":\"00\"}", (void **)&got), THS_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blob_is_read_and_written_as_bytes_are, set_up),
        test(message_is_an_object_of_its_fields),
        test(object_becomes_the_message),
        test(refusals_name_the_field),
        test(wrong_values_of_every_shape_are_refused),
        test(integers_out_of_their_width_are_refused),
        test(small_arena_is_too_big),
        test(words_are_taken_as_their_fields_want_them),
        test(message_without_words_is_zero),
        test(wrong_words_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
