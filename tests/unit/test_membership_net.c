/* Membership among nodes: a small network of cores on virtual time, with kills, cuts, pauses and restarts.
 *
 * Time goes in steps of a millisecond, and so long every packet, dial and end of a link takes. The network does what a
 * driver does: it carries out updates, asks admit on both sides of a new link and tells refusals inside the session. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/membership.h"

#define MS UINT64_C(1000000)
#define BOOTS_MAX 12
#define HOSTS_MAX 8
#define UNANSWERED_MS 800 /* a dial into the void */
#define NOWHERE (-1)

enum happening { PACKET, CLOSED, DIAL };

struct pending {
    uint64_t due_ms;
    enum happening what;
    int from, to;        /* boots; DIAL: to is a host */
    uint64_t uid;        /* DIAL: who was meant, 0: a seed */
    unsigned link;       /* PACKET, CLOSED: of which link */
    uint8_t *bytes;
    size_t len;
    struct pending *next;
};

struct boot {
    struct thsi_membership *core;
    uint64_t uid;
    int host, seed;
    bool running, paused, left;
    enum ths_err buried;
    uint64_t seed_due_ms;
    unsigned links[BOOTS_MAX];            /* number of the link that is up, 0: none */
    bool dialed[BOOTS_MAX];               /* it was dialed here */
    uint64_t buried_ms[BOOTS_MAX];
    char story[4096];
};

static struct boot boots[BOOTS_MAX];
static int boots_count, host_boot[HOSTS_MAX];
static bool cut[HOSTS_MAX][HOSTS_MAX];
static unsigned last_link, loss_percent, loss_state;
static uint64_t now_ms;
static struct pending *queue;

static void *plain_memory(struct ths_env *env, void *ptr, size_t size)
{
    (void)env;
    if (size > 0)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static struct ths_env env = { .memory = plain_memory };

/* ---- The network ---------------------------------------------------------------------------- */

static void enqueue(struct pending pending)
{
    struct pending **at = &queue;
    struct pending *item = malloc(sizeof *item);

    assert_non_null(item);
    *item = pending;
    while (*at && (*at)->due_ms <= pending.due_ms)
        at = &(*at)->next;
    item->next = *at;
    *at = item;
}

static int boot_of(uint64_t uid)
{
    for (int i = 0; i < boots_count; i++)
        if (boots[i].uid == uid)
            return i;
    return NOWHERE;
}

static bool is_lost(void)
{
    loss_state = loss_state * 1103515245u + 12345u;
    return (loss_state >> 16) % 100 < loss_percent;
}

static void step(int at, struct thsi_membership_event event);

/* The link between two boots is over by the will of @at; the other learns of it a millisecond later. */
static void end_link(int at, int other)
{
    unsigned link = boots[at].links[other];

    if (link == 0)
        return;
    boots[at].links[other] = 0;
    if (!cut[boots[at].host][boots[other].host])
        enqueue((struct pending){ .due_ms = now_ms + 1, .what = CLOSED, .from = at, .to = other, .link = link });
}

static void stop_boot(int at)
{
    boots[at].running = false;
    if (host_boot[boots[at].host] == at)
        host_boot[boots[at].host] = NOWHERE;
    for (int i = 0; i < boots_count; i++)
        end_link(at, i);
}

static const char *const state_names[] = { "joining", "up", "suspect", "leaving", "dead", "left" };

static void tell_story(int at, const struct thsi_member_change *change)
{
    struct boot *boot = &boots[at];
    size_t used = strlen(boot->story);
    int subject = boot_of(change->member->who.uid);

    (void)snprintf(boot->story + used, sizeof boot->story - used, "%s%s%s %s", used ? ", " : "",
                   change->is_new ? "new " : "", change->member->who.name, state_names[change->to]);
    if (subject >= 0 && change->to >= THS_MEMBER_DEAD)
        boot->buried_ms[subject] = now_ms;
}

static void carry_out(int at, const struct thsi_membership_update *update)
{
    struct boot *boot = &boots[at];

    for (size_t i = 0; i < update->sends_count; i++) {
        const struct thsi_gossip_send *send = &update->sends[i];
        int to = boot_of(send->uid);
        uint8_t *copy = malloc(send->len);

        assert_non_null(copy);
        assert_true(to >= 0 && boot->links[to] != 0);
        assert_false(thsi_gossip_is_for_groups(send->packet, send->len));
        memcpy(copy, send->packet, send->len);
        enqueue((struct pending){ .due_ms = now_ms + 1, .what = PACKET, .from = at, .to = to, .link = boot->links[to],
                                  .bytes = copy, .len = send->len });
    }
    for (size_t i = 0; i < update->changes_count; i++)
        tell_story(at, &update->changes[i]);
    for (size_t i = 0; i < update->closes_count; i++)
        end_link(at, boot_of(update->closes[i]));
    for (size_t i = 0; i < update->dials_count; i++)
        enqueue((struct pending){ .due_ms = now_ms + 1, .what = DIAL, .from = at,
                                  .to = update->dials[i].address[4] - '0', .uid = update->dials[i].uid });
    if (update->self_buried != THS_OK)
        boot->buried = update->self_buried;
    boot->left = boot->left || update->left_done;
}

static void step(int at, struct thsi_membership_event event)
{
    struct thsi_membership_update update;
    enum ths_err err;

    event.now_ns = now_ms * MS;
    err = thsi_membership_step(boots[at].core, &event, &update);
    assert_true(err == THS_OK || err == THS_CLOSED);
    thsi_membership_check(boots[at].core);
    carry_out(at, &update);
    if (boots[at].running && (boots[at].buried != THS_OK || boots[at].left))
        stop_boot(at);
}

static void link_up(int at, int other, bool dialed_here)
{
    struct thsi_identity who = *thsi_membership_self(boots[other].core);

    boots[at].links[other] = last_link;
    boots[at].dialed[other] = dialed_here;
    step(at, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_UP, .uid = who.uid, .identity = &who });
}

static void dial_failed(int at, uint64_t uid, enum thsi_link_end end)
{
    if (uid != 0)
        step(at, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_DIAL_FAILED, .uid = uid, .end = end });
}

/* @at does not want the link with @other and tells it so. */
static bool refuses(int at, int other)
{
    struct thsi_member_refusal refusal;
    enum ths_err err = thsi_membership_admit(boots[at].core, thsi_membership_self(boots[other].core), &refusal);

    if (err == THS_OK)
        return false;
    step(other, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_REFUSED, .uid = boots[at].uid,
                                                .refusal = refusal });
    return true;
}

static void shake_hands(int from, int to, uint64_t meant)
{
    if (meant != 0 && boots[to].uid != meant)
        dial_failed(from, meant, THSI_END_STRANGER);
    /* The side that dialed is asked first, except about whom it has buried or who has its name. */
    if (!thsi_membership_is_buried(boots[from].core, boots[to].uid, NULL) &&
        strcmp(thsi_membership_self(boots[from].core)->name, thsi_membership_self(boots[to].core)->name) != 0 &&
        refuses(from, to))
        return;
    if (refuses(to, from) || !boots[from].running || refuses(from, to) || !boots[to].running)
        return;
    if (boots[from].links[to] != 0 &&
        !thsi_membership_new_link_wins(boots[from].uid, boots[to].uid, boots[from].dialed[to], true))
        return;
    last_link++;
    link_up(from, to, true);
    link_up(to, from, false);
}

static void happen_dial(const struct pending *pending)
{
    int to = host_boot[pending->to];
    int from = pending->from;

    if (cut[boots[from].host][pending->to] || (to >= 0 && boots[to].paused)) {
        /* Nobody answers; that takes a while to see. */
        if (pending->bytes == NULL && pending->len == 0) {
            struct pending again = *pending;

            again.due_ms = now_ms + UNANSWERED_MS;
            again.len = 1;
            enqueue(again);
        } else {
            dial_failed(from, pending->uid, THSI_END_LOST);
        }
    } else if (to == NOWHERE) {
        dial_failed(from, pending->uid, THSI_END_REFUSED);
    } else {
        shake_hands(from, to, pending->uid);
    }
}

static void happen(struct pending *pending)
{
    struct boot *boot = &boots[pending->what == DIAL ? pending->from : pending->to];
    int to = pending->to, from = pending->from;

    if (!boot->running)
        return;
    if (boot->paused) {
        struct pending later = *pending;

        later.due_ms = now_ms + 1;
        pending->bytes = NULL;
        enqueue(later);
        return;
    }
    if (pending->what == DIAL) {
        happen_dial(pending);
    } else if (cut[boots[from].host][boot->host] || boot->links[from] != pending->link) {
        return;
    } else if (pending->what == CLOSED) {
        boot->links[from] = 0;
        step(to, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LINK_DOWN, .uid = boots[from].uid,
                                                 .end = THSI_END_LOST });
    } else if (!is_lost()) {
        step(to, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_RECEIVED, .uid = boots[from].uid,
                                                 .packet = pending->bytes, .packet_len = pending->len });
    }
}

static void run_boot(int at)
{
    struct boot *boot = &boots[at];

    if (!boot->running || boot->paused)
        return;
    if (boot->seed != NOWHERE && thsi_membership_alone(boot->core) && now_ms >= boot->seed_due_ms) {
        boot->seed_due_ms = now_ms + 1000;
        enqueue((struct pending){ .due_ms = now_ms + 1, .what = DIAL, .from = at, .to = boot->seed });
    }
    if (thsi_membership_deadline_ns(boot->core) <= now_ms * MS)
        step(at, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_TIME_PASSED });
}

static void run_ms(uint64_t ms)
{
    for (uint64_t end = now_ms + ms; now_ms < end;) {
        now_ms++;
        while (queue && queue->due_ms <= now_ms) {
            struct pending *first = queue;

            queue = first->next;
            happen(first);
            free(first->bytes);
            free(first);
        }
        for (int i = 0; i < boots_count; i++)
            run_boot(i);
    }
}

/* ---- What tests say ------------------------------------------------------------------------- */

static int start_numbered(int host, int seed, uint64_t boot_number, const char *name)
{
    struct thsi_membership_options options = { .seed = (uint64_t)boots_count + 7 };
    struct boot *boot = &boots[boots_count];

    *boot = (struct boot){ .host = host, .seed = seed, .running = true, .uid = 100 - (uint64_t)boots_count };
    options.self.uid = boot->uid;
    options.self.boot = boot_number;
    memset(options.self.id, name[0], sizeof options.self.id);
    (void)snprintf(options.self.name, sizeof options.self.name, "%s", name);
    (void)snprintf(options.self.address, sizeof options.self.address, "host%d:7400", host);
    (void)snprintf(options.self.scopes, sizeof options.self.scopes, "default");
    boot->core = thsi_membership_create(&env, &options, now_ms * MS);
    assert_non_null(boot->core);
    host_boot[host] = boots_count;
    return boots_count++;
}

/* Boots are numbered as they are started, and named after their host: "a", "b", ... */
static int start(int host, int seed)
{
    char name[2] = { (char)('a' + host), '\0' };

    return start_numbered(host, seed, (uint64_t)boots_count + 1, name);
}

static void start_cluster(int count)
{
    for (int i = 0; i < count; i++)
        (void)start(i, i == 0 ? NOWHERE : 0);
    run_ms(1500);
}

static void cut_between(int a, int b, bool is_cut)
{
    cut[a][b] = cut[b][a] = is_cut;
}

static void isolate(int host, bool is_cut)
{
    for (int i = 0; i < HOSTS_MAX; i++)
        if (i != host)
            cut_between(host, i, is_cut);
}

static void forget_stories(void)
{
    for (int i = 0; i < boots_count; i++)
        boots[i].story[0] = '\0';
}

static void assert_state(int at, int of, enum ths_member_state state)
{
    const struct thsi_member *member = thsi_membership_find(boots[at].core, boots[of].uid);
    enum ths_member_state buried;

    if (state >= THS_MEMBER_DEAD) {
        assert_null(member);
        assert_true(thsi_membership_is_buried(boots[at].core, boots[of].uid, &buried));
        assert_int_equal(buried, state);
        return;
    }
    assert_non_null(member);
    assert_int_equal(member->state, state);
}

/* All running boots see each other up and linked, and nobody else. */
static void assert_whole(void)
{
    size_t running = 0;

    for (int i = 0; i < boots_count; i++)
        running += boots[i].running;
    for (int i = 0; i < boots_count; i++) {
        if (!boots[i].running)
            continue;
        assert_int_equal(thsi_membership_count(boots[i].core), running);
        for (int j = 0; j < boots_count; j++) {
            if (!boots[j].running)
                continue;
            assert_state(i, j, THS_MEMBER_UP);
            if (i != j)
                assert_true(boots[i].links[j] != 0 && boots[i].links[j] == boots[j].links[i]);
        }
    }
}

static int reset(void **state)
{
    (void)state;
    while (queue) {
        struct pending *next = queue->next;

        free(queue->bytes);
        free(queue);
        queue = next;
    }
    for (int i = 0; i < boots_count; i++)
        thsi_membership_destroy(boots[i].core);
    for (int i = 0; i < HOSTS_MAX; i++)
        host_boot[i] = NOWHERE;
    memset(cut, 0, sizeof cut);
    boots_count = 0;
    now_ms = 1000;
    loss_percent = 0;
    loss_state = 1;
    return 0;
}

/* ---- Facts ---------------------------------------------------------------------------------- */

static void nodes_that_know_one_seed_form_a_full_mesh(void **state)
{
    (void)state;
    start_cluster(5);
    assert_whole();
    run_ms(20000);
    assert_whole();
    for (int i = 0; i < 5; i++)
        assert_null(strstr(boots[i].story, "suspect"));
}

static void two_that_start_together_with_each_other_as_seed_have_one_link(void **state)
{
    (void)state;
    (void)start(0, 1);
    (void)start(1, 0);
    run_ms(1000);
    assert_whole();
    assert_string_equal(boots[0].story, "new b up");
}

static void round_trips_are_measured(void **state)
{
    (void)state;
    start_cluster(2);
    assert_int_equal(thsi_membership_find(boots[0].core, boots[1].uid)->rtt_us, 2000);
}

static void killed_node_is_buried_within_100_ms(void **state)
{
    uint64_t killed_ms;

    (void)state;
    start_cluster(3);
    forget_stories();
    killed_ms = now_ms;
    stop_boot(1);
    run_ms(150);
    assert_state(0, 1, THS_MEMBER_DEAD);
    assert_state(2, 1, THS_MEMBER_DEAD);
    assert_true(boots[0].buried_ms[1] - killed_ms <= 100);
    assert_true(boots[2].buried_ms[1] - killed_ms <= 100);
    assert_string_equal(boots[0].story, "b suspect, b dead");
    assert_whole();
}

static void silent_node_is_suspected_then_buried(void **state)
{
    uint64_t cut_ms;

    (void)state;
    start_cluster(3);
    forget_stories();
    cut_ms = now_ms;
    isolate(2, true);
    run_ms(1400);
    assert_state(0, 2, THS_MEMBER_SUSPECT);
    assert_state(1, 2, THS_MEMBER_SUSPECT);
    run_ms(2000);
    assert_state(0, 2, THS_MEMBER_DEAD);
    assert_state(1, 2, THS_MEMBER_DEAD);
    assert_true(boots[0].buried_ms[2] - cut_ms >= 2700);
    assert_true(boots[0].buried_ms[2] - cut_ms <= 3300);
    assert_string_equal(boots[1].story, "c suspect, c dead");
}

static void short_silence_is_refuted(void **state)
{
    (void)state;
    start_cluster(3);
    forget_stories();
    isolate(2, true);
    run_ms(1800);
    isolate(2, false);
    run_ms(600);
    assert_whole();
    assert_string_equal(boots[0].story, "c suspect, c up");
    assert_true(thsi_membership_find(boots[0].core, boots[2].uid)->who.incarnation >= 2);
    run_ms(5000);
    assert_whole();
}

static void cut_between_two_buries_nobody_while_a_third_sees_both(void **state)
{
    (void)state;
    start_cluster(3);
    cut_between(1, 2, true);
    run_ms(30000);
    for (int i = 0; i < 3; i++) {
        assert_null(strstr(boots[i].story, "dead"));
        assert_true(boots[i].running);
    }
    cut_between(1, 2, false);
    run_ms(4000);
    assert_whole();
}

static void node_that_comes_back_from_isolation_alone_yields(void **state)
{
    (void)state;
    start_cluster(3);
    isolate(2, true);
    run_ms(8000);
    isolate(2, false);
    run_ms(3000);
    assert_int_equal(boots[2].buried, THS_NODE_LOST);
    assert_false(boots[2].running);
    assert_whole();
    (void)start(2, 0);
    run_ms(1500);
    assert_whole();
}

static void paused_node_that_was_buried_learns_it(void **state)
{
    (void)state;
    start_cluster(3);
    boots[1].paused = true;
    run_ms(10000);
    assert_state(0, 1, THS_MEMBER_DEAD);
    forget_stories();
    boots[1].paused = false;
    run_ms(1000);
    assert_int_equal(boots[1].buried, THS_NODE_LOST);
    assert_null(strstr(boots[1].story, "suspect"));
    assert_whole();
}

static void shortly_paused_node_suspects_nobody_and_refutes(void **state)
{
    (void)state;
    start_cluster(3);
    forget_stories();
    boots[1].paused = true;
    run_ms(2200);
    assert_state(0, 1, THS_MEMBER_SUSPECT);
    boots[1].paused = false;
    run_ms(600);
    assert_whole();
    assert_string_equal(boots[1].story, "");
}

static void all_paused_together_suspect_nobody(void **state)
{
    (void)state;
    start_cluster(3);
    forget_stories();
    for (int i = 0; i < 3; i++)
        boots[i].paused = true;
    run_ms(30000);
    for (int i = 0; i < 3; i++)
        boots[i].paused = false;
    run_ms(3000);
    assert_whole();
    assert_string_equal(boots[0].story, "");
}

static void restarted_node_replaces_its_older_boot_at_once(void **state)
{
    (void)state;
    start_cluster(3);
    forget_stories();
    stop_boot(2);
    (void)start(2, 0);
    run_ms(1500);
    assert_whole();
    /* The older one is buried before the newer one is up. */
    assert_true(strstr(boots[0].story, "c dead, new c up") || strstr(boots[0].story, "c dead, new c joining, c up"));
    assert_true(strstr(boots[1].story, "c dead, new c"));
}

static void all_but_one_restarting_in_turn_leave_one_cluster(void **state)
{
    (void)state;
    start_cluster(3);
    for (int round = 0; round < 3; round++) {
        stop_boot(host_boot[1 + round % 2]);
        run_ms(30);
        (void)start(1 + round % 2, 0);
        run_ms(2500);
        assert_whole();
    }
}

static void second_node_of_a_name_waits_until_the_first_is_gone(void **state)
{
    int second;

    (void)state;
    start_cluster(2);
    second = start_numbered(3, 0, 50, "b");
    run_ms(5000);
    assert_true(thsi_membership_alone(boots[second].core));
    assert_state(0, 1, THS_MEMBER_UP);
    stop_boot(1);
    run_ms(2500);
    assert_whole();
    assert_state(0, second, THS_MEMBER_UP);
}

static void node_whose_boot_is_behind_takes_a_newer_one(void **state)
{
    int late;

    (void)state;
    start_cluster(2);
    stop_boot(1);
    run_ms(500);
    late = start_numbered(1, 0, 1, "b"); /* its clock was set back */
    run_ms(2500);
    assert_whole();
    assert_int_equal(thsi_membership_self(boots[late].core)->boot, 3);
}

static void leaving_node_is_left_at_once_everywhere(void **state)
{
    (void)state;
    start_cluster(3);
    forget_stories();
    step(1, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LEAVE });
    run_ms(10);
    assert_true(boots[1].left);
    assert_state(0, 1, THS_MEMBER_LEFT);
    assert_state(2, 1, THS_MEMBER_LEFT);
    assert_string_equal(boots[0].story, "b leaving, b left");
    run_ms(3000);
    assert_whole();
}

static void leaving_of_all_at_once_ends(void **state)
{
    (void)state;
    start_cluster(3);
    for (int i = 0; i < 3; i++)
        step(i, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LEAVE });
    run_ms(50);
    for (int i = 0; i < 3; i++)
        assert_true(boots[i].left);
}

static void leaving_waits_for_the_silent_only_so_long(void **state)
{
    (void)state;
    start_cluster(2);
    isolate(1, true);
    step(1, (struct thsi_membership_event){ .type = THSI_MEMBERSHIP_LEAVE });
    run_ms(900);
    assert_false(boots[1].left);
    run_ms(200);
    assert_true(boots[1].left);
}

static void loss_of_many_packets_costs_no_member(void **state)
{
    (void)state;
    loss_percent = 30;
    start_cluster(4);
    run_ms(60000);
    for (int i = 0; i < 4; i++)
        assert_null(strstr(boots[i].story, "dead"));
    loss_percent = 0;
    run_ms(4000);
    assert_whole();
}

static void late_joiner_learns_all(void **state)
{
    int late;

    (void)state;
    start_cluster(4);
    stop_boot(3);
    run_ms(5000);
    late = start(4, 1);
    run_ms(1000);
    assert_whole();
    assert_true(thsi_membership_is_buried(boots[late].core, boots[3].uid, NULL));
    assert_null(strstr(boots[late].story, "dead"));
}

static void partition_in_halves_ends_in_two_clusters(void **state)
{
    (void)state;
    start_cluster(4);
    for (int i = 0; i < 2; i++)
        for (int j = 2; j < 4; j++)
            cut_between(i, j, true);
    run_ms(6000);
    for (int i = 0; i < 4; i++) {
        assert_true(boots[i].running);
        assert_int_equal(thsi_membership_count(boots[i].core), 2);
    }
}

static void same_seed_gives_same_story(void **state)
{
    char first[sizeof boots[0].story];

    for (int round = 0; round < 2; round++) {
        (void)reset(state);
        loss_percent = 40;
        start_cluster(4);
        stop_boot(2);
        run_ms(20000);
        if (round == 0)
            memcpy(first, boots[0].story, sizeof first);
    }
    assert_string_equal(boots[0].story, first);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, reset, reset)
    const struct CMUnitTest tests[] = {
        FACT(nodes_that_know_one_seed_form_a_full_mesh),
        FACT(two_that_start_together_with_each_other_as_seed_have_one_link),
        FACT(round_trips_are_measured),
        FACT(killed_node_is_buried_within_100_ms),
        FACT(silent_node_is_suspected_then_buried),
        FACT(short_silence_is_refuted),
        FACT(cut_between_two_buries_nobody_while_a_third_sees_both),
        FACT(node_that_comes_back_from_isolation_alone_yields),
        FACT(paused_node_that_was_buried_learns_it),
        FACT(shortly_paused_node_suspects_nobody_and_refutes),
        FACT(all_paused_together_suspect_nobody),
        FACT(restarted_node_replaces_its_older_boot_at_once),
        FACT(all_but_one_restarting_in_turn_leave_one_cluster),
        FACT(second_node_of_a_name_waits_until_the_first_is_gone),
        FACT(node_whose_boot_is_behind_takes_a_newer_one),
        FACT(leaving_node_is_left_at_once_everywhere),
        FACT(leaving_of_all_at_once_ends),
        FACT(leaving_waits_for_the_silent_only_so_long),
        FACT(loss_of_many_packets_costs_no_member),
        FACT(late_joiner_learns_all),
        FACT(partition_in_halves_ends_in_two_clusters),
        FACT(same_seed_gives_same_story),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
