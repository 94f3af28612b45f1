// The remote benches, over CAF 0.17's middleman in the clear: the same work as remote.c, for tells and asks of 64 bytes.
// Prints "NAME VALUE UNIT" lines. Build: g++ -O2 -std=c++17 remote_bench.cpp -o remote_bench -lcaf_io -lcaf_core -lpthread
// Run: ./remote_bench server, which says its port and ends with its input; then ./remote_bench client PORT.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "caf/all.hpp"
#include "caf/io/all.hpp"

namespace {

using cargo_atom = caf::atom_constant<caf::atom("cargo")>;
using expect_atom = caf::atom_constant<caf::atom("expect")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using ask_atom = caf::atom_constant<caf::atom("ask")>;

double now_ns() {
    using namespace std::chrono;
    return static_cast<double>(duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count());
}

struct receiver_state {
    caf::actor reply_to;
    uint64_t wanted = 0, got = 0;
};

// Counts what is sent and checks its order; answers when all of it is there. Also answers asks.
caf::behavior receiver(caf::stateful_actor<receiver_state> *self) {
    return {[=](expect_atom, uint64_t count, const caf::actor &reply_to) {
                self->state = {reply_to, count, 0};
            },
            [=](cargo_atom, uint64_t seq, const std::string &) {
                if (seq != self->state.got)
                    std::exit(1);
                if (++self->state.got == self->state.wanted)
                    self->send(self->state.reply_to, done_atom::value);
            },
            [=](ask_atom, uint64_t seq, const std::string &data) {
                return caf::make_message(seq, data);
            }};
}

double ship(caf::scoped_actor &self, const caf::actor &to, const std::string &payload, uint64_t count) {
    double started = now_ns();

    self->send(to, expect_atom::value, count, caf::actor_cast<caf::actor>(self));
    for (uint64_t seq = 0; seq < count; seq++)
        self->send(to, cargo_atom::value, seq, payload);
    self->receive([](done_atom) {});
    return now_ns() - started;
}

double ask(caf::scoped_actor &self, const caf::actor &to, const std::string &payload, uint64_t count) {
    double started = now_ns();

    for (uint64_t seq = 0; seq < count; seq++)
        self->request(to, caf::infinite, ask_atom::value, seq, payload)
            .receive([](uint64_t, const std::string &) {}, [](const caf::error &) { std::exit(1); });
    return now_ns() - started;
}

int serve(caf::actor_system &system) {
    auto port = system.middleman().publish(system.spawn(receiver), 0, "127.0.0.1");

    if (!port)
        return 1;
    std::printf("%u\n", static_cast<unsigned>(*port));
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return 0;
}

int measure(caf::actor_system &system, uint16_t port) {
    auto to = system.middleman().remote_actor("127.0.0.1", port);
    caf::scoped_actor self{system};
    const std::string payload(64, '\0');
    const uint64_t tells = 200000, asks = 10000;

    if (!to)
        return 1;
    (void)ship(self, *to, payload, tells / 10);
    std::printf("remote_tell_64 %.3f msg/s\n", static_cast<double>(tells) * 1e9 / ship(self, *to, payload, tells));
    (void)ask(self, *to, payload, asks / 10);
    std::printf("remote_ask_64 %.3f us\n", ask(self, *to, payload, asks) / 1000 / static_cast<double>(asks));
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    caf::actor_system_config config;

    config.load<caf::io::middleman>();
    config.set("scheduler.max-threads", std::size_t{2});
    caf::actor_system system{config};
    int status = argc == 3 ? measure(system, static_cast<uint16_t>(std::atoi(argv[2]))) : serve(system);

    std::fflush(stdout);
    std::_Exit(status); // the published actor would keep the system alive
}
