%% The local benches, on the BEAM: the same work as local.c, meet.c and million.c. Prints "NAME VALUE UNIT" lines.
-module(local_bench).
-export([run/1, ponger/0, hopper/1, sink/3, sender/3, creature/2, twig/3, idler/0]).

report(Name, Value, Unit) -> io:format("~s ~.3f ~s~n", [Name, float(Value), Unit]).

now_ns() -> erlang:monotonic_time(nanosecond).

run(Names) ->
    [bench(Name) || Name <- Names],
    halt(0).

bench(ping_pong) ->
    Ponger = spawn(?MODULE, ponger, []),
    rally(Ponger, 100000),
    Times = 1000000,
    Started = now_ns(),
    rally(Ponger, Times),
    report("ping_pong", (now_ns() - Started) / Times, "ns"),
    exit(Ponger, kill);
bench(ping_pong_pinned) ->
    Self = self(),
    spawn_opt(fun() ->
        Ponger = spawn_opt(?MODULE, ponger, [], [{scheduler, 2}]),
        rally(Ponger, 10000),
        Times = 200000,
        Started = now_ns(),
        rally(Ponger, Times),
        Self ! {took, (now_ns() - Started) / Times},
        exit(Ponger, kill)
    end, [{scheduler, 1}]),
    receive {took, Ns} -> report("ping_pong_pinned", Ns, "ns") end;
bench(fan_in_4) ->
    fan_in("fan_in_4");
bench(fan_in_4_one_worker) -> % run with one scheduler
    fan_in("fan_in_4_one_worker");
bench(chameneos) ->
    Self = self(),
    Meetings = 500000,
    [spawn(?MODULE, creature, [Self, Colour rem 3]) || Colour <- lists:seq(1, 100)],
    Started = now_ns(),
    mall(Meetings),
    report("chameneos", (now_ns() - Started) / Meetings, "ns");
bench(skynet_1m) ->
    Self = self(),
    Started = now_ns(),
    spawn(?MODULE, twig, [Self, 0, 1000000]),
    receive {sum, 499999500000} -> report("skynet_1m", (now_ns() - Started) / 1.0e6, "ms") end;
bench(ring_503) ->
    Hops = 2000000,
    First = spawn(?MODULE, hopper, [self()]),
    Last = lists:foldl(fun(_, Next) ->
                           Pid = spawn(?MODULE, hopper, [self()]),
                           Pid ! {next, Next},
                           Pid
                       end, First, lists:seq(2, 503)),
    First ! {next, Last},
    Started = now_ns(),
    First ! {ball, Hops},
    receive done -> ok end,
    report("ring_503", (now_ns() - Started) / Hops, "ns");
bench(spawn_exit) ->
    Times = 300000,
    Started = now_ns(),
    broods(Times),
    report("spawn_exit", (now_ns() - Started) / Times, "ns");
bench(million) ->
    Count = 1000000,
    erlang:garbage_collect(),
    Before = resident(),
    Started = now_ns(),
    Pids = idlers(Count, []),
    report("create_1m", (now_ns() - Started) / Count, "ns"),
    report("idle_actor", (resident() - Before) / Count, "bytes"),
    Again = now_ns(),
    [Pid ! {nudge, self()} || Pid <- Pids],
    [receive nudged -> ok end || _ <- Pids],
    report("message_1m", (now_ns() - Again) / Count, "ns"),
    [exit(Pid, kill) || Pid <- Pids].

fan_in(Name) ->
    Each = 500000,
    Total = 4 * Each,
    Sink = spawn_opt(?MODULE, sink, [self(), Total, 0], [{message_queue_data, on_heap}]),
    Started = now_ns(),
    [spawn(?MODULE, sender, [Sink, self(), Each]) || _ <- lists:seq(1, 4)],
    receive all_here -> ok end,
    report(Name, Total * 1.0e9 / (now_ns() - Started), "msg/s").

rally(_, 0) -> ok;
rally(Ponger, Left) ->
    Ponger ! {self(), Left},
    receive Left -> rally(Ponger, Left - 1) end.

ponger() ->
    receive {From, Ball} -> From ! Ball, ponger() end.

sink(Parent, 0, _) -> Parent ! all_here;
sink(Parent, Left, Sum) -> receive {item, N} -> sink(Parent, Left - 1, Sum + N) end.

sender(_, _, 0) -> ok;
sender(Sink, Parent, Left) ->
    Sink ! {item, Left},
    sender(Sink, Parent, Left - 1).

mall(0) -> ok;
mall(Left) ->
    receive {meet, One, ColourOne} -> ok end,
    receive {meet, Other, ColourOther} -> ok end,
    One ! {met, ColourOther},
    Other ! {met, ColourOne},
    mall(Left - 1).

creature(Mall, Colour) ->
    Mall ! {meet, self(), Colour},
    receive {met, Other} -> creature(Mall, (Colour + Other) rem 3) end.

twig(Parent, Number, 1) -> Parent ! {sum, Number};
twig(Parent, Number, Size) ->
    Self = self(),
    Each = Size div 10,
    [spawn(?MODULE, twig, [Self, Number + I * Each, Each]) || I <- lists:seq(0, 9)],
    Parent ! {sum, lists:sum([receive {sum, Sum} -> Sum end || _ <- lists:seq(1, 10)])}.

hopper(Parent) ->
    receive {next, Next} -> hopper(Parent, Next) end.
hopper(Parent, Next) ->
    receive
        {ball, 0} -> Parent ! done, hopper(Parent, Next);
        {ball, Left} -> Next ! {ball, Left - 1}, hopper(Parent, Next)
    end.

%% A thousand lives at a time: each gets one message, answers and ends.
broods(0) -> ok;
broods(Left) ->
    Self = self(),
    [spawn(fun() -> receive {live, Parent} -> Parent ! died end end) ! {live, Self} || _ <- lists:seq(1, 1000)],
    [receive died -> ok end || _ <- lists:seq(1, 1000)],
    broods(Left - 1000).

idler() ->
    receive {nudge, From} -> From ! nudged, idler() end.

idlers(0, Pids) -> Pids;
idlers(Left, Pids) ->
    idlers(Left - 1, [spawn(?MODULE, idler, []) | Pids]).

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(binary_to_list(Text), " "),
    list_to_integer(Pages) * 4096.
