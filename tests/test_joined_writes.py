from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from app import joined_writes
from app.joined_writes import MOST_HELD, JoinedWrites
from app.serving_protocol import BoundedProtocol


class Recording(asyncio.Transport):
    """Notes what reaches the connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ends: list[str] = []
        self.unread: list[int] = []

    def get_write_buffer_size(self) -> int:
        return self.unread.pop(0) if self.unread else 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.ends.append("closed")

    def abort(self) -> None:
        self.ends.append("aborted")

    def is_closing(self) -> bool:
        return bool(self.ends)


@pytest.fixture
def connection() -> Recording:
    return Recording()


@pytest.fixture
async def writes(connection: Recording) -> JoinedWrites:
    return JoinedWrites(connection, asyncio.get_running_loop())


async def turn() -> None:
    await asyncio.sleep(0)


async def test_what_is_written_in_one_turn_is_one_write(writes: JoinedWrites, connection: Recording) -> None:
    writes.write(b"head, ")
    writes.write(b"body")
    await turn()

    assert connection.written == [b"head, body"]


async def test_each_turn_has_a_write_of_its_own(writes: JoinedWrites, connection: Recording) -> None:
    writes.write(b"one")
    await turn()
    writes.write(b"two")
    await turn()
    await turn()

    assert connection.written == [b"one", b"two"]


async def test_much_does_not_wait_for_the_turn_to_end(writes: JoinedWrites, connection: Recording) -> None:
    writes.write(b"head")
    writes.write(b"x" * MOST_HELD)
    assert connection.written == [b"head" + b"x" * MOST_HELD]

    writes.write(b"tail")
    await turn()

    assert connection.written[1:] == [b"tail"]


async def test_a_close_comes_after_what_was_written(writes: JoinedWrites, connection: Recording) -> None:
    writes.write(b"goodbye")
    writes.close()
    await turn()

    assert (connection.written, connection.ends) == ([b"goodbye"], ["closed"])
    assert writes.is_closing()


@pytest.mark.parametrize(
    ("unread", "ends"),
    [([9, 9], ["closed", "aborted"]), ([9, 5, 5], ["closed", "aborted"]), ([9, 5, 0], ["closed"])],
    ids=["nothing-taken", "nothing-more-taken", "all-taken"],
)
async def test_a_close_waits_for_its_reader_only_as_long_as_they_read(
    writes: JoinedWrites,
    connection: Recording,
    monkeypatch: pytest.MonkeyPatch,
    unread: list[int],
    ends: list[str],
) -> None:
    monkeypatch.setattr(joined_writes, "STANDSTILL", 0.0)
    connection.unread = unread

    writes.close()
    while unread:
        await turn()

    assert connection.ends == ends


async def test_an_abort_comes_at_once(writes: JoinedWrites, connection: Recording) -> None:
    writes.write(b"never")
    writes.abort()
    await turn()

    assert (connection.written, connection.ends) == ([], ["aborted"])


async def test_nothing_is_written_to_a_connection_that_went_away(writes: JoinedWrites, connection: Recording) -> None:
    writes.write(b"too late")
    connection.ends.append("lost")
    await turn()

    assert connection.written == []


async def test_a_buffer_may_be_used_again_after_it_was_written(writes: JoinedWrites, connection: Recording) -> None:
    buffer = bytearray(b"first")
    writes.write(buffer)
    buffer[:] = b"other"
    await turn()

    assert connection.written == [b"first"]


async def test_what_was_said_goes_out_before_a_caller_who_stops_sending_is_left(connection: Recording) -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        """Never called."""

    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None)
    config.load()
    protocol = BoundedProtocol(config, ServerState(), {})
    protocol.connection_made(connection)

    protocol.transport.write(b"an answer")
    protocol.eof_received()
    written = list(connection.written)
    protocol.connection_lost(None)

    assert written == [b"an answer"]
