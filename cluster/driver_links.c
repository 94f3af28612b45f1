/* Links: the table of them, how they begin, how they end. */

#include "cluster/driver.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

/* ---- The table -------------------------------------------------------------------------- */

struct thsi_driver_link *thsi_driver_find(struct thsi_driver *driver, thsi_link id)
{
    struct thsi_driver_link *link = driver->buckets[id % THSI_LINK_BUCKETS];

    while (link && link->id != id)
        link = link->next_in_bucket;
    return link;
}

static bool reserve_links(struct thsi_driver *driver)
{
    struct ths_env *env = driver->runtime->env;
    size_t cap = driver->links_cap ? driver->links_cap * 2 : 16;
    struct thsi_driver_link **links;

    if (driver->links_count < driver->links_cap)
        return true;
    links = env->memory(env, driver->links, cap * sizeof(struct thsi_driver_link *));
    if (!links)
        return false;
    driver->links = links;
    driver->links_cap = cap;
    return true;
}

static struct thsi_driver_link *add(struct thsi_driver *driver, thsi_link id, bool dialed, const char *address)
{
    struct ths_env *env = driver->runtime->env;
    struct thsi_driver_link *link = reserve_links(driver) ? env->memory(env, NULL, sizeof *link) : NULL;

    if (!link)
        return NULL;
    memset(link, 0, sizeof *link);
    link->id = id;
    link->dialed = dialed;
    link->begun_ns = driver->now_ns;
    link->place = driver->links_count;
    (void)snprintf(link->address, sizeof link->address, "%s", address);
    driver->links[driver->links_count++] = link;
    link->next_in_bucket = driver->buckets[id % THSI_LINK_BUCKETS];
    driver->buckets[id % THSI_LINK_BUCKETS] = link;
    if (driver->now_ns + THSI_SHAKE_NS < driver->shake_due_ns)
        driver->shake_due_ns = driver->now_ns + THSI_SHAKE_NS;
    return link;
}

static bool is_unverified_stranger(const struct thsi_driver_link *link)
{
    return !link->dialed && link->stage == THSI_STAGE_HELLO;
}

/* Take the link out of all tables and free it. */
static void release(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct ths_env *env = driver->runtime->env;
    struct thsi_driver_link **at = &driver->buckets[link->id % THSI_LINK_BUCKETS];

    while (*at != link)
        at = &(*at)->next_in_bucket;
    *at = link->next_in_bucket;
    driver->links_count--;
    driver->links[link->place] = driver->links[driver->links_count];
    driver->links[link->place]->place = link->place;
    driver->unverified -= is_unverified_stranger(link);
    driver->seed_dials -= link->dialed && !link->asked_for && link->stage != THSI_STAGE_UP;
    driver->waiting -= link->waiting;
    (void)atomic_fetch_sub_explicit(&driver->links_up, link->has_handover, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&driver->keys_moving, link->moving, memory_order_relaxed);
    thsi_frames_put(driver->frames, link->stuck);
    if (link->stage != THSI_STAGE_DIALING)
        thsi_link_fini(&link->core);
    (void)env->memory(env, link, 0);
}

/* ---- Ends ------------------------------------------------------------------------------- */

/* Its session is over: what was on its way is lost, the rest waits for the next link. */
static void session_down(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct thsi_outbox_loss loss;

    if (!thsi_remote_link_down(driver->remote, link->peer, &loss))
        thsi_note(driver->runtime, THS_LOG_ERROR, "link",
                  "out of memory: links and monitors on their way to %s are lost; restart one of the two nodes",
                  link->peer->name);
    if (link->holds)
        (void)thsi_remote_clean(link->peer);
    thsi_driver_note_loss(driver, link->uid, link->peer->name, &loss);
    link->peer->link = NULL;
}

void thsi_driver_end(struct thsi_driver *driver, struct thsi_driver_link *link, bool by_us)
{
    bool drain = link->drain || link->stage == THSI_STAGE_UP;
    bool owes = link->stage == THSI_STAGE_UP && link->core.ack_due_ns != UINT64_MAX && !link->stuck;

    if (by_us && owes)
        (void)thsi_driver_send_small(driver, link, NULL, 0); /* so that the other side counts no losses */
    if (link->stage == THSI_STAGE_UP)
        session_down(driver, link);
    if (by_us)
        driver->transport->close(driver->transport, link->id, drain);
    release(driver, link);
}

/* A seed where nobody answers is no error, but who waits for the first link wants to know. */
static void note_seed(struct thsi_driver *driver, const struct thsi_driver_link *link)
{
    if (!link->dialed || link->stage != THSI_STAGE_DIALING || link->asked_for ||
        driver->now_ns < driver->seeds_note_ns || !thsi_driver_is_alone(driver))
        return;
    driver->seeds_note_ns = driver->now_ns + THSI_SEEDS_NOTE_NS;
    thsi_note(driver->runtime, THS_LOG_INFO, "seeds", "no node answers at %s yet; trying again", link->address);
}

void thsi_driver_close(struct thsi_driver *driver, struct thsi_driver_link *link, enum thsi_link_end how, bool by_us)
{
    struct thsi_membership_event event = { .uid = link->uid, .end = how };

    if (!by_us)
        note_seed(driver, link);
    if (link->stage == THSI_STAGE_UP)
        event.type = THSI_MEMBERSHIP_LINK_DOWN;
    else
        event.type = THSI_MEMBERSHIP_DIAL_FAILED;
    if (link->stage == THSI_STAGE_UP || link->asked_for)
        thsi_driver_later(driver, &event);
    thsi_driver_end(driver, link, by_us);
}

void thsi_driver_close_all(struct thsi_driver *driver)
{
    while (driver->links_count > 0)
        thsi_driver_end(driver, driver->links[driver->links_count - 1], true);
}

/* A sentence for the log on what came over a link. Never a byte of it. */
static const char *reason_text(const struct thsi_driver *driver, const struct thsi_driver_link *link, enum ths_err err)
{
    bool stranger = link->stage == THSI_STAGE_HELLO;

    switch (err) {
    case THS_MALFORMED:
    case THS_TOO_BIG:
        return stranger ? "what it sent is not the protocol of thiasos" : "a frame does not follow its format";
    case THS_BAD_KEY:
        return stranger ? "it holds another cluster key; give all nodes the same key file"
                        : "no cluster key is left that both nodes hold; install one on both";
    case THS_BAD_VERSION:
        return "it speaks no protocol version of this node; update the older one";
    case THS_NO_NODE_KEY:
        return driver->has_node_key
                   ? "it has no node key, which all nodes of this cluster need; give it one with --node-key"
                   : "it has a node key, and this node has none; give this one a node key with --node-key, or that one none";
    case THS_REFUSED:
        return "it belongs to a cluster of another name";
    case THS_FORGED:
        return stranger ? "its handshake is forged, or of another key" : "a frame failed its authentication";
    case THS_REPLAYED:
        return "a frame came a second time";
    case THS_GAP:
        return "frames are missing";
    case THS_TIMEOUT:
        return "its handshake was not done within 5 seconds";
    default:
        return ths_err_text(err);
    }
}

/* What the dialed side said in clear: a hint for people, and nothing else. */
void thsi_driver_note_refusal(struct thsi_driver *driver, const struct thsi_driver_link *link, enum ths_err code,
                              const char *text)
{
    if (code == THS_CLOSED || driver->now_ns < driver->refusal_note_ns)
        return; /* CLOSED: it shuts down, or its own dial is on its way */
    driver->refusal_note_ns = driver->now_ns + THSI_REFUSAL_NOTE_NS;
    if (code == THS_NAME_TAKEN)
        thsi_note(driver->runtime, THS_LOG_ERROR, "link",
                  "the node at %s refuses this one: the name %s is in use by another node; give this one another name "
                  "(--name, THIASOS_NAME) or stop the other; trying again",
                  link->address, driver->self.name);
    else if (code == THS_BAD_KEY)
        thsi_note(driver->runtime, THS_LOG_ERROR, "link",
                  "the node at %s refuses this one: it holds another cluster key; give both the same key file",
                  link->address);
    else if (code == THS_NO_NODE_KEY)
        thsi_note(driver->runtime, THS_LOG_ERROR, "link",
                  "the node at %s refuses this one: %s; give all nodes of a cluster node keys (--node-key), or none",
                  link->address,
                  driver->has_node_key ? "it has no node key, and this one has" : "it has a node key, and this one has none");
    else
        thsi_note(driver->runtime, THS_LOG_WARN, "link", "the node at %s refuses this one: %s%s%s", link->address,
                  ths_err_text(code), *text ? ": " : "", text);
}

void thsi_driver_bad_link(struct thsi_driver *driver, struct thsi_driver_link *link, enum ths_err err,
                          uint64_t missing)
{
    const struct thsi_runtime *runtime = driver->runtime;
    const char *name = link->stage >= THSI_STAGE_WELCOME ? link->core.handshake.peer.name : "";
    enum thsi_link_end how = link->stage == THSI_STAGE_UP ? THSI_END_LOCAL : THSI_END_LOST;
    char count[48] = "";
    uint64_t held_back;

    (void)atomic_fetch_add_explicit(&driver->closed_for[(unsigned)err % 64], 1, memory_order_relaxed);
    if (err == THS_REFUSED && link->dialed) {
        thsi_driver_note_refusal(driver, link, link->core.handshake.refusal.code, link->core.handshake.refusal.text);
    } else if (thsi_note_allowed(&driver->bad_notes, driver->now_ns, &held_back)) {
        if (err == THS_GAP)
            (void)snprintf(count, sizeof count, " (%" PRIu64 " of them)", missing);
        thsi_note(runtime, THS_LOG_WARN, "link", "closed the link with %s%s%s: %s%s (%" PRIu64 " such lines held back)",
                  name, *name ? " at " : "", *link->address ? link->address : "a stranger", reason_text(driver, link, err),
                  count, held_back);
    }
    thsi_driver_close(driver, link, how, true);
}

void thsi_driver_check_handshakes(struct thsi_driver *driver)
{
    uint64_t due_ns = UINT64_MAX;

    for (size_t i = driver->links_count; i-- > 0;) {
        struct thsi_driver_link *link = driver->links[i];
        if (link->stage == THSI_STAGE_UP)
            continue;
        if (link->begun_ns + THSI_SHAKE_NS <= driver->now_ns)
            thsi_driver_bad_link(driver, link, THS_TIMEOUT, 0); /* the last link moves to this place: seen already */
        else if (link->begun_ns + THSI_SHAKE_NS < due_ns)
            due_ns = link->begun_ns + THSI_SHAKE_NS;
    }
    driver->shake_due_ns = due_ns;
}

/* ---- Beginnings ------------------------------------------------------------------------- */

static enum ths_err init_core(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    enum ths_err err = thsi_link_init(&link->core, driver->runtime->env, link->dialed, &driver->keys, driver->cluster,
                                      &driver->self, thsi_driver_credential(driver));

    link->core.limits = driver->rekey;
    return err;
}

/* Strangers have a fixed number of places; who comes last is believed to be less likely to be stuck. */
static void close_oldest_stranger(struct thsi_driver *driver)
{
    struct thsi_driver_link *oldest = NULL;
    uint64_t held_back;

    for (size_t i = 0; i < driver->links_count; i++)
        if (is_unverified_stranger(driver->links[i]) && (!oldest || driver->links[i]->begun_ns < oldest->begun_ns))
            oldest = driver->links[i];
    assert(oldest);
    (void)atomic_fetch_add_explicit(&driver->closed_for[THS_TOO_MANY], 1, memory_order_relaxed);
    if (thsi_note_allowed(&driver->flood_notes, driver->now_ns, &held_back))
        thsi_note(driver->runtime, THS_LOG_WARN, "link",
                  "more than %u unfinished handshakes: closed the oldest (%" PRIu64 " such lines held back)",
                  THSI_UNVERIFIED_MAX, held_back);
    thsi_driver_end(driver, oldest, true);
}

void thsi_driver_accepted(struct thsi_driver *driver, thsi_link id, const char *address)
{
    struct thsi_driver_link *link = NULL;

    if (thsi_driver_phase_now(driver) < THSI_DRIVER_LEFT) {
        if (driver->unverified >= THSI_UNVERIFIED_MAX)
            close_oldest_stranger(driver);
        link = add(driver, id, false, address);
    }
    if (!link) {
        driver->transport->close(driver->transport, id, false);
        return;
    }
    link->stage = THSI_STAGE_HELLO;
    driver->unverified++;
    if (init_core(driver, link) != THS_OK)
        thsi_driver_end(driver, link, true);
}

enum ths_err thsi_driver_dial(struct thsi_driver *driver, uint64_t uid, const char *address)
{
    struct thsi_driver_link *link;
    enum ths_err err;
    thsi_link id;

    if (!reserve_links(driver))
        return THS_NOMEM;
    err = driver->transport->dial(driver->transport, address, &id);
    if (err != THS_OK)
        return err;
    link = add(driver, id, true, address);
    if (!link) {
        driver->transport->close(driver->transport, id, false);
        return THS_NOMEM;
    }
    link->uid = uid;
    link->asked_for = uid != 0;
    driver->seed_dials += uid == 0;
    return THS_OK;
}

void thsi_driver_dialed(struct thsi_driver *driver, struct thsi_driver_link *link)
{
    struct ths_env *env = driver->runtime->env;
    uint8_t random[THSI_LINK_RANDOM_SIZE];
    enum ths_err err;

    link->stage = THSI_STAGE_HELLO;
    err = init_core(driver, link);
    env->random(env, random, sizeof random);
    if (err == THS_OK)
        err = thsi_link_start(&link->core, random);
    sodium_memzero(random, sizeof random);
    if (err != THS_OK || !thsi_driver_send_out(driver, link))
        thsi_driver_close(driver, link, THSI_END_LOST, true);
}
