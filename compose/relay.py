"""Stands before the proxy while it takes up another configuration (x-reload in proxy.yaml).

Runs in the proxy's network. The kernel prefers a listener on the container's own addresses to
the proxy's on all of them, so new connections come here; they wait until the proxy has changed,
and are then handed on to it. The reload says when, to a port on loopback: "begin", which is answered with
"ready" as soon as connections come here, and "end". Takes no connection after that, leaves that port to
the next relay, and runs until the last connection that it took has ended.
"""

import asyncio
import contextlib
import socket
import sys

port, control = (int(one) for one in sys.argv[1:3])
begin_seconds, hold_seconds = 60, 15
connect_seconds = 10


async def pour(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()  # so that the other direction ends too


async def to_proxy():
    """@raises OSError where the proxy takes no connection for connect_seconds"""
    loop = asyncio.get_running_loop()
    until = loop.time() + connect_seconds
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if loop.time() > until:
                raise
            await asyncio.sleep(0.2)


async def hand_on(connection, changed):
    await changed.wait()
    # A client that vanished without a word must not keep this program.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client = await asyncio.open_connection(sock=connection)
    try:
        proxy = await to_proxy()
    except OSError as error:
        print(f"expected a connection to the proxy, got {error}", file=sys.stderr, flush=True)
        client[1].transport.abort()
        return
    await asyncio.gather(pour(client[0], proxy[1]), pour(proxy[0], client[1]))
    for _, writer in (client, proxy):
        writer.close()


def listen():
    own = socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM)
    for family, _, _, _, address in own:
        listener = socket.socket(family, socket.SOCK_STREAM)
        # The proxy's listener has it too; without it nothing else may listen next to it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(1024)
        yield listener


async def main():
    reported, listening = asyncio.Queue(), asyncio.Event()

    async def tell(reader, writer):
        word = (await reader.readline()).strip()
        reported.put_nowait(word)
        if word == b"begin":
            await listening.wait()
            writer.write(b"ready\n")
        writer.close()

    async def ended():
        while await reported.get() != b"end":
            pass  # a reload that got no answer in time says "begin" again

    server = await asyncio.start_server(tell, "127.0.0.1", control)
    if await asyncio.wait_for(reported.get(), begin_seconds) != b"begin":
        return  # it came too late
    changed, connections = asyncio.Event(), set()

    def accept(listener):
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                connections.add(asyncio.create_task(hand_on(connection, changed)))

    listeners = list(listen())
    for listener in listeners:
        asyncio.get_running_loop().add_reader(listener, accept, listener)
    listening.set()
    with contextlib.suppress(TimeoutError):  # a reload that was killed sends nothing
        await asyncio.wait_for(ended(), hold_seconds)
    changed.set()
    server.close()  # this program may run for hours yet, and the next reload has a relay of its own
    for listener in listeners:
        accept(listener)  # the last ones: what waits in a listener that closes is reset
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()
    if connections:
        await asyncio.wait(connections)


asyncio.run(main())
