"""Twin of journald: a datagram socket that reads the native protocol back."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Self

#: wall seconds to wait for an entry that must come
_PATIENCE = 5.0


def decoded(data: bytes) -> dict[str, str]:
    """Return an entry's fields; of a field that comes twice, the last.

    Raises:
        ValueError: the journal would drop it.
    """
    fields: dict[str, str] = {}
    while data:
        line, newline, rest = data.partition(b"\n")
        if not newline:
            raise ValueError(f"a line without end: {line!r}")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", rest)
            value, end, rest = rest[8 : 8 + length], rest[8 + length : 9 + length], rest[9 + length :]
            if end != b"\n":
                raise ValueError(f"{name!r} is not as long as it says")
        fields[name.decode("ascii")] = value.decode()
        data = rest
    return fields


class Journald:
    """Listens at ``path`` and keeps what comes in the kernel's queue until it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, as a journal that is being restarted."""
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def entries(self, count: int) -> list[dict[str, str]]:
        """Return the next ``count`` entries. Raises TimeoutError."""
        return [decoded(self._receive()) for _ in range(count)]

    def _receive(self) -> bytes:
        data, handles, _, _ = socket.recv_fds(self._socket, 1 << 20, 1)
        if not handles:
            return data
        with os.fdopen(handles[0], "rb") as memory:
            memory.seek(0)
            return memory.read()
