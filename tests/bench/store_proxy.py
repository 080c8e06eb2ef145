"""A proxy between a client and a store: it makes the way to the store longer and narrower, and counts requests."""

import asyncio
import collections
import threading

METHODS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")
CHUNK = 1 << 16
# The most chunks of a connection that are under way.
MOST = 1024
TICK = 0.001


class Direction:
    """One direction of a link that all connections share: bytes arrive in their order, late, and not faster than the rate."""

    def __init__(self, delay, rate):
        self.delay, self.rate, self.free_at = delay, rate, 0.0

    def arrives(self, now, length):
        """When the last of these bytes are at the other end."""
        if self.rate:
            self.free_at = max(self.free_at, now) + length / self.rate
            return self.free_at + self.delay
        return now + self.delay


class StoreProxy:
    """`delay`: of a round trip, in seconds; `rate`: bytes a second in each direction. 0: as it comes."""

    def __init__(self, port, delay=0.0, rate=0):
        self.target, self.requests = port, collections.Counter()
        self.directions = [Direction(delay / 2, rate), Direction(delay / 2, rate)]
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve(ready)), daemon=True).start()
        ready.wait()

    async def serve(self, ready):
        server = await asyncio.start_server(self.connect, "127.0.0.1", 0, limit=CHUNK)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def connect(self, reader, writer):
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        up = self.carry(reader, there_writer, self.directions[0], True)
        down = self.carry(there_reader, writer, self.directions[1], False)
        await asyncio.gather(up, down, return_exceptions=True)

    async def carry(self, reader, writer, direction, counts):
        loop, under_way, is_over = asyncio.get_running_loop(), collections.deque(), False
        arrived, delivered = asyncio.Event(), asyncio.Event()

        async def deliver():
            try:
                while under_way or not is_over:
                    if not under_way:
                        arrived.clear()
                        await arrived.wait()
                        continue
                    await asyncio.sleep(max(0, under_way[0][0] - loop.time()))
                    # With what is due soon: a sleep takes a millisecond, and stores send little at once.
                    due, parts = loop.time() + TICK, []
                    while under_way and under_way[0][0] <= due:
                        parts.append(under_way.popleft()[1])
                    writer.write(b"".join(parts))
                    await writer.drain()
                    delivered.set()
            finally:
                delivered.set()
                writer.close()

        delivery = asyncio.create_task(deliver())
        try:
            while data := await reader.read(CHUNK):
                # A client begins a request when it has the answer to the one before, so that it begins a chunk.
                if counts and data.startswith(METHODS):
                    self.requests[data.split(b" ", 1)[0].decode()] += 1
                under_way.append((direction.arrives(loop.time(), len(data)), data))
                arrived.set()
                while len(under_way) > MOST and not delivery.done():
                    delivered.clear()
                    await delivered.wait()
        except ConnectionError:
            pass
        finally:
            is_over = True
            arrived.set()
            await delivery
