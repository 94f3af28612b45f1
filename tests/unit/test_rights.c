#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/rights.h"

#include <string.h>

static void every_set_of_rights_is_read_as_it_is_printed(void **state)
{
    char text[THSI_RIGHTS_TEXT_SIZE];
    uint32_t again;

    (void)state;
    for (uint32_t rights = 0; rights <= THSI_RIGHTS_ALL; rights++) {
        thsi_rights_print(rights, text);
        assert_true(thsi_rights_parse(text, strlen(text), &again));
        assert_int_equal(again, rights);
    }
}

static void other_words_are_refused(void **state)
{
    static const char *const rows[] = { "", ",", "send,", ",send", "send,,ask", "send,send", "Send", "send ask",
                                        "all,send", "none,send", "sen", "sendx", "send, ask" };
    uint32_t rights;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_false(thsi_rights_parse(rows[i], strlen(rows[i]), &rights));
    assert_true(thsi_rights_parse("ask,send", 8, &rights)); /* in any order */
    assert_int_equal(rights, THSI_RIGHT_SEND | THSI_RIGHT_ASK);
}

/* The table, row by row: what a node without the right is refused, and what needs none. */
static void every_record_needs_the_right_of_its_verb(void **state)
{
    static const struct {
        enum thsi_record_kind kind;
        uint64_t id;
        uint32_t rights;
    } rows[] = {
        { THSI_RECORD_TELL, 0, THSI_RIGHT_SEND },
        { THSI_RECORD_AGAIN, 0, THSI_RIGHT_SEND },
        { THSI_RECORD_GROUP_TELL, 0, THSI_RIGHT_SEND },
        { THSI_RECORD_ASK, 1, THSI_RIGHT_ASK },
        { THSI_RECORD_SPAWN, 1, THSI_RIGHT_SPAWN },
        { THSI_RECORD_LINK, 0, THSI_RIGHT_MONITOR },
        { THSI_RECORD_MONITOR, 1, THSI_RIGHT_MONITOR },
        { THSI_RECORD_KILL, 0, THSI_RIGHT_KILL },
        { THSI_RECORD_STOP, 0, THSI_RIGHT_KILL },
        { THSI_RECORD_DRAIN, 0, THSI_RIGHT_KILL },
        { THSI_RECORD_EXIT, 1, THSI_RIGHT_KILL }, /* an order */
        { THSI_RECORD_EXIT, 0, 0 },               /* news of a linked actor */
        { THSI_RECORD_LOOKUP, 1, THSI_RIGHT_SEND | THSI_RIGHT_ASK | THSI_RIGHT_MONITOR | THSI_RIGHT_KILL },
        { THSI_RECORD_REPLY, 1, 0 },
        { THSI_RECORD_UNLINK, 0, 0 },
        { THSI_RECORD_DEMONITOR, 1, 0 },
        { THSI_RECORD_DOWN, 1, 0 },
        { THSI_RECORD_HALTED, 0, 0 },
        { THSI_RECORD_RESTART, 1, 0 },
        { THSI_RECORD_HALT, 0, 0 },
        { THSI_RECORD_FINISH, 0, 0 },
        { THSI_RECORD_REFUSED, 1, 0 },
        { THSI_RECORD_CANCEL, 1, 0 },
        { THSI_RECORD_MOVED, 1, 0 },
        { THSI_RECORD_TYPE, 0, 0 },
        { THSI_RECORD_TYPE_REFUSED, 0, 0 },
        { THSI_RECORD_GOSSIP, 0, 0 },
        { THSI_RECORD_BYE, 0, 0 },
        { THSI_RECORD_KEYS, 0, 0 },
        { THSI_RECORD_KEY, 0, 0 },
        { THSI_RECORD_FRAGMENT, 0, 0 },
        { THSI_RECORD_CREDIT, 1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct thsi_envelope envelope = { .kind = rows[i].kind, .id = rows[i].id };

        assert_int_equal(thsi_rights_for(&envelope), rows[i].rights);
    }
    assert_string_equal(thsi_right_word(THSI_RIGHT_KILL), "kill");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_rights_is_read_as_it_is_printed),
        cmocka_unit_test(other_words_are_refused),
        cmocka_unit_test(every_record_needs_the_right_of_its_verb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
