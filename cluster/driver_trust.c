/* Trust: whose node key is admitted, with which rights, and for how long. The decision is thsi_trust_judge's; here it is
 * asked when a link is verified, when lists change, and when a certificate runs out. */

#include "cluster/driver.h"

#include <string.h>

/* The wall clock may be set while a certificate runs, so it is looked at again at least so often. */
#define LOOK_NS UINT64_C(1000000000)

/* Look again when a certificate that ends at @until_ms will have ended. */
static void plan(struct thsi_driver *driver, uint64_t until_ms)
{
    struct ths_env *env = driver->runtime->env;
    uint64_t wall_ms = env->wall_ms(env), wait_ns = LOOK_NS;

    if (until_ms == UINT64_MAX)
        return;
    if (until_ms <= wall_ms)
        wait_ns = 0;
    else if (until_ms - wall_ms < LOOK_NS / 1000000)
        wait_ns = (until_ms - wall_ms) * 1000000;
    if (driver->now_ns + wait_ns < driver->trust_due_ns)
        driver->trust_due_ns = driver->now_ns + wait_ns;
}

void thsi_driver_judge(struct thsi_driver *driver, const struct thsi_driver_link *link, struct thsi_verdict *verdict)
{
    struct ths_env *env = driver->runtime->env;
    const struct thsi_handshake *handshake = &link->core.handshake;
    const struct thsi_applicant applicant = {
        .public_key = handshake->proof.public_key,
        .name = handshake->peer.name,
        .roles = handshake->peer.roles,
        .certificate = handshake->proof.certificate_len > 0 ? handshake->proof.certificate : NULL,
        .certificate_len = handshake->proof.certificate_len,
    };

    *verdict = (struct thsi_verdict){ .admitted = true, .rights = THSI_RIGHTS_ALL, .until_ms = UINT64_MAX, .why = "" };
    if (!driver->has_node_key)
        return;
    thsi_trust_judge(&driver->trust, &applicant, env->wall_ms(env), verdict);
    if (verdict->admitted)
        plan(driver, verdict->until_ms);
}

/* Tell the node at the other end that it is not admitted any more, and why, and close the link. */
static void expel(struct thsi_driver *driver, struct thsi_driver_link *link, const char *why)
{
    const struct thsi_envelope bye = { .kind = THSI_RECORD_BYE, .err = THS_NOT_ALLOWED, .text = why };
    uint8_t payload[256];
    struct thsi_packer packer;

    thsi_note(driver->runtime, THS_LOG_WARN, "link", "closed the link with %s: %s", link->peer->name, why);
    (void)atomic_fetch_add_explicit(&driver->closed_for[THS_NOT_ALLOWED], 1, memory_order_relaxed);
    thsi_packer_init(&packer, payload, sizeof payload);
    if (thsi_envelope_pack(&bye, &packer) == THS_OK && !link->stuck)
        (void)thsi_driver_send_small(driver, link, payload, packer.len);
    thsi_driver_close(driver, link, THSI_END_LOCAL, true);
}

void thsi_driver_check_trust(struct thsi_driver *driver)
{
    struct thsi_verdict verdict;

    driver->trust_due_ns = UINT64_MAX;
    for (size_t i = driver->links_count; i-- > 0;) {
        struct thsi_driver_link *link = driver->links[i];
        if (link->stage != THSI_STAGE_UP)
            continue; /* asked when it comes up */
        thsi_driver_judge(driver, link, &verdict);
        link->peer->rights = verdict.rights;
        if (!verdict.admitted)
            expel(driver, link, verdict.why); /* the last link moves to this place: seen already */
    }
}

void thsi_driver_take_trust(struct thsi_driver *driver)
{
    (void)pthread_mutex_lock(&driver->mutex);
    thsi_trust_fini(&driver->trust);
    driver->trust = driver->trust_next;
    thsi_trust_init(&driver->trust_next, driver->runtime->env);
    driver->credential.proof = driver->proof_next;
    (void)pthread_mutex_unlock(&driver->mutex);
    thsi_driver_check_trust(driver);
}

void thsi_driver_change_trust(struct thsi_driver *driver, struct thsi_trust *trust, const char *certificate, size_t len)
{
    (void)pthread_mutex_lock(&driver->mutex);
    thsi_trust_fini(&driver->trust_next);
    driver->trust_next = *trust;
    thsi_trust_init(trust, driver->runtime->env);
    memcpy(driver->proof_next.public_key, driver->credential.key.public_key, THSI_KEY_SIZE);
    driver->proof_next.certificate_len = (uint16_t)len;
    if (len > 0)
        memcpy(driver->proof_next.certificate, certificate, len);
    (void)pthread_mutex_unlock(&driver->mutex);
    thsi_driver_order(driver, THSI_ORDER_TRUST);
}
