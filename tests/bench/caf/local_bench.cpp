// The local benches, on CAF 0.17: the same work as local.c and meet.c, for those figures that CAF can give.
// Prints "NAME VALUE UNIT" lines. Build: g++ -O2 -std=c++17 local_bench.cpp -o local_bench -lcaf_core -lpthread
// Run: ./local_bench --scheduler.max-threads=2
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "caf/all.hpp"

namespace {

using ball_atom = caf::atom_constant<caf::atom("ball")>;
using next_atom = caf::atom_constant<caf::atom("next")>;
using item_atom = caf::atom_constant<caf::atom("item")>;
using died_atom = caf::atom_constant<caf::atom("died")>;
using meet_atom = caf::atom_constant<caf::atom("meet")>;
using met_atom = caf::atom_constant<caf::atom("met")>;
using sum_atom = caf::atom_constant<caf::atom("sum")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using serve_atom = caf::atom_constant<caf::atom("serve")>;

double now_ns() {
    using namespace std::chrono;
    return static_cast<double>(duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count());
}

void report(const char *name, double value, const char *unit) {
    std::printf("%s %.3f %s\n", name, value, unit);
    std::fflush(stdout);
}

// ---- Behaviours

caf::behavior ponger(caf::event_based_actor *self) {
    return {[=](ball_atom, uint64_t left) {
        self->send(caf::actor_cast<caf::actor>(self->current_sender()), ball_atom::value, left);
    }};
}

caf::behavior pinger(caf::event_based_actor *self, caf::actor to, uint64_t times, caf::actor parent) {
    self->send(to, ball_atom::value, times);
    return {[=](ball_atom, uint64_t left) {
        if (left > 0)
            self->send(to, ball_atom::value, left - 1);
        else
            self->send(parent, done_atom::value);
    }};
}

caf::behavior sink(caf::event_based_actor *self, uint64_t total, caf::actor parent) {
    auto left = std::make_shared<uint64_t>(total);
    return {[=](item_atom, uint64_t) {
        if (--*left == 0)
            self->send(parent, done_atom::value);
    }};
}

caf::behavior sender(caf::event_based_actor *self, caf::actor to, uint64_t count) {
    return {[=](serve_atom) {
        for (uint64_t left = count; left > 0; left--)
            self->send(to, item_atom::value, left);
        self->quit();
    }};
}

caf::behavior hopper(caf::event_based_actor *self, caf::actor parent) {
    auto next = std::make_shared<caf::actor>();
    return {[=](next_atom, const caf::actor &to) { *next = to; },
            [=](ball_atom, uint64_t left) {
                if (left > 0)
                    self->send(*next, ball_atom::value, left - 1);
                else
                    self->send(parent, done_atom::value);
            },
            [=](done_atom) {
                *next = nullptr;
                self->quit();
            }};
}

caf::behavior mayfly(caf::event_based_actor *self) {
    return {[=](ball_atom, const caf::actor &parent) {
        self->send(parent, died_atom::value);
        self->quit();
    }};
}

caf::behavior brood(caf::event_based_actor *self, uint64_t times, caf::actor parent) {
    auto left = std::make_shared<uint64_t>(times);
    auto alive = std::make_shared<unsigned>(0);
    auto hatch = [=] {
        for (; *alive < 1000 && *left > 0; --*left, ++*alive)
            self->send(self->spawn(mayfly), ball_atom::value, caf::actor_cast<caf::actor>(self));
    };
    return {[=](serve_atom) { hatch(); },
            [=](died_atom) {
                if (--*alive > 0)
                    return;
                hatch();
                if (*alive == 0)
                    self->send(parent, done_atom::value);
            }};
}

caf::behavior creature(caf::event_based_actor *self, caf::actor mall, uint32_t colour) {
    auto own = std::make_shared<uint32_t>(colour);
    auto me = caf::actor_cast<caf::actor>(self);
    self->send(mall, meet_atom::value, *own);
    return {[=](met_atom, uint32_t other) {
        *own = (*own + other) % 3;
        self->send(mall, meet_atom::value, *own);
    }};
}

caf::behavior broker(caf::event_based_actor *self, uint64_t meetings, caf::actor parent) {
    struct state {
        uint64_t left;
        caf::actor waiting;
        uint32_t colour;
    };
    auto it = std::make_shared<state>(state{meetings, nullptr, 0});
    return {[=](meet_atom, uint32_t colour) {
        auto comer = caf::actor_cast<caf::actor>(self->current_sender());
        if (it->left == 0)
            return;
        if (!it->waiting) {
            it->waiting = comer;
            it->colour = colour;
            return;
        }
        self->send(it->waiting, met_atom::value, colour);
        self->send(comer, met_atom::value, it->colour);
        it->waiting = nullptr;
        if (--it->left == 0)
            self->send(parent, done_atom::value);
    }};
}

caf::behavior twig(caf::event_based_actor *self, caf::actor parent, uint64_t number, uint64_t size) {
    if (size == 1) {
        self->send(parent, sum_atom::value, number);
        return {};
    }
    for (uint64_t i = 0; i < 10; i++)
        self->spawn(twig, caf::actor_cast<caf::actor>(self), number + i * (size / 10), size / 10);
    auto left = std::make_shared<unsigned>(10);
    auto sum = std::make_shared<uint64_t>(0);
    return {[=](sum_atom, uint64_t value) {
        *sum += value;
        if (--*left > 0)
            return;
        self->send(parent, sum_atom::value, *sum);
        self->quit();
    }};
}

// ---- Benches

void wait_for(caf::scoped_actor &self, unsigned times) {
    for (unsigned i = 0; i < times; i++)
        self->receive([](done_atom) {});
}

void ping_pong(caf::actor_system &system, caf::scoped_actor &self) {
    const uint64_t times = 1000000;
    auto me = caf::actor_cast<caf::actor>(self);
    auto other = system.spawn(ponger);
    double started = now_ns();
    auto one = system.spawn(pinger, other, times, me);
    wait_for(self, 1);
    report("ping_pong", (now_ns() - started) / times, "ns");
    caf::anon_send_exit(one, caf::exit_reason::kill);
    caf::anon_send_exit(other, caf::exit_reason::kill);
}

void fan_in(caf::actor_system &system, caf::scoped_actor &self) {
    const uint64_t each = 500000;
    auto to = system.spawn(sink, 4 * each, caf::actor_cast<caf::actor>(self));
    double started = now_ns();
    for (int i = 0; i < 4; i++)
        caf::anon_send(system.spawn(sender, to, each), serve_atom::value);
    wait_for(self, 1);
    report("fan_in_4", 4 * each * 1e9 / (now_ns() - started), "msg/s");
    caf::anon_send_exit(to, caf::exit_reason::kill);
}

void ring(caf::actor_system &system, caf::scoped_actor &self) {
    const uint64_t hops = 2000000;
    std::vector<caf::actor> all;
    for (int i = 0; i < 503; i++)
        all.push_back(system.spawn(hopper, caf::actor_cast<caf::actor>(self)));
    for (size_t i = 0; i < all.size(); i++)
        caf::anon_send(all[i], next_atom::value, all[(i + 1) % all.size()]);
    double started = now_ns();
    caf::anon_send(all[0], ball_atom::value, hops);
    wait_for(self, 1);
    report("ring_503", (now_ns() - started) / hops, "ns");
    for (auto &one : all)
        caf::anon_send(one, done_atom::value);
}

void spawn_exit(caf::actor_system &system, caf::scoped_actor &self) {
    const uint64_t times = 300000;
    double started = now_ns();
    auto one = system.spawn(brood, times, caf::actor_cast<caf::actor>(self));
    caf::anon_send(one, serve_atom::value);
    wait_for(self, 1);
    report("spawn_exit", (now_ns() - started) / times, "ns");
    caf::anon_send_exit(one, caf::exit_reason::kill);
}

void chameneos(caf::actor_system &system, caf::scoped_actor &self) {
    const uint64_t meetings = 500000;
    double started = now_ns();
    auto mall = system.spawn(broker, meetings, caf::actor_cast<caf::actor>(self));
    std::vector<caf::actor> all;
    for (uint32_t i = 0; i < 100; i++)
        all.push_back(system.spawn(creature, mall, i % 3));
    wait_for(self, 1);
    report("chameneos", (now_ns() - started) / meetings, "ns");
    for (auto &one : all)
        caf::anon_send_exit(one, caf::exit_reason::kill);
    caf::anon_send_exit(mall, caf::exit_reason::kill);
}

void skynet(caf::actor_system &system, caf::scoped_actor &self) {
    double started = now_ns();
    system.spawn(twig, caf::actor_cast<caf::actor>(self), uint64_t{0}, uint64_t{1000000});
    self->receive([=](sum_atom, uint64_t sum) {
        if (sum == 499999500000)
            report("skynet_1m", (now_ns() - started) / 1e6, "ms");
    });
}

void caf_main(caf::actor_system &system) {
    caf::scoped_actor self{system};
    ping_pong(system, self);
    fan_in(system, self);
    ring(system, self);
    spawn_exit(system, self);
    chameneos(system, self);
    skynet(system, self);
}

} // namespace

CAF_MAIN()
