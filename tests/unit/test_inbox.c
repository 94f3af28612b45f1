/* The inbox alone: what is dropped, what is replaced, what comes first. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "node/inbox.h"
#include "tests/lib/test_env.h"

THS_MESSAGE(quote, "test.quote", 1, string(symbol), u32(price))
THS_MESSAGE(alarm, "test.alarm", 1, u32(price))

static struct thsi_inbox inbox;
static struct thsi_depot depot;
static struct thsi_pool pool;

static int setup(void **state)
{
    static struct test_env env;

    test_env_init(&env, 1);
    *state = &env;
    thsi_depot_init(&depot, &env.env);
    thsi_pool_init(&pool, &depot);
    return 0;
}

static int teardown(void **state)
{
    struct thsi_message *message, *husk;

    while ((message = thsi_inbox_take(&inbox, &husk)) != NULL) {
        thsi_message_free(&pool, husk);
        thsi_message_free(&pool, message);
    }
    thsi_inbox_fini(&inbox);
    thsi_pool_fini(&pool);
    thsi_depot_fini(&depot);
    test_env_assert_clean(*state);
    return 0;
}

#define OPEN(state, ...) \
    assert_int_equal(thsi_inbox_init(&inbox, &((struct test_env *)*(state))->env, \
                                     &(struct thsi_inbox_options){ __VA_ARGS__ }), THS_OK)

static struct thsi_message *make(int kind, struct ths_type *type, const void *body, uint64_t id)
{
    const struct thsi_signal signal = { .kind = (enum thsi_signal_kind)kind, .type = type, .body = body, .id = id };
    struct thsi_message *message;

    assert_int_equal(thsi_message_create(&pool, &signal, &message), THS_OK);
    return message;
}

/* Put it in; what had to go is written as "A1 B2 ", a refusal as its name. */
static const char *put(struct thsi_message *message, uint32_t held);
static const char *text_of(struct thsi_message *message);

static const char *put_quote(const char *symbol, uint32_t price)
{
    return put(make(THSI_TELL, &quote_type, &(struct quote){ symbol, price }, 0), 0);
}

static const char *put_alarm(uint32_t price)
{
    return put(make(THSI_TELL, &alarm_type, &(struct alarm){ price }, 0), 0);
}

static const char *put_ask(const char *symbol, uint32_t price)
{
    return put(make(THSI_ASK, &quote_type, &(struct quote){ symbol, price }, 7), 0);
}

static const char *put_signal(uint64_t id)
{
    return put(make(THSI_MONITOR, NULL, NULL, id), 0);
}

static const char *text_of(struct thsi_message *message)
{
    static char text[128];

    if (!message->counted) {
        (void)snprintf(text, sizeof text, "signal%u ", (unsigned)thsi_message_control(message)->id);
    } else if (strcmp(message->type->name, "test.alarm") == 0) {
        (void)snprintf(text, sizeof text, "alarm%u ", ((const struct alarm *)thsi_message_body(message))->price);
    } else {
        const struct quote *quote = thsi_message_body(message);

        (void)snprintf(text, sizeof text, "%s%u%s ", quote->symbol, quote->price, message->kind == THSI_ASK ? "?" : "");
    }
    return text;
}

static const char *put(struct thsi_message *message, uint32_t held)
{
    static char text[256];
    struct thsi_message *dropped;
    enum ths_err err = thsi_inbox_put(&inbox, message, held, &dropped);

    thsi_inbox_check(&inbox);
    text[0] = '\0';
    if (err != THS_OK) {
        assert_null(dropped);
        thsi_message_free(&pool, message);
        return ths_err_name(err);
    }
    while (dropped) {
        struct thsi_message *next = atomic_load(&dropped->next);

        (void)strcat(text, text_of(dropped));
        thsi_message_free(&pool, dropped);
        dropped = next;
    }
    return text;
}

/* All that waits, in the order in which it is taken. */
static const char *take_all(void)
{
    static char text[512];
    struct thsi_message *message, *husk;

    text[0] = '\0';
    while ((message = thsi_inbox_take(&inbox, &husk)) != NULL) {
        thsi_inbox_check(&inbox);
        (void)strcat(text, text_of(message));
        thsi_message_free(&pool, message);
        thsi_message_free(&pool, husk);
    }
    assert_int_equal(inbox.count, 0);
    assert_int_equal(inbox.bytes, 0);
    return text;
}

/* ---- Full ---------------------------------------------------------------------------------- */

static void refusing_one_keeps_what_it_has(void **state)
{
    OPEN(state, .capacity = 2);
    assert_string_equal(put_quote("A", 1), "");
    assert_string_equal(put_quote("B", 2), "");
    assert_string_equal(put_quote("C", 3), "FULL");
    assert_string_equal(put_ask("D", 4), "FULL");
    assert_string_equal(put_signal(1), "");
    assert_string_equal(take_all(), "A1 B2 signal1 ");
}

static void newest_tell_is_dropped_and_newest_request_refused(void **state)
{
    OPEN(state, .capacity = 2, .when_full = THS_DROP_NEWEST);
    (void)put_quote("A", 1);
    (void)put_quote("B", 2);
    assert_string_equal(put_quote("C", 3), "C3 ");
    assert_string_equal(put_ask("D", 4), "FULL");
    assert_string_equal(take_all(), "A1 B2 ");
}

static void oldest_is_dropped_and_signals_stay_where_they_are(void **state)
{
    OPEN(state, .capacity = 2, .when_full = THS_DROP_OLDEST);
    (void)put_signal(1);
    (void)put_quote("A", 1);
    (void)put_signal(2);
    (void)put_ask("B", 2);
    (void)put_signal(3);
    assert_string_equal(put_quote("C", 3), "A1 ");
    assert_string_equal(put_quote("D", 4), "B2? ");
    assert_string_equal(put_signal(4), "");
    assert_string_equal(put_quote("E", 5), "C3 ");
    assert_string_equal(take_all(), "signal1 signal2 signal3 D4 signal4 E5 ");
}

static void oldest_is_found_after_signals_were_taken(void **state)
{
    struct thsi_message *message, *husk;

    OPEN(state, .capacity = 2, .when_full = THS_DROP_OLDEST);
    (void)put_signal(1);
    (void)put_signal(2);
    (void)put_quote("A", 1);
    (void)put_quote("B", 2);
    for (int i = 0; i < 2; i++) {
        message = thsi_inbox_take(&inbox, &husk);
        thsi_inbox_check(&inbox);
        thsi_message_free(&pool, message);
        assert_string_equal(put_quote("C", 3), i == 0 ? "A1 " : "B2 ");
    }
    assert_string_equal(take_all(), "C3 C3 ");
}

static void what_waits_elsewhere_counts(void **state)
{
    OPEN(state, .capacity = 2, .when_full = THS_DROP_OLDEST);
    assert_string_equal(put(make(THSI_TELL, &alarm_type, &(struct alarm){ 1 }, 0), 1), "");
    assert_string_equal(put(make(THSI_TELL, &alarm_type, &(struct alarm){ 2 }, 0), 1), "alarm1 ");
    assert_string_equal(put(make(THSI_TELL, &alarm_type, &(struct alarm){ 3 }, 0), 2), "FULL");
    assert_string_equal(take_all(), "alarm2 ");
}

static void bytes_are_bounded_too(void **state)
{
    static const char long_symbol[] = "................................................................................";

    OPEN(state, .capacity = 100, .bytes_max = 256, .when_full = THS_DROP_OLDEST);
    for (uint32_t i = 1; i <= 4; i++)
        assert_string_equal(put_alarm(i), "");
    assert_int_equal(inbox.bytes, 256);
    assert_string_equal(put_alarm(5), "alarm1 ");
    (void)put_quote(long_symbol, 6); /* a block of 256 bytes */
    assert_int_equal(inbox.count, 1);
    assert_int_equal(inbox.bytes, 256);
    assert_string_equal(put_alarm(7), "................................................................................6 ");
    assert_string_equal(take_all(), "alarm7 ");
}

static void one_that_is_larger_than_the_bound_is_refused_and_drops_nothing(void **state)
{
    char symbol[1500];

    memset(symbol, 'x', sizeof symbol);
    symbol[sizeof symbol - 1] = '\0';
    OPEN(state, .capacity = 100, .bytes_max = 1024, .when_full = THS_DROP_OLDEST);
    (void)put_alarm(1);
    assert_string_equal(put_quote(symbol, 6), "FULL");
    assert_string_equal(take_all(), "alarm1 ");
}

/* ---- Latest by key ---------------------------------------------------------------------------- */

static void later_one_takes_the_place_of_its_key(void **state)
{
    OPEN(state, .capacity = 3, .when_full = THS_LATEST_BY_KEY, .key = "symbol");
    (void)put_quote("A", 1);
    (void)put_quote("B", 2);
    assert_string_equal(put_quote("A", 3), ""); /* the first one keeps the place */
    assert_int_equal(inbox.count, 2);
    assert_string_equal(put_quote("A", 4), "A3 ");
    assert_string_equal(put_quote("C", 5), "");
    assert_string_equal(put_quote("D", 6), "FULL");
    assert_string_equal(put_quote("B", 7), "");
    assert_string_equal(take_all(), "A4 B7 C5 ");
    assert_string_equal(put_quote("A", 8), "");
    assert_string_equal(take_all(), "A8 ");
}

static void requests_and_types_without_the_key_replace_nothing(void **state)
{
    OPEN(state, .capacity = 6, .when_full = THS_LATEST_BY_KEY, .key = "symbol");
    (void)put_ask("A", 1);
    (void)put_quote("A", 2);
    (void)put_ask("A", 3);
    (void)put_alarm(4);
    (void)put_alarm(5);
    (void)put_quote("A", 6);
    assert_string_equal(take_all(), "A1? A6 A3? alarm4 alarm5 ");
}

static void equal_keys_of_two_types_are_two(void **state)
{
    OPEN(state, .capacity = 6, .when_full = THS_LATEST_BY_KEY, .key = "price");
    (void)put_quote("A", 1);
    (void)put_alarm(1);
    (void)put_quote("B", 1);
    assert_string_equal(take_all(), "B1 alarm1 ");
}

static bool odd_or_even(const struct ths_message *msg, uint64_t *key)
{
    uint32_t price = ((const struct alarm *)msg->body)->price;

    *key = price % 2;
    return price < 100;
}

static void function_may_find_the_key(void **state)
{
    OPEN(state, .capacity = 6, .when_full = THS_LATEST_BY_KEY, .key_of = odd_or_even);
    for (uint32_t i = 1; i <= 5; i++)
        (void)put_alarm(i);
    (void)put_alarm(101);
    (void)put_alarm(103);
    assert_string_equal(take_all(), "alarm5 alarm4 alarm101 alarm103 ");
}

static void replaced_ones_count_in_bytes_until_their_place_is_taken(void **state)
{
    OPEN(state, .capacity = 9, .bytes_max = 192, .when_full = THS_LATEST_BY_KEY, .key_of = odd_or_even);
    (void)put_alarm(1);
    (void)put_alarm(2);
    assert_string_equal(put_alarm(3), "");
    assert_int_equal(inbox.bytes, 192);
    assert_string_equal(put_alarm(4), "FULL");
    assert_string_equal(put_alarm(5), "alarm3 ");
    assert_string_equal(take_all(), "alarm5 alarm2 ");
}

/* ---- Urgent ------------------------------------------------------------------------------------ */

static void urgent_ones_come_first_and_both_keep_their_order(void **state)
{
    OPEN(state, .capacity = 9, .urgent = THS_URGENT(alarm));
    (void)put_quote("A", 1);
    (void)put_alarm(1);
    (void)put_signal(1);
    (void)put_quote("B", 2);
    (void)put_alarm(2);
    assert_string_equal(take_all(), "alarm1 alarm2 A1 signal1 B2 ");
}

static void oldest_urgent_one_is_dropped_when_there_is_no_other(void **state)
{
    OPEN(state, .capacity = 2, .urgent = THS_URGENT(alarm), .when_full = THS_DROP_OLDEST);
    (void)put_alarm(1);
    (void)put_quote("A", 1);
    assert_string_equal(put_alarm(2), "A1 ");
    assert_string_equal(put_alarm(3), "alarm1 ");
    assert_string_equal(take_all(), "alarm2 alarm3 ");
}

/* ---- Refusals ---------------------------------------------------------------------------------- */

static void options_that_do_not_fit_together_are_invalid(void **state)
{
    struct ths_env *env = &((struct test_env *)*state)->env;
    struct ths_type *many[THS_URGENT_MAX + 2] = { NULL };
    const struct thsi_inbox_options bad[] = {
        { .capacity = 0 },
        { .capacity = 1, .when_full = (enum ths_when_full)4 },
        { .capacity = 1, .when_full = THS_LATEST_BY_KEY },
        { .capacity = 1, .when_full = THS_LATEST_BY_KEY, .key = "a", .key_of = odd_or_even },
        { .capacity = 1, .when_full = THS_DROP_OLDEST, .key = "a" },
        { .capacity = 1, .urgent = many },
    };

    for (unsigned i = 0; i <= THS_URGENT_MAX; i++)
        many[i] = &alarm_type;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(thsi_inbox_init(&inbox, env, &bad[i]), THS_INVALID);
    OPEN(state, .capacity = 1); /* for the teardown */
}

static enum ths_err init_latest(struct test_env *env)
{
    return thsi_inbox_init(&inbox, &env->env,
                           &(struct thsi_inbox_options){ .capacity = 9, .when_full = THS_LATEST_BY_KEY, .key = "symbol" });
}

static void without_memory_nothing_is_put_in_and_nothing_lost(void **state)
{
    struct test_env *env = *state;
    struct thsi_message *a = make(THSI_TELL, &quote_type, &(struct quote){ "A", 1 }, 0), *dropped;

    TEST_ENV_EACH_FAILURE(env, init_latest(env) == THS_OK) { }
    TEST_ENV_EACH_FAILURE(env, thsi_inbox_put(&inbox, a, 0, &dropped) == THS_OK)
    {
        thsi_inbox_check(&inbox);
        assert_true(thsi_inbox_is_empty(&inbox));
        assert_int_equal(inbox.bytes, 0);
    }
    assert_string_equal(put_quote("A", 2), "");
    assert_string_equal(take_all(), "A2 ");
}

/* An actor between two incarnations: signals below 10 wait for the next one. */
static bool waits(const void *arg, struct thsi_message *message)
{
    ++*(unsigned *)(uintptr_t)arg;
    return thsi_message_control(message)->id < 10;
}

static const char *take_acting(unsigned *asked)
{
    struct thsi_message *message = thsi_inbox_take_acting(&inbox, waits, asked);
    static char text[128];

    thsi_inbox_check(&inbox);
    (void)snprintf(text, sizeof text, "%s", message ? text_of(message) : "");
    thsi_message_free(&pool, message);
    return text;
}

static void what_acts_is_taken_past_what_waits(void **state)
{
    struct ths_type *const urgent[] = { &alarm_type, NULL };
    unsigned asked = 0;

    OPEN(state, .capacity = 10, .urgent = urgent);
    (void)put_quote("A", 1);
    (void)put_signal(1);
    (void)put_signal(11);
    (void)put_signal(2);
    (void)put_signal(12);
    assert_string_equal(take_acting(&asked), "signal11 ");
    assert_string_equal(take_acting(&asked), "signal12 ");
    assert_string_equal(take_acting(&asked), "");
    assert_int_equal(asked, 4);
    (void)put_quote("B", 2);
    (void)put_alarm(3);
    (void)put_signal(13);
    assert_string_equal(take_acting(&asked), "signal13 ");
    assert_int_equal(asked, 5); /* nobody is asked about again */
    assert_string_equal(take_all(), "alarm3 A1 signal1 signal2 B2 ");
    (void)put_signal(14);
    assert_string_equal(take_acting(&asked), "signal14 ");
}

static void dropping_what_was_passed_over_loses_no_signal(void **state)
{
    unsigned asked = 0;

    OPEN(state, .capacity = 2, .when_full = THS_DROP_OLDEST);
    (void)put_quote("A", 1);
    (void)put_signal(1);
    (void)put_quote("B", 2);
    assert_string_equal(take_acting(&asked), "");
    (void)put_signal(11);
    assert_string_equal(put_quote("C", 3), "A1 ");
    assert_string_equal(put_quote("D", 4), "B2 ");
    assert_string_equal(take_acting(&asked), "signal11 ");
    (void)put_signal(12);
    assert_string_equal(put_quote("E", 5), "C3 ");
    assert_string_equal(take_acting(&asked), "signal12 ");
    assert_string_equal(take_all(), "signal1 D4 E5 ");
}

int main(void)
{
#define fact(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        fact(refusing_one_keeps_what_it_has),
        fact(newest_tell_is_dropped_and_newest_request_refused),
        fact(oldest_is_dropped_and_signals_stay_where_they_are),
        fact(oldest_is_found_after_signals_were_taken),
        fact(what_waits_elsewhere_counts),
        fact(bytes_are_bounded_too),
        fact(one_that_is_larger_than_the_bound_is_refused_and_drops_nothing),
        fact(later_one_takes_the_place_of_its_key),
        fact(requests_and_types_without_the_key_replace_nothing),
        fact(equal_keys_of_two_types_are_two),
        fact(function_may_find_the_key),
        fact(replaced_ones_count_in_bytes_until_their_place_is_taken),
        fact(urgent_ones_come_first_and_both_keep_their_order),
        fact(what_acts_is_taken_past_what_waits),
        fact(dropping_what_was_passed_over_loses_no_signal),
        fact(oldest_urgent_one_is_dropped_when_there_is_no_other),
        fact(options_that_do_not_fit_together_are_invalid),
        fact(without_memory_nothing_is_put_in_and_nothing_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
