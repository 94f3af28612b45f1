/* Keys: a changed keyring is taken up, and the links that are up go over to it, as handover.h says. */

#include "cluster/driver.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

/* ---- What is sent ------------------------------------------------------------------------- */

static_assert(THSI_FINGERPRINTS_MAX == THSI_KEYRING_MAX * THSI_KEY_ID_SIZE, "a record holds a keyring's fingerprints");
static_assert(sizeof(struct thsi_fingerprint) == THSI_KEY_ID_SIZE, "fingerprints lie one behind the other");

static bool send_record(struct thsi_driver *driver, struct thsi_driver_link *link, enum thsi_record_kind kind,
                        const struct thsi_fingerprint *of, unsigned count)
{
    const struct thsi_envelope record = { .kind = kind, .bytes = of[0].at, .bytes_len = count * THSI_KEY_ID_SIZE };
    uint8_t payload[THSI_FINGERPRINTS_MAX + 16];
    struct thsi_packer packer;

    thsi_packer_init(&packer, payload, sizeof payload);
    if (thsi_envelope_pack(&record, &packer) != THS_OK || packer.overflow)
        return false;
    return thsi_driver_send_small(driver, link, payload, packer.len);
}

static bool tell(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    if (!send_record(driver, link, THSI_RECORD_KEYS, driver->fingerprints.of, driver->fingerprints.count))
        return false;
    thsi_handover_told(&link->handover, &driver->fingerprints);
    return true;
}

/* Whatever is sealed from now on is sealed with the new key. */
static bool move(struct thsi_driver *driver, struct thsi_driver_link *link, const struct thsi_fingerprint *target)
{
    const struct thsi_cluster_key *key = thsi_keyring_find(&driver->keys, target->at);
    uint8_t psk[THSI_KEY_SIZE];

    if (!send_record(driver, link, THSI_RECORD_KEY, target, 1))
        return false;
    thsi_cluster_key_psk(key, psk);
    thsi_session_rekey_with(&link->core.session, psk, driver->now_ns);
    sodium_memzero(psk, sizeof psk);
    thsi_handover_moved(&link->handover, target);
    return true;
}

/* ---- Links -------------------------------------------------------------------------------- */

static void note_progress(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    bool moving = !thsi_handover_is_settled(&link->handover, &driver->fingerprints);
    uint64_t due_ns = thsi_handover_deadline_ns(&link->handover);

    if (moving != link->moving)
        (void)atomic_fetch_add_explicit(&driver->keys_moving, moving ? 1u : UINT32_MAX, memory_order_relaxed);
    link->moving = moving;
    if (due_ns < driver->keys_due_ns)
        driver->keys_due_ns = due_ns;
}

void thsi_driver_tend_keys(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    enum thsi_handover_step step = THSI_HANDOVER_NOTHING;
    struct thsi_fingerprint target;
    bool sent = true;

    while (sent && !link->stuck &&
           (step = thsi_handover_next(&link->handover, &driver->fingerprints, driver->now_ns, &target)) !=
               THSI_HANDOVER_NOTHING) {
        if (step == THSI_HANDOVER_EXPIRE) {
            thsi_driver_bad_link(driver, link, THS_BAD_KEY, 0);
            return;
        }
        sent = step == THSI_HANDOVER_TELL ? tell(driver, link) : move(driver, link, &target);
    }
    if (!sent) {
        thsi_driver_close(driver, link, THSI_END_LOST, true);
        return;
    }
    link->untended = link->stuck != NULL; /* flushing goes on with it */
    note_progress(driver, link);
}

void thsi_driver_begin_keys(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    thsi_handover_begin(&link->handover, link->core.handshake.fingerprint);
    link->has_handover = true;
    (void)atomic_fetch_add_explicit(&driver->links_up, 1, memory_order_relaxed);
    thsi_driver_tend_keys(driver, link);
}

void thsi_driver_check_keys(struct thsi_driver *driver)
{
    driver->keys_due_ns = UINT64_MAX;
    /* Backwards: a link that is closed is replaced by the last one, which had its turn. */
    for (size_t i = driver->links_count; i-- > 0;)
        if (driver->links[i]->stage == THSI_STAGE_UP)
            thsi_driver_tend_keys(driver, driver->links[i]);
}

void thsi_driver_take_keys(struct thsi_driver *driver)
{
    char primary[THSI_FINGERPRINT_TEXT_SIZE];
    uint32_t number;

    (void)pthread_mutex_lock(&driver->mutex);
    number = driver->keys_given;
    if (driver->keys_next.count > 0) {
        driver->keys = driver->keys_next;
        driver->fingerprints = thsi_handover_fingerprints(&driver->keys);
    }
    thsi_keyring_wipe(&driver->keys_next);
    (void)pthread_mutex_unlock(&driver->mutex);
    thsi_note(driver->runtime, THS_LOG_INFO, "keys", "took up the keyring: the primary key is %s, of %u in all",
              thsi_fingerprint_print(&driver->fingerprints.of[0], primary), driver->fingerprints.count);
    thsi_driver_check_keys(driver);
    /* Release: who sees the number sees how many links are moving. */
    atomic_store_explicit(&driver->keys_taken, number, memory_order_release);
    driver->runtime->exec->wake(driver->runtime->exec, &driver->keys_taken);
}

/* ---- What comes --------------------------------------------------------------------------- */

/* The link may be closed only when its frame is done with, so it is tended later. */
enum ths_err thsi_driver_keys_record(void *arg, struct thsi_peer *peer, const struct thsi_envelope *record)
{
    struct thsi_driver *driver = arg;
    struct thsi_driver_link *link = peer->link;
    const struct thsi_cluster_key *key;
    uint8_t psk[THSI_KEY_SIZE];

    link->untended = true;
    if (!record->bytes)
        return THS_MALFORMED;
    if (record->kind == THSI_RECORD_KEYS)
        return thsi_handover_heard(&link->handover, record->bytes, record->bytes_len);
    if (record->bytes_len != THSI_KEY_ID_SIZE || link->core.session.awaits)
        return THS_MALFORMED;
    key = thsi_keyring_find(&driver->keys, record->bytes);
    if (!key)
        return THS_BAD_KEY; /* removed here after the other side was told of it */
    thsi_cluster_key_psk(key, psk);
    thsi_session_await(&link->core.session, psk);
    sodium_memzero(psk, sizeof psk);
    thsi_handover_followed(&link->handover, record->bytes);
    return THS_OK;
}
