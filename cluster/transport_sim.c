#include "cluster/transport_sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/prng.h"

/* What travels in one direction of a link. */
enum piece_type {
    PIECE_DIAL,    /* somebody dials */
    PIECE_ANSWER,  /* the dial was taken */
    PIECE_REFUSAL, /* nobody listens */
    PIECE_DATA,
    PIECE_END
};

struct piece {
    struct piece *next;
    enum piece_type type;
    uint64_t due_ns;
    size_t len;
    uint8_t bytes[];
};

enum end_state { END_DIALING, END_OPEN, END_COMING /* dialed, not taken yet */, END_GONE };

/* One side of a link, and what is on its way to it. */
struct end {
    struct wire *wire;
    struct end *next_on_host, **at_on_host; /* all of its host's, in no matter what order */
    unsigned host;
    enum end_state state;
    thsi_link link;             /* the side's own number for it */
    bool full;                  /* this side is owed WRITABLE */
    uint64_t deadline_ns;       /* DIALING: gives up */
    struct piece *head, *tail;  /* to this side */
    size_t flying;              /* bytes of DATA to this side */
    uint64_t last_ns;           /* when the last piece to this side is due */
};

struct wire {
    struct wire *next;
    struct end end[2]; /* 0 dialed 1 */
    unsigned port;
};

struct sim_transport {
    struct thsi_transport base; /* first */
    struct thsi_simnet *net;
    unsigned host, port;        /* port 0: does not listen */
    thsi_link last_link;
    struct piece *lent;         /* the piece whose bytes the last event lent */
};

struct thsi_simnet {
    struct thsi_simnet_options options;
    struct thsi_prng prng;
    struct wire *wires;         /* the latest first */
    struct sim_transport *transports[THSI_SIM_HOSTS_MAX + 1];
    struct end *ends[THSI_SIM_HOSTS_MAX + 1];      /* by host; [0]: outside of the network */
    uint64_t due_ns[THSI_SIM_HOSTS_MAX + 1];       /* deadlines, unless they must be looked for again */
    bool stale[THSI_SIM_HOSTS_MAX + 1];
    bool cut[THSI_SIM_HOSTS_MAX + 1][THSI_SIM_HOSTS_MAX + 1];
};

/* The deadlines of both hosts may have changed. */
static void touch(struct thsi_simnet *net, const struct end *end)
{
    net->stale[end->wire->end[0].host] = net->stale[end->wire->end[1].host] = true;
}

static void touch_all(struct thsi_simnet *net)
{
    memset(net->stale, true, sizeof net->stale);
}

static struct end *other_of(struct end *end)
{
    return &end->wire->end[end == &end->wire->end[0]];
}

static void end_init(struct thsi_simnet *net, struct wire *wire, int side, unsigned host, enum end_state state)
{
    struct end *end = &wire->end[side];

    end->wire = wire;
    end->host = host;
    end->state = state;
    end->next_on_host = net->ends[host];
    end->at_on_host = &net->ends[host];
    if (end->next_on_host)
        end->next_on_host->at_on_host = &end->next_on_host;
    net->ends[host] = end;
}

static void end_fini(struct end *end)
{
    *end->at_on_host = end->next_on_host;
    if (end->next_on_host)
        end->next_on_host->at_on_host = end->at_on_host;
}

/* ---- Pieces --------------------------------------------------------------------------------------------------------- */

static uint64_t draw_delay(struct thsi_simnet *net)
{
    uint64_t min = net->options.delay_ns_min, max = net->options.delay_ns_max;

    return min + thsi_prng_below(&net->prng, max > min ? max - min + 1 : 1);
}

/* Put a piece on its way to @end, behind what is. False: memory is out. */
static bool put(struct thsi_simnet *net, struct end *end, enum piece_type type, const uint8_t *bytes, size_t len)
{
    struct piece *piece = malloc(sizeof *piece + len);
    uint64_t due = *net->options.now_ns + draw_delay(net);

    if (!piece)
        return false;
    if (due < end->last_ns)
        due = end->last_ns;
    end->last_ns = due;
    *piece = (struct piece){ NULL, type, due, len };
    if (len > 0)
        memcpy(piece->bytes, bytes, len);
    *(end->tail ? &end->tail->next : &end->head) = piece;
    end->tail = piece;
    end->flying += len;
    touch(net, end);
    return true;
}

static struct piece *take(struct end *end)
{
    struct piece *piece = end->head;

    end->head = piece->next;
    if (!end->head)
        end->tail = NULL;
    end->flying -= piece->len;
    return piece;
}

/* Lose all but the first @keep pieces on their way to @end. */
static void lose(struct end *end, size_t keep)
{
    struct piece **at = &end->head, *piece;

    end->tail = NULL;
    for (; keep > 0 && *at; keep--) {
        end->tail = *at;
        at = &(*at)->next;
    }
    while ((piece = *at)) {
        *at = piece->next;
        end->flying -= piece->len;
        free(piece);
    }
}

static bool is_cut(const struct thsi_simnet *net, const struct wire *wire)
{
    return net->cut[wire->end[0].host][wire->end[1].host];
}

/* ---- Links ---------------------------------------------------------------------------------------------------------- */

static struct end *find(struct sim_transport *t, thsi_link link, struct end **other)
{
    for (struct end *end = t->net->ends[t->host]; end; end = end->next_on_host) {
        if (end->link == link && end->state != END_GONE && end->state != END_COMING) {
            *other = other_of(end);
            return end;
        }
    }
    return NULL;
}

static void wire_free(struct wire *wire)
{
    for (int i = 0; i < 2; i++) {
        lose(&wire->end[i], 0);
        end_fini(&wire->end[i]);
    }
    free(wire);
}

/* Forget the wires that neither side knows any more. */
static void sweep(struct thsi_simnet *net)
{
    struct wire **at = &net->wires, *wire;

    while ((wire = *at)) {
        bool coming = wire->end[1].state == END_COMING && wire->end[1].head; /* its dial still arrives */
        if (wire->end[0].state != END_GONE || wire->end[1].state == END_OPEN || coming) {
            at = &wire->next;
            continue;
        }
        *at = wire->next;
        wire_free(wire);
    }
}

/* This side is no more. What it had sent arrives as far as @keep pieces, then the end. */
static void end_side(struct thsi_simnet *net, struct end *end, struct end *other, size_t keep)
{
    bool coming = other->state == END_COMING;

    end->state = END_GONE;
    touch(net, end);
    lose(end, 0);
    if (coming && keep == 0) {
        lose(other, 0); /* its dial, too: nobody will ever know */
    } else if (other->state != END_GONE) {
        lose(other, coming ? keep + 1 : keep);
        (void)put(net, other, PIECE_END, NULL, 0);
    }
}

/* ---- The transport's calls ------------------------------------------------------------------------------------------ */

/* "127.0.0.H:PORT" into its parts. */
static bool parse(const char *text, unsigned *host, unsigned *port)
{
    int used = 0;

    return sscanf(text, "127.0.0.%3u:%5u%n", host, port, &used) == 2 && text[used] == '\0' && *host >= 1 &&
           *host <= 255 && *port <= 65535;
}

static enum ths_err bind_endpoint(struct thsi_transport *transport, const char *endpoint, char *bound, size_t size)
{
    struct sim_transport *t = (struct sim_transport *)transport;
    unsigned host, port;

    if (strncmp(endpoint, "tcp://", 6) != 0 || !parse(endpoint + 6, &host, &port) || t->port)
        return THS_INVALID;
    if (host != t->host)
        return THS_IO;
    t->port = port ? port : 49152 + (unsigned)thsi_prng_below(&t->net->prng, 16384);
    (void)snprintf(bound, size, "tcp://127.0.0.%u:%u", host, t->port);
    return THS_OK;
}

static enum ths_err dial(struct thsi_transport *transport, const char *address, thsi_link *link)
{
    struct sim_transport *t = (struct sim_transport *)transport;
    struct thsi_simnet *net = t->net;
    unsigned host, port;
    struct wire *wire;

    if (!parse(address, &host, &port) || port == 0)
        return THS_INVALID;
    sweep(net);
    if (!(wire = calloc(1, sizeof *wire)))
        return THS_NOMEM;
    *link = ++t->last_link;
    wire->port = port;
    end_init(net, wire, 0, t->host, END_DIALING);
    end_init(net, wire, 1, host <= net->options.hosts ? host : 0, END_COMING);
    wire->end[0].link = *link;
    wire->end[0].deadline_ns = *net->options.now_ns + THSI_SIM_DIAL_NS;
    touch(net, &wire->end[0]);
    wire->next = net->wires;
    net->wires = wire;
    if (wire->end[1].host && !put(net, &wire->end[1], PIECE_DIAL, NULL, 0)) {
        wire->end[0].state = END_GONE;
        return THS_NOMEM;
    }
    return THS_OK;
}

static enum ths_err send_chunk(struct thsi_transport *transport, thsi_link link, struct thsi_chunk *chunk)
{
    struct sim_transport *t = (struct sim_transport *)transport;
    struct end *other, *end = find(t, link, &other);
    const uint8_t *at = chunk->data;
    size_t left = chunk->len;

    if (!end || other->state == END_GONE)
        return THS_CLOSED;
    if (end->state == END_DIALING || other->flying >= THSI_SIM_FLYING_MAX) {
        end->full = true;
        touch(t->net, end);
        return THS_FULL;
    }
    while (left > 0) {
        /* One piece in four is tiny: it splits headers. */
        size_t most = thsi_prng_below(&t->net->prng, 4) == 0 ? 16 : THSI_SIM_PIECE_MAX;
        size_t part = 1 + (size_t)thsi_prng_below(&t->net->prng, most);
        if (part > left)
            part = left;
        if (!put(t->net, other, PIECE_DATA, at, part)) {
            end_side(t->net, end, other, 0); /* half a frame is worse than none */
            end->state = END_OPEN;
            (void)put(t->net, end, PIECE_END, NULL, 0);
            return THS_CLOSED;
        }
        at += part;
        left -= part;
    }
    chunk->release(chunk);
    return THS_OK;
}

static void close_link(struct thsi_transport *transport, thsi_link link, bool drain)
{
    struct sim_transport *t = (struct sim_transport *)transport;
    struct end *other, *end = find(t, link, &other);

    if (end)
        end_side(t->net, end, other, drain ? SIZE_MAX - 1 : 0);
}

static void fill(struct thsi_transport_event *event, enum thsi_transport_event_type type, thsi_link link)
{
    *event = (struct thsi_transport_event){ .type = type, .link = link };
}

/* A dial arrives. False: it is refused. */
static bool arrive(struct sim_transport *t, struct wire *wire, struct thsi_transport_event *event)
{
    struct end *end = &wire->end[1];

    if (t->port != wire->port) {
        end->state = END_GONE;
        lose(end, 0);
        (void)put(t->net, &wire->end[0], PIECE_REFUSAL, NULL, 0);
        return false;
    }
    end->state = END_OPEN;
    end->link = ++t->last_link;
    (void)put(t->net, &wire->end[0], PIECE_ANSWER, NULL, 0);
    fill(event, THSI_LINK_ACCEPTED, end->link);
    (void)snprintf(event->peer, sizeof event->peer, "127.0.0.%u", wire->end[0].host);
    return true;
}

/* The host takes the first piece to @end. False: there is nothing to tell. */
static bool receive(struct sim_transport *t, struct wire *wire, struct end *end, struct thsi_transport_event *event)
{
    struct piece *piece = take(end);
    enum piece_type type = piece->type;

    touch(t->net, end);
    switch (type) {
    case PIECE_DIAL:
        free(piece);
        return arrive(t, wire, event);
    case PIECE_ANSWER:
        free(piece);
        end->state = END_OPEN;
        fill(event, THSI_LINK_DIALED, end->link);
        return true;
    case PIECE_DATA:
        t->lent = piece;
        fill(event, THSI_LINK_DATA, end->link);
        event->data = piece->bytes;
        event->len = piece->len;
        return true;
    case PIECE_REFUSAL:
    case PIECE_END:
        break;
    }
    free(piece);
    fill(event, THSI_LINK_CLOSED, end->link);
    event->refused = type == PIECE_REFUSAL;
    end->state = END_GONE;
    lose(end, 0);
    return true;
}

/* Whether @end dialed a host where no process is: the kernel there answers. */
static bool is_dead_end(const struct thsi_simnet *net, const struct end *end)
{
    const struct end *other = &end->wire->end[1];

    return end == &end->wire->end[0] && end->state == END_DIALING && other->state == END_COMING && other->head &&
           !net->transports[other->host] && !is_cut(net, end->wire);
}

static bool is_writable(struct end *end)
{
    return end->state == END_OPEN && end->full && other_of(end)->flying < THSI_SIM_FLYING_MAX / 2;
}

/* When @end is to be told something next. */
static uint64_t due(const struct thsi_simnet *net, struct end *end)
{
    uint64_t at = UINT64_MAX;

    if (end->state == END_GONE)
        return at;
    if (is_dead_end(net, end))
        at = end->wire->end[1].head->due_ns + net->options.delay_ns_min;
    if (end->head && !is_cut(net, end->wire))
        at = end->head->due_ns;
    if (end->state == END_DIALING && end->deadline_ns < at)
        at = end->deadline_ns;
    return is_writable(end) ? *net->options.now_ns : at;
}

/* The end of @host that is to be told something first; NULL: none. */
static struct end *first_due(const struct thsi_simnet *net, unsigned host, uint64_t *when_ns)
{
    struct end *first = NULL;
    uint64_t at;

    *when_ns = UINT64_MAX;
    for (struct end *end = net->ends[host]; end; end = end->next_on_host) {
        if ((at = due(net, end)) < *when_ns) {
            *when_ns = at;
            first = end;
        }
    }
    return first;
}

uint64_t thsi_simnet_deadline_ns(struct thsi_simnet *net, unsigned host)
{
    if (net->stale[host])
        (void)first_due(net, host, &net->due_ns[host]);
    net->stale[host] = false;
    return net->due_ns[host];
}

static bool next_of(struct sim_transport *t, struct thsi_transport_event *event, unsigned *from)
{
    uint64_t now = *t->net->options.now_ns, when;
    struct end *end;

    while (thsi_simnet_deadline_ns(t->net, t->host) <= now) {
        end = first_due(t->net, t->host, &when);
        *from = other_of(end)->host;
        touch(t->net, end);
        if (is_writable(end)) {
            end->full = false;
            fill(event, THSI_LINK_WRITABLE, end->link);
            return true;
        }
        if (end->state == END_DIALING && (!end->head || is_cut(t->net, end->wire) || end->head->due_ns > now)) {
            fill(event, THSI_LINK_CLOSED, end->link); /* no answer for too long, or no process to give one */
            event->refused = is_dead_end(t->net, end) && now < end->deadline_ns;
            end_side(t->net, end, other_of(end), 0);
            return true;
        }
        if (receive(t, end->wire, end, event))
            return true;
    }
    return false;
}

static bool next(struct thsi_transport *transport, struct thsi_transport_event *event)
{
    struct sim_transport *t = (struct sim_transport *)transport;
    unsigned from = 0;

    free(t->lent);
    t->lent = NULL;
    if (!next_of(t, event, &from))
        return false;
    if (t->net->options.taken)
        t->net->options.taken(t->net->options.arg, t->host, from, event);
    return true;
}

static void wait(struct thsi_transport *transport, uint64_t timeout_ns)
{
    (void)transport;
    (void)timeout_ns;
}

static void interrupt(struct thsi_transport *transport)
{
    (void)transport;
}

static size_t resolve(struct thsi_transport *transport, const char *address, char out[][64], size_t max)
{
    struct sim_transport *t = (struct sim_transport *)transport;
    unsigned host, port, hosts = t->net->options.hosts;
    size_t count = 0;
    int used = 0;

    if (max == 0)
        return 0;
    if (parse(address, &host, &port)) {
        (void)snprintf(out[0], 64, "127.0.0.%u:%u", host, port);
        return 1;
    }
    if (sscanf(address, "n%2u:%5u%n", &host, &port, &used) == 2 && address[used] == '\0' && host >= 1 && host <= hosts) {
        (void)snprintf(out[0], 64, "127.0.0.%u:%u", host, port);
        return 1;
    }
    used = 0;
    if (sscanf(address, "nodes:%5u%n", &port, &used) == 1 && used > 0 && address[used] == '\0') {
        for (; count < max && count < hosts; count++)
            (void)snprintf(out[count], 64, "127.0.0.%u:%u", (unsigned)count + 1, port);
    }
    return count;
}

/* ---- Life ----------------------------------------------------------------------------------------------------------- */

/* The transport goes; its links end after what was sent, or (@crash) after a part of it. */
static void leave(struct sim_transport *t, bool crash)
{
    struct thsi_simnet *net = t->net;

    for (struct end *end = net->ends[t->host]; end; end = end->next_on_host) {
        struct end *other = other_of(end);
        size_t flying = 0;
        if (end->state == END_GONE || end->state == END_COMING)
            continue;
        for (struct piece *piece = other->head; piece; piece = piece->next)
            flying++;
        end_side(net, end, other, crash ? (size_t)thsi_prng_below(&net->prng, flying + 1) : SIZE_MAX - 1);
    }
    net->transports[t->host] = NULL;
    touch_all(net);
    free(t->lent);
    free(t);
    sweep(net);
}

static void destroy(struct thsi_transport *transport)
{
    leave((struct sim_transport *)transport, false);
}

struct thsi_transport *thsi_simnet_transport(struct thsi_simnet *net, unsigned host)
{
    struct sim_transport *t = calloc(1, sizeof *t);

    assert(host >= 1 && host <= net->options.hosts && !net->transports[host]);
    if (!t)
        return NULL;
    t->base = (struct thsi_transport){ bind_endpoint, dial, send_chunk, close_link, next, wait, interrupt, destroy,
                                       resolve };
    t->net = net;
    t->host = host;
    net->transports[host] = t;
    touch_all(net);
    return &t->base;
}

void thsi_simnet_crash(struct thsi_simnet *net, unsigned host)
{
    if (net->transports[host])
        leave(net->transports[host], true);
}

void thsi_simnet_cut(struct thsi_simnet *net, unsigned a, unsigned b)
{
    net->cut[a][b] = net->cut[b][a] = true;
    touch_all(net);
}

void thsi_simnet_heal(struct thsi_simnet *net, unsigned a, unsigned b)
{
    uint64_t now = *net->options.now_ns;

    if (!net->cut[a][b])
        return;
    net->cut[a][b] = net->cut[b][a] = false;
    touch_all(net);
    for (struct wire *wire = net->wires; wire; wire = wire->next) { /* What was held back sets out now. */
        for (int i = 0; i < 2; i++) {
            struct end *end = &wire->end[i], *other = &wire->end[1 - i];
            uint64_t earliest = 0;
            if ((end->host != a || other->host != b) && (end->host != b || other->host != a))
                continue;
            for (struct piece *piece = end->head; piece; piece = piece->next) {
                if (piece->due_ns < now)
                    piece->due_ns = now + draw_delay(net);
                if (piece->due_ns < earliest)
                    piece->due_ns = earliest;
                earliest = end->last_ns = piece->due_ns;
            }
        }
    }
}

/* To @end comes what was on its way, up to a byte drawn from the seed, then the end. */
static void break_off(struct thsi_simnet *net, struct end *end)
{
    size_t left = (size_t)thsi_prng_below(&net->prng, end->flying + 1), keep = 0;

    for (struct piece *piece = end->head; piece && (left > 0 || piece->len == 0); piece = piece->next, keep++) {
        if (piece->len > left) {
            end->flying -= piece->len - left;
            piece->len = left;
        }
        left -= piece->len;
    }
    lose(end, keep);
    (void)put(net, end, PIECE_END, NULL, 0);
}

void thsi_simnet_break(struct thsi_simnet *net, unsigned a, unsigned b)
{
    for (struct wire *wire = net->wires; wire; wire = wire->next) {
        struct end *one = &wire->end[0], *other = &wire->end[1];
        bool between = (one->host == a && other->host == b) || (one->host == b && other->host == a);
        if (!between || one->state != END_OPEN || other->state != END_OPEN)
            continue;
        break_off(net, one);
        break_off(net, other);
    }
}

struct thsi_simnet *thsi_simnet_create(const struct thsi_simnet_options *options)
{
    struct thsi_simnet *net = calloc(1, sizeof *net);

    assert(options->hosts >= 1 && options->hosts <= THSI_SIM_HOSTS_MAX);
    if (!net)
        return NULL;
    net->options = *options;
    touch_all(net);
    thsi_prng_init(&net->prng, options->seed, UINT64_C(0x6e6574)); /* "net" */
    return net;
}

void thsi_simnet_destroy(struct thsi_simnet *net)
{
    struct wire *wire;

    if (!net)
        return;
    for (unsigned host = 1; host <= net->options.hosts; host++)
        thsi_simnet_crash(net, host);
    while ((wire = net->wires)) {
        net->wires = wire->next;
        wire_free(wire);
    }
    free(net);
}
