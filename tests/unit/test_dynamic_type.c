#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/dynamic_type.h"

/* Every kind, alone, listed and optional, in an order that needs padding. */
THS_MESSAGE(all, "test.dynamic.all", 3, boolean(a), u64(b), u8(c), u16(d), i8(e), u32(f), i16(g), f64(h), i32(i),
            i64(j), f32(k), string(l, .max = 7), boolean(m), bytes(n, .max = 9), ref(o), list(u8, p, .max = 5),
            list(string, q, .max = 6, .element_max = 8), opt(boolean, r), opt(u64, s), opt(u16, t),
            opt(string, u, .max = 3), opt(ref, v), opt(bytes, w), u8(x), blob(y, .max = 11))
THS_MESSAGE(empty, "test.dynamic.empty", 1)

static const char *names[THS_FIELDS_MAX];
static uint8_t kinds[THS_FIELDS_MAX], elements[THS_FIELDS_MAX];
static uint32_t maxes[THS_FIELDS_MAX], element_maxes[THS_FIELDS_MAX];

/* What a types actor says of @type. */
static struct ths_described describe(const struct ths_type *type)
{
    uint32_t count = type->fields_count;

    for (uint32_t i = 0; i < count; i++) {
        names[i] = type->fields[i].name;
        kinds[i] = (uint8_t)type->fields[i].kind;
        elements[i] = (uint8_t)type->fields[i].element;
        maxes[i] = type->fields[i].max;
        element_maxes[i] = type->fields[i].kind == THS_KIND_LIST ? type->fields[i].element_max : type->fields[i].max;
    }
    return (struct ths_described){ .name = type->name, .version = type->version,
                                   .fingerprint = thsi_type_fingerprint(type), .fields = { names, count },
                                   .kinds = { kinds, count }, .elements = { elements, count },
                                   .maxes = { maxes, count }, .element_maxes = { element_maxes, count } };
}

static void layout_is_that_of_the_compiler(void **state)
{
    struct ths_described described = describe(&all_type);
    const struct thsi_type_info *made, *compiled;

    (void)state;
    assert_int_equal(thsi_dynamic_type(&described, &made), THS_OK);
    assert_int_equal(made->size, sizeof(struct all));
    assert_int_equal(made->version, 3);
    for (uint32_t i = 0; i < all_type.fields_count; i++) {
        assert_int_equal(made->fields[i].offset, all_type.fields[i].offset);
        assert_int_equal(made->fields[i].side_offset, all_type.fields[i].side_offset);
    }
    assert_int_equal(made->fields[11].element_max, 7);
    assert_int_equal(made->fields[15].max, 5);
    assert_int_equal(made->fields[16].max, 6);
    assert_int_equal(made->fields[16].element_max, 8);
    assert_int_equal(made->fields[20].element_max, 3);
    assert_int_equal(made->fields[24].element_max, 11);
    assert_true(made->has_blobs);
    compiled = thsi_type_intern(&all_type);
    assert_ptr_equal(compiled, made); /* one declaration, wherever it came from */
}

static void type_that_is_known_is_not_made_again(void **state)
{
    struct ths_described described = describe(&empty_type);
    const struct thsi_type_info *made, *compiled = thsi_type_intern(&empty_type);

    (void)state;
    assert_int_equal(thsi_dynamic_type(&described, &made), THS_OK);
    assert_ptr_equal(made, compiled);
}

static void assert_refused(struct ths_described described)
{
    const struct thsi_type_info *made;

    assert_int_equal(thsi_dynamic_type(&described, &made), THS_MALFORMED);
    assert_null(made);
}

static void description_that_is_none_is_refused(void **state)
{
    struct ths_described described = describe(&all_type);

    (void)state;
    described.fingerprint++;
    assert_refused(described);
    described = describe(&all_type);
    described.name = "";
    assert_refused(described);
    described = describe(&all_type);
    described.kinds.count--;
    assert_refused(described);
    described = describe(&all_type);
    kinds[3] = 99;
    assert_refused(described);
    described = describe(&all_type);
    kinds[3] = THS_KIND_NONE;
    assert_refused(described);
    described = describe(&all_type);
    elements[15] = THS_KIND_LIST;
    assert_refused(described);
    described = describe(&all_type);
    names[2] = "a";
    assert_refused(described);
    described = describe(&all_type);
    names[2] = "";
    assert_refused(described);
}

static void fields_are_shown_with_their_kinds(void **state)
{
    struct ths_described described = describe(&all_type);
    const struct thsi_type_info *made;
    char text[512];

    (void)state;
    assert_int_equal(thsi_dynamic_type(&described, &made), THS_OK);
    assert_non_null(strstr(thsi_type_fields_text(made, text, sizeof text), "l string, m boolean"));
    assert_non_null(strstr(text, "p list(u8), q list(string), r opt(boolean)"));
    assert_string_equal(thsi_type_fields_text(thsi_type_intern(&empty_type), text, sizeof text), "none");
    (void)thsi_type_fields_text(made, text, 20);
    assert_int_equal(strlen(text), 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_that_of_the_compiler),
        cmocka_unit_test(type_that_is_known_is_not_made_again),
        cmocka_unit_test(description_that_is_none_is_refused),
        cmocka_unit_test(fields_are_shown_with_their_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
