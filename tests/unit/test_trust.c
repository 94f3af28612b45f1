#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/trust.h"
#include "tests/lib/test_env.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN UINT64_C(1000000000000)
#define END UINT64_C(2000000000000)
#define NOW UINT64_C(1500000000000)

static struct test_env env;
static struct thsi_trust trust;
static struct thsi_identity_key authority, node, other;
static char authority_hex[65], node_hex[65], certificate[THSI_CERTIFICATE_MAX + 1], reason[THSI_TRUST_REASON_SIZE];
static size_t certificate_len;
static struct thsi_certificate wanted;

static int set_up(void **state)
{
    static const uint8_t secrets[3][THSI_KEY_SIZE] = { { 1 }, { 2 }, { 3 } };

    (void)state;
    test_env_init(&env, 5);
    thsi_trust_init(&trust, &env.env);
    thsi_identity_key_of(&authority, secrets[0]);
    thsi_identity_key_of(&node, secrets[1]);
    thsi_identity_key_of(&other, secrets[2]);
    (void)sodium_bin2hex(authority_hex, sizeof authority_hex, authority.public_key, THSI_KEY_SIZE);
    (void)sodium_bin2hex(node_hex, sizeof node_hex, node.public_key, THSI_KEY_SIZE);
    wanted = (struct thsi_certificate){ .serial = 17, .names = "a", .roles = "web", .not_before_ms = BEGIN,
                                        .not_after_ms = END, .rights = THSI_RIGHT_SEND | THSI_RIGHT_ASK };
    memcpy(wanted.node, node.public_key, THSI_KEY_SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    thsi_trust_fini(&trust);
    thsi_trust_fini(&trust);
    test_env_assert_clean(&env);
    return 0;
}

static enum ths_err allow(const char *text)
{
    return thsi_trust_read_allowed(&trust, text, strlen(text), reason);
}

static enum ths_err revoke(const char *text)
{
    return thsi_trust_read_revoked(&trust, text, strlen(text), reason);
}

static const char *with(const char *format, const char *hex)
{
    static char text[2048];

    (void)snprintf(text, sizeof text, format, hex);
    return text;
}

static void sign_by(const struct thsi_identity_key *signer)
{
    assert_int_equal(thsi_certificate_sign(&wanted, signer, certificate, &certificate_len), THS_OK);
}

static struct thsi_verdict judge(const char *name, const char *roles, bool shows, uint64_t wall_ms)
{
    const struct thsi_applicant applicant = { .public_key = node.public_key, .name = name, .roles = roles,
                                              .certificate = shows ? certificate : NULL,
                                              .certificate_len = shows ? certificate_len : 0 };
    struct thsi_verdict verdict;

    thsi_trust_judge(&trust, &applicant, wall_ms, &verdict);
    assert_int_equal(verdict.admitted, verdict.why[0] == '\0');
    return verdict;
}

static void assert_refused(const struct thsi_verdict verdict, const char *why)
{
    assert_false(verdict.admitted);
    if (!strstr(verdict.why, why))
        fail_msg("refused as \"%s\", not as \"%s\"", verdict.why, why);
}

/* ---- The allow list ----------------------------------------------------------------------- */

static void nobody_is_admitted_by_an_empty_list(void **state)
{
    (void)state;
    assert_int_equal(allow("thiasos-allow 1\n"), THS_OK);
    assert_refused(judge("a", "", false, NOW), "not on the allow list, and it shows no certificate");
}

static void listed_key_is_admitted_with_all_that_the_line_leaves_out(void **state)
{
    struct thsi_verdict verdict;

    (void)state;
    assert_int_equal(allow(with("thiasos-allow 1\n\n # people\n\tnode  %s # a\n", node_hex)), THS_OK);
    verdict = judge("whatever", "web,db", false, NOW);
    assert_true(verdict.admitted);
    assert_int_equal(verdict.rights, THSI_RIGHTS_ALL);
    assert_true(verdict.until_ms == UINT64_MAX);
}

static void line_limits_name_roles_and_rights(void **state)
{
    struct thsi_verdict verdict;

    (void)state;
    assert_int_equal(allow(with("thiasos-allow 1\nnode %s rights=ask,send name=a roles=web", node_hex)), THS_OK);
    verdict = judge("a", "web", false, NOW);
    assert_true(verdict.admitted);
    assert_int_equal(verdict.rights, THSI_RIGHT_SEND | THSI_RIGHT_ASK);
    assert_refused(judge("b", "web", false, NOW), "another name");
    assert_refused(judge("a", "web,db", false, NOW), "a role that the allow list does not give");
}

static void bad_lines_are_refused_with_their_number(void **state)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        { "", "line 0" },
        { "thiasos-allow 2\n", "line 1" },
        { "thiasos-revoked 1\n", "line 1" },
        { "thiasos-allow 1 \nnode", "line 1" },
        { "thiasos-allow 1\nnode\n", "line 2: the key" },
        { "thiasos-allow 1\n\nnode 1234\n", "line 3: the key" },
        { "thiasos-allow 1\nnode 0000000000000000000000000000000000000000000000000000000000000000", "line 2: the key" },
        { "thiasos-allow 1\npeer %s\n", "line 2: it begins with" },
        { "thiasos-allow 1\nnode %s name\n", "'name' is not understood" },
        { "thiasos-allow 1\nnode %s name=\n", "'name=' is not understood" },
        { "thiasos-allow 1\nnode %s name=a,b\n", "'name=a,b'" },
        { "thiasos-allow 1\nnode %s name=a name=a\n", "'name=a'" },
        { "thiasos-allow 1\nnode %s rights=root\n", "'rights=root'" },
        { "thiasos-allow 1\nnode %s roles=a;b\n", "'roles=a;b'" },
        { "thiasos-allow 1\nnode %s =x\n", "'=x'" },
        { "thiasos-allow 1\nauthority %s name=a\n", "'name=a'" },
        { "thiasos-allow 1\nnode %s \x01\n", "line 2: it holds a byte" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        thsi_trust_fini(&trust);
        assert_int_equal(allow(with(rows[i].text, node_hex)), THS_MALFORMED);
        if (!strstr(reason, rows[i].reason))
            fail_msg("\"%s\" lacks \"%s\"", reason, rows[i].reason);
    }
}

static void lists_are_bounded(void **state)
{
    size_t line = strlen("node ") + 65, size = 32 + (THSI_TRUST_NODES_MAX + 1) * line;
    char *text = malloc(size), *at = text + sprintf(text, "thiasos-allow 1\n");
    char longer[700];

    (void)state;
    for (unsigned i = 0; i < THSI_TRUST_NODES_MAX; i++)
        at += sprintf(at, "node %s\n", node_hex);
    assert_int_equal(allow(text), THS_OK);
    assert_int_equal(trust.nodes_count, THSI_TRUST_NODES_MAX);
    thsi_trust_fini(&trust);
    (void)sprintf(at, "node %s\n", node_hex);
    assert_int_equal(allow(text), THS_TOO_BIG);
    free(text);
    thsi_trust_fini(&trust);
    at = longer + sprintf(longer, "thiasos-allow 1\n");
    for (unsigned i = 0; i <= THSI_TRUST_AUTHORITIES_MAX && (size_t)(at - longer) + 80 < sizeof longer; i++)
        at += sprintf(at, "#%s", node_hex);
    assert_int_equal(allow(longer), THS_TOO_BIG); /* one line of more than 512 bytes */
    assert_non_null(strstr(reason, "longer than 512 bytes"));
}

static void lack_of_memory_is_told(void **state)
{
    (void)state;
    TEST_ENV_EACH_FAILURE(&env, allow(with("thiasos-allow 1\nnode %s\n", node_hex)) == THS_OK)
    {
        assert_non_null(strstr(reason, "memory is out"));
        thsi_trust_fini(&trust);
    }
    assert_int_equal(trust.nodes_count, 1);
}

/* ---- Certificates ------------------------------------------------------------------------- */

static void certificate_of_a_listed_authority_admits_within_its_bounds(void **state)
{
    struct thsi_verdict verdict;

    (void)state;
    sign_by(&authority);
    assert_int_equal(allow(with("thiasos-allow 1\nauthority %s\n", authority_hex)), THS_OK);
    verdict = judge("a", "web", true, NOW);
    assert_true(verdict.admitted);
    assert_int_equal(verdict.rights, THSI_RIGHT_SEND | THSI_RIGHT_ASK);
    assert_true(verdict.until_ms == END);
    assert_true(judge("a", "", true, BEGIN).admitted);
    assert_true(judge("a", "", true, END - 1).admitted);
    assert_refused(judge("a", "", true, END), "has expired");
    assert_refused(judge("a", "", true, BEGIN - 1), "not valid yet");
    assert_refused(judge("b", "", true, NOW), "another name");
    assert_refused(judge("a", "web,db", true, NOW), "a role that its certificate does not give");
    assert_refused(judge("a", "", false, NOW), "shows no certificate");
}

static void certificate_gives_no_more_than_its_authority_may(void **state)
{
    (void)state;
    wanted.rights = THSI_RIGHTS_ALL;
    sign_by(&authority);
    assert_int_equal(allow(with("thiasos-allow 1\nauthority %s rights=send,monitor\n", authority_hex)), THS_OK);
    assert_int_equal(judge("a", "", true, NOW).rights, THSI_RIGHT_SEND | THSI_RIGHT_MONITOR);
}

static void certificate_that_proves_nothing_is_refused(void **state)
{
    (void)state;
    assert_int_equal(allow(with("thiasos-allow 1\nauthority %s\n", authority_hex)), THS_OK);
    sign_by(&other);
    assert_refused(judge("a", "", true, NOW), "of an authority that is not on the allow list");
    memcpy(wanted.node, other.public_key, THSI_KEY_SIZE);
    sign_by(&authority);
    assert_refused(judge("a", "", true, NOW), "of another node key");
    certificate[30] ^= 1;
    assert_refused(judge("a", "", true, NOW), "");
    certificate[30] ^= 1;
    certificate[certificate_len - 2] = certificate[certificate_len - 2] == '0' ? '1' : '0';
    assert_refused(judge("a", "", true, NOW), "signature of its certificate is wrong");
    certificate_len--;
    assert_refused(judge("a", "", true, NOW), "does not follow its format");
}

static void entry_of_the_list_decides_before_the_certificate(void **state)
{
    char text[512];

    (void)state;
    sign_by(&authority);
    (void)snprintf(text, sizeof text, "thiasos-allow 1\nauthority %s\nnode %s name=b rights=none\n", authority_hex,
                   node_hex);
    assert_int_equal(allow(text), THS_OK);
    assert_int_equal(judge("b", "", true, NOW).rights, 0);
    assert_refused(judge("a", "", true, NOW), "another name on the allow list");
}

/* ---- The revocation list ------------------------------------------------------------------ */

static void revoked_serial_key_and_authority_are_refused(void **state)
{
    (void)state;
    sign_by(&authority);
    assert_int_equal(allow(with("thiasos-allow 1\nauthority %s\n", authority_hex)), THS_OK);
    assert_int_equal(revoke("thiasos-revoked 1\nserial 16\nserial 18\n"), THS_OK);
    assert_true(judge("a", "", true, NOW).admitted);
    assert_int_equal(revoke("thiasos-revoked 1\nserial 17 # stolen\n"), THS_OK);
    assert_refused(judge("a", "", true, NOW), "certificate is revoked");
    thsi_trust_fini(&trust);
    assert_int_equal(allow(with("thiasos-allow 1\nauthority %s\n", authority_hex)), THS_OK);
    assert_int_equal(revoke(with("thiasos-revoked 1\nkey %s\n", authority_hex)), THS_OK);
    assert_refused(judge("a", "", true, NOW), "authority is revoked");
}

static void revoked_key_is_refused_in_both_its_forms_though_it_is_listed(void **state)
{
    (void)state;
    assert_int_equal(allow(with("thiasos-allow 1\nnode %s\n", node_hex)), THS_OK);
    assert_int_equal(revoke(with("thiasos-revoked 1\nkey %s\n", node_hex)), THS_OK);
    assert_refused(judge("a", "", false, NOW), "node key is revoked");
    node.public_key[31] ^= 0x80; /* the same point with the other sign, which the same secret proves */
    assert_refused(judge("a", "", false, NOW), "node key is revoked");
}

static void bad_revocations_are_refused(void **state)
{
    static const char *const rows[] = { "thiasos-revoked 2\n", "thiasos-revoked 1\nserial\n", "thiasos-revoked 1\nserial x\n",
                                        "thiasos-revoked 1\nserial 1 2\n", "thiasos-revoked 1\nkey 12\n",
                                        "thiasos-revoked 1\nname a\n" };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(revoke(rows[i]), THS_MALFORMED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_admitted_by_an_empty_list),
        TEST(listed_key_is_admitted_with_all_that_the_line_leaves_out),
        TEST(line_limits_name_roles_and_rights),
        TEST(bad_lines_are_refused_with_their_number),
        TEST(lists_are_bounded),
        TEST(lack_of_memory_is_told),
        TEST(certificate_of_a_listed_authority_admits_within_its_bounds),
        TEST(certificate_gives_no_more_than_its_authority_may),
        TEST(certificate_that_proves_nothing_is_refused),
        TEST(entry_of_the_list_decides_before_the_certificate),
        TEST(revoked_serial_key_and_authority_are_refused),
        TEST(revoked_key_is_refused_in_both_its_forms_though_it_is_listed),
        TEST(bad_revocations_are_refused),
    };

    return sodium_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
