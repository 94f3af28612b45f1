%% The remote benches, over Erlang's distribution, in the clear or over TLS as the nodes were started: the same work as remote.c. Prints "NAME VALUE UNIT" lines.
-module(remote_bench).
-export([server/0, client/1, receiver/2, answerer/0]).

report(Name, Value, Unit) -> io:format("~s ~.3f ~s~n", [Name, float(Value), Unit]).

now_ns() -> erlang:monotonic_time(nanosecond).

server() ->
    register(bench_server, self()),
    io:format("ready~n"),
    serve().

serve() ->
    receive
        {From, receiver, Count} -> From ! {self(), spawn(?MODULE, receiver, [From, Count])}, serve();
        {From, answerer} -> From ! {self(), spawn(?MODULE, answerer, [])}, serve();
        stop -> halt(0)
    end.

client([Server]) ->
    true = net_kernel:connect_node(Server),
    Payload = binary:copy(<<0>>, 64),
    _ = ship(Server, Payload, 50000),
    Count = 500000,
    report("remote_tell_64", Count * 1.0e9 / ship(Server, Payload, Count), "msg/s"),
    Large = binary:copy(<<0>>, 65536),
    LargeCount = 10000,
    report("remote_tell_64k", LargeCount * 65536 * 1.0e3 / ship(Server, Large, LargeCount), "MB/s"),
    {bench_server, Server} ! {self(), answerer},
    Answerer = receive {_, Pid} -> Pid end,
    ask(Answerer, Payload, 2000),
    Asks = 20000,
    Started = now_ns(),
    ask(Answerer, Payload, Asks),
    report("remote_ask_64", (now_ns() - Started) / 1000 / Asks, "us"),
    {bench_server, Server} ! stop,
    halt(0).

%% How many nanoseconds it takes.
ship(Server, Payload, Count) ->
    {bench_server, Server} ! {self(), receiver, Count},
    Receiver = receive {_, Pid} -> Pid end,
    Started = now_ns(),
    send(Receiver, Payload, 0, Count),
    receive all_here -> ok end,
    now_ns() - Started.

send(_, _, Count, Count) -> ok;
send(Receiver, Payload, Seq, Count) ->
    Receiver ! {Seq, Payload},
    send(Receiver, Payload, Seq + 1, Count).

receiver(Parent, Count) -> receive_all(Parent, 0, Count).

%% In order, or it does not match and the bench does not end.
receive_all(Parent, Count, Count) -> Parent ! all_here;
receive_all(Parent, Seq, Count) -> receive {Seq, _} -> receive_all(Parent, Seq + 1, Count) end.

ask(_, _, 0) -> ok;
ask(Answerer, Payload, Left) ->
    Answerer ! {self(), Left, Payload},
    receive {Left, _} -> ask(Answerer, Payload, Left - 1) end.

answerer() -> receive {From, Seq, Payload} -> From ! {Seq, Payload}, answerer() end.
