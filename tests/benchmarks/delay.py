"""A relay that holds every request back for a while, and writes down from when to when it was waited for.

It is a process of its own, ``python -m tests.benchmarks.delay LISTEN_PORT PORT SECONDS NOTES``: inside the measured one
it would take its share of the processor. The machine's monotonic clock is the same in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.benchmarks.places import free_port, process

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Relay:
    """Where to connect, and what was waited for: (sent, answered) in seconds of ``time.monotonic``."""

    port: int
    notes: Path

    def waits(self) -> Sequence[tuple[float, float]]:
        """Return all waits so far, in order of their beginning."""
        lines = self.notes.read_text(encoding="ascii").splitlines()
        return sorted((float(sent), float(answered)) for sent, answered in map(str.split, lines))


@contextlib.contextmanager
def relay(port: int, seconds: float, folder: Path) -> Iterator[Relay]:
    """Relay a port of 127.0.0.1; what clients send arrives ``seconds`` later, answers come at once."""
    made = Relay(free_port(), folder / "waits.txt")
    command = [sys.executable, "-m", "tests.benchmarks.delay", str(made.port), str(port), str(seconds)]
    with process([*command, str(made.notes)], folder / "relay.log"):
        deadline = time.monotonic() + 20
        while not _listens(made.port):
            if time.monotonic() > deadline:
                raise RuntimeError((folder / "relay.log").read_text())
            time.sleep(0.02)
        yield made


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(slots=True)
class _Line:
    """One connection; ``sent`` is when the request began that is not answered yet."""

    far: int
    seconds: float
    notes: TextIO
    sent: float = 0.0
    answered: bool = True

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far)
        await asyncio.gather(self._there(reader, far_writer), self._back(far_reader, writer), return_exceptions=True)

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.answered:
                self.sent, self.answered = time.monotonic(), False
            await asyncio.sleep(self.seconds)
            writer.write(data)
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            # a long answer comes in parts: each part makes the same wait longer
            self.answered = True
            self.notes.write(f"{self.sent!r} {time.monotonic()!r}\n")
            writer.write(data)
        writer.close()


async def _serve(listen: int, port: int, seconds: float, notes: TextIO) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Line(port, seconds, notes).run(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", listen)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), Path(sys.argv[4]).open("w", buffering=1, encoding="ascii") as out:
        asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), out))
