/* Timer wheel after G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), scheme 7.
 *
 * Read the time in milliseconds as eight digits of six bits. An entry lies at the level of the highest digit in
 * which its time differs from the wheel's, in the slot of its own digit there. It follows that
 *
 *   - an entry at a lower level is due before every entry at a higher one,
 *   - the slots of a level are due in the order of their numbers, all beyond the wheel's own digit,
 *   - when the wheel reaches a slot, the levels below it are empty, so what falls down keeps its order.
 *
 * Time that is not in the future counts as the wheel's own: level 0, the present slot. */

#include "node/timer_wheel.h"

#include <assert.h>
#include <stddef.h>

#define TICK_NS UINT64_C(1000000)

enum {
    DIGIT_BITS = 6,
    DIGIT_MASK = THSI_WHEEL_SLOTS - 1,
    SCAN_MAX = 8 /* entries looked at to name a far deadline exactly */
};

_Static_assert(THSI_WHEEL_SLOTS == 1 << DIGIT_BITS, "a slot for each value of a digit, a bit for each slot");
_Static_assert(UINT64_MAX / TICK_NS < UINT64_C(1) << DIGIT_BITS * THSI_WHEEL_LEVELS, "every time has a place");

static uint64_t tick_of(uint64_t deadline_ns)
{
    return deadline_ns / TICK_NS + (deadline_ns % TICK_NS != 0); /* up, so that nothing comes out early */
}

static uint64_t tick_to_ns(uint64_t tick)
{
    return tick > UINT64_MAX / TICK_NS ? UINT64_MAX : tick * TICK_NS;
}

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> DIGIT_BITS * level) & DIGIT_MASK;
}

/* The first tick of slot @slot at @level, given the wheel's time. */
static uint64_t slot_start(const struct thsi_wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = DIGIT_BITS * level;

    return ((wheel->tick >> shift & ~(uint64_t)DIGIT_MASK) | slot) << shift;
}

/* Where an entry with this deadline lies now. The answer stays the same while the wheel's time has not reached it. */
static struct thsi_timer_entry **place(struct thsi_wheel *wheel, uint64_t deadline_ns, unsigned *level, unsigned *slot)
{
    uint64_t tick = tick_of(deadline_ns);

    if (tick < wheel->tick)
        tick = wheel->tick;
    *level = (63u - (unsigned)__builtin_clzll((tick ^ wheel->tick) | 1)) / DIGIT_BITS;
    *slot = digit(tick, *level);
    return &wheel->slots[*level][*slot];
}

/* Append to the ring of its slot. */
static void insert(struct thsi_wheel *wheel, struct thsi_timer_entry *entry)
{
    unsigned level, slot;
    struct thsi_timer_entry **head = place(wheel, entry->deadline_ns, &level, &slot);

    if (*head) {
        entry->next = *head;
        entry->prev = (*head)->prev;
        entry->prev->next = entry;
        entry->next->prev = entry;
    } else {
        entry->next = entry->prev = entry;
        *head = entry;
        wheel->occupied[level] |= UINT64_C(1) << slot;
    }
}

/* Empty a slot; returns its entries as a list that ends in NULL, each marked as being in no wheel. */
static struct thsi_timer_entry *take_slot(struct thsi_wheel *wheel, unsigned level, unsigned slot)
{
    struct thsi_timer_entry *head = wheel->slots[level][slot];

    head->prev->next = NULL;
    for (struct thsi_timer_entry *entry = head; entry; entry = entry->next)
        entry->prev = NULL;
    wheel->slots[level][slot] = NULL;
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    return head;
}

/* The slot that is due first. False: the wheel is empty. */
static bool first_slot(const struct thsi_wheel *wheel, unsigned *level, unsigned *slot)
{
    for (*level = 0; *level < THSI_WHEEL_LEVELS; ++*level) {
        if (wheel->occupied[*level]) {
            *slot = (unsigned)__builtin_ctzll(wheel->occupied[*level]);
            return true;
        }
    }
    return false;
}

/* Merge two sorted lists; of equal deadlines those of @a come first. */
static struct thsi_timer_entry *merge(struct thsi_timer_entry *a, struct thsi_timer_entry *b)
{
    struct thsi_timer_entry *merged = NULL, **end = &merged;

    while (a && b) {
        struct thsi_timer_entry **earlier = b->deadline_ns < a->deadline_ns ? &b : &a;
        *end = *earlier;
        *earlier = (*earlier)->next;
        end = &(*end)->next;
    }
    *end = a ? a : b;
    return merged;
}

/* Sort by deadline, keeping the order of equal ones: runs of 1, 2, 4, ... entries are merged like a binary counter. */
static struct thsi_timer_entry *sort(struct thsi_timer_entry *list)
{
    struct thsi_timer_entry *runs[64] = { NULL };
    struct thsi_timer_entry *sorted = NULL;

    while (list) {
        struct thsi_timer_entry *run = list;
        unsigned i = 0;
        list = list->next;
        run->next = NULL;
        for (; runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (unsigned i = 0; i < sizeof runs / sizeof runs[0]; i++)
        sorted = merge(runs[i], sorted);
    return sorted;
}

void thsi_wheel_init(struct thsi_wheel *wheel, uint64_t now_ns)
{
    *wheel = (struct thsi_wheel){ .tick = now_ns / TICK_NS };
}

void thsi_wheel_add(struct thsi_wheel *wheel, struct thsi_timer_entry *entry, uint64_t deadline_ns)
{
    assert(!entry->prev);

    entry->deadline_ns = deadline_ns;
    insert(wheel, entry);
}

bool thsi_wheel_cancel(struct thsi_wheel *wheel, struct thsi_timer_entry *entry)
{
    unsigned level, slot;
    struct thsi_timer_entry **head;

    if (!entry->prev)
        return false;
    head = place(wheel, entry->deadline_ns, &level, &slot);
    if (entry->next == entry) {
        assert(*head == entry);
        *head = NULL;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    } else {
        entry->prev->next = entry->next;
        entry->next->prev = entry->prev;
        if (*head == entry)
            *head = entry->next;
    }
    entry->next = entry->prev = NULL;
    return true;
}

uint64_t thsi_wheel_deadline_ns(const struct thsi_wheel *wheel)
{
    const struct thsi_timer_entry *head, *entry;
    uint64_t earliest_ns;
    unsigned level, slot, seen = 0;

    if (!first_slot(wheel, &level, &slot))
        return UINT64_MAX;
    if (level == 0)
        return tick_to_ns(slot_start(wheel, 0, slot));
    /* A lone timer far ahead is the common case of an idle node: name its time, and save the wake that would only
     * move it down. */
    entry = head = wheel->slots[level][slot];
    earliest_ns = entry->deadline_ns;
    for (entry = entry->next; entry != head; entry = entry->next) {
        if (++seen == SCAN_MAX)
            return tick_to_ns(slot_start(wheel, level, slot));
        if (entry->deadline_ns < earliest_ns)
            earliest_ns = entry->deadline_ns;
    }
    return tick_to_ns(tick_of(earliest_ns));
}

struct thsi_timer_entry *thsi_wheel_expire(struct thsi_wheel *wheel, uint64_t now_ns)
{
    struct thsi_timer_entry *due = NULL, **end = &due;
    uint64_t now = now_ns / TICK_NS;
    unsigned level, slot;

    if (now < wheel->tick)
        now = wheel->tick;
    while (first_slot(wheel, &level, &slot) && slot_start(wheel, level, slot) <= now) {
        wheel->tick = slot_start(wheel, level, slot);
        if (level == 0) {
            *end = sort(take_slot(wheel, 0, slot));
            while (*end)
                end = &(*end)->next;
        } else {
            struct thsi_timer_entry *entry = take_slot(wheel, level, slot), *next;
            for (; entry; entry = next) {
                next = entry->next;
                insert(wheel, entry);
            }
        }
    }
    wheel->tick = now;
    return due;
}

void thsi_wheel_check(const struct thsi_wheel *wheel)
{
    struct thsi_wheel *same = (struct thsi_wheel *)(uintptr_t)wheel; /* place does not write */

    for (unsigned level = 0; level < THSI_WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < THSI_WHEEL_SLOTS; slot++) {
            const struct thsi_timer_entry *head = wheel->slots[level][slot], *entry = head;
            assert((head != NULL) == (wheel->occupied[level] >> slot & 1));
            assert(!head || slot > digit(wheel->tick, level) || (level == 0 && slot == digit(wheel->tick, 0)));
            while (entry) {
                unsigned at_level, at_slot;
                assert(place(same, entry->deadline_ns, &at_level, &at_slot) == &same->slots[level][slot]);
                assert(entry->next->prev == entry);
                assert(entry->prev->next == entry);
                entry = entry->next == head ? NULL : entry->next;
            }
        }
    }
}
