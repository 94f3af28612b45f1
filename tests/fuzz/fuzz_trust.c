/* Whatever a certificate or a list says, it is refused, or it is one that can be judged by. The first byte chooses: a
 * certificate, an allow list, a revocation list, an allow list with a certificate behind a zero byte to be judged. */

#include "codec/trust.h"

#include <stdlib.h>
#include <string.h>

enum scene { CERTIFICATE, ALLOWED, REVOKED, JUDGED, SCENES };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What was understood is written as it was read, but for the signature. */
static void try_certificate(const char *text, size_t len)
{
    const uint8_t secret[THSI_KEY_SIZE] = { 1 };
    struct thsi_certificate certificate, again;
    struct thsi_identity_key signer;
    char written[THSI_CERTIFICATE_MAX];
    size_t written_len;

    if (thsi_certificate_parse(&certificate, text, len) != THS_OK)
        return;
    must(len <= THSI_CERTIFICATE_MAX && certificate.signed_len < len);
    must(certificate.not_before_ms < certificate.not_after_ms && certificate.rights <= THSI_RIGHTS_ALL);
    thsi_identity_key_of(&signer, secret);
    must(thsi_certificate_sign(&certificate, &signer, written, &written_len) == THS_OK);
    must(thsi_certificate_parse(&again, written, written_len) == THS_OK);
    must(again.serial == certificate.serial && again.rights == certificate.rights &&
         again.not_after_ms == certificate.not_after_ms && strcmp(again.names, certificate.names) == 0 &&
         strcmp(again.roles, certificate.roles) == 0);
    must(thsi_certificate_is_signed(&again, written));
}

static void try_list(const char *text, size_t len, bool allowed)
{
    char reason[THSI_TRUST_REASON_SIZE] = "";
    struct thsi_trust trust;
    enum ths_err err;

    thsi_trust_init(&trust, ths_env_os());
    err = allowed ? thsi_trust_read_allowed(&trust, text, len, reason) : thsi_trust_read_revoked(&trust, text, len, reason);
    must(err == THS_OK || (err == THS_MALFORMED || err == THS_TOO_BIG));
    must((err == THS_OK) == (reason[0] == '\0'));
    must(trust.nodes_count <= THSI_TRUST_NODES_MAX && trust.authorities_count <= THSI_TRUST_AUTHORITIES_MAX);
    thsi_trust_fini(&trust);
}

static void try_judge(const char *text, size_t len)
{
    const char *zero = memchr(text, '\0', len);
    size_t list_len = zero ? (size_t)(zero - text) : len;
    const uint8_t secret[THSI_KEY_SIZE] = { 1 };
    struct thsi_identity_key node;
    struct thsi_applicant applicant = { .name = "a", .roles = "web" };
    struct thsi_verdict verdict;
    char reason[THSI_TRUST_REASON_SIZE];
    struct thsi_trust trust;

    thsi_identity_key_of(&node, secret);
    applicant.public_key = node.public_key;
    applicant.certificate = zero ? zero + 1 : NULL;
    applicant.certificate_len = zero ? len - list_len - 1 : 0;
    thsi_trust_init(&trust, ths_env_os());
    if (thsi_trust_read_allowed(&trust, text, list_len, reason) == THS_OK) {
        thsi_trust_judge(&trust, &applicant, UINT64_C(1767225600000), &verdict);
        must(verdict.admitted == (verdict.why[0] == '\0'));
        must(verdict.admitted || verdict.rights == 0);
    }
    thsi_trust_fini(&trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data + 1;
    enum scene scene;

    if (len == 0)
        return 0;
    scene = (enum scene)(data[0] % SCENES);
    len--;
    if (scene == CERTIFICATE)
        try_certificate(text, len);
    else if (scene == JUDGED)
        try_judge(text, len);
    else
        try_list(text, len, scene == ALLOWED);
    return 0;
}
