"""The journal's native protocol: one datagram per entry, with fields that ``journalctl ZT_AGENT=spy`` finds.

Written out of https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ without libsystemd: a worker needs no compiled binding, and a
program without a journal needs nothing at all.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

SOCKET = "/run/systemd/journal/socket"
_WORKER = "ztrade-worker-"
#: syslog's priorities, as ``journalctl -p`` names them
PRIORITIES: Mapping[str, int] = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
#: what says nothing to a person that the journal does not say by itself
_SILENT = frozenset({"event", "level", "timestamp", "logger", "task_id", "cycle_id", "exception", "stack"})
#: fields that say in words what happened; the first that is there follows the event's name
_WORDS = ("reason", "error", "warning", "what", "after")
_FIXED_NAME = re.compile(r"[a-z][a-z0-9_.]{2,60}")
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9_]")
_LONGEST_NAME = 64
#: a text without one of these needs no quotes
_NEEDS_QUOTES = re.compile(r"[\s\"=]")
#: wall seconds that a line may wait for a journal whose queue is full; a burst passes in a fraction of it
PATIENCE = 0.5
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def is_journal(fd: int, stream: str) -> bool:
    """Tell whether ``fd`` goes to the journal: ``stream`` is what systemd says in ``$JOURNAL_STREAM``, DEVICE:INODE.

    The variable alone proves nothing: children of a service inherit it with their output sent elsewhere.
    """
    with suppress(OSError, ValueError):
        device, _, inode = stream.partition(":")
        status = os.fstat(fd)
        return (status.st_dev, status.st_ino) == (int(device), int(inode))
    return False


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the datagram: ``NAME=value`` a line, or with its length in front where the value has several lines."""
    parts = bytearray()
    for name, text in fields:
        value = text.encode("utf-8", "backslashreplace")
        if b"\n" in value:
            parts += name.encode("ascii") + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        else:
            parts += name.encode("ascii") + b"=" + value + b"\n"
    return bytes(parts)


def entry(event: Mapping[str, Any], identifier: str, code: tuple[str, int, str]) -> list[tuple[str, str]]:
    """Return the fields of one log line.

    Args:
        event: the line as an object of JSON, secrets already hidden.
        identifier: the program, as ``journalctl -t`` finds it.
        code: file, line and function that logged.
    """
    file, line, function = code
    fields = [
        # the identifier says whose worker it is
        ("MESSAGE", message({k: v for k, v in event.items() if k != "agent" or identifier != f"{_WORKER}{v}"})),
        ("PRIORITY", str(PRIORITIES.get(str(event.get("level")), 6))),
        ("SYSLOG_IDENTIFIER", identifier),
        ("CODE_FILE", file),
        ("CODE_LINE", str(line)),
        ("CODE_FUNC", function),
    ]
    name = str(event.get("event", ""))
    if _FIXED_NAME.fullmatch(name):
        fields.append(("ZT_EVENT", name))
    # what several lines are is in the message already
    named = {key: value for key, value in event.items() if key not in ("event", "level", "exception", "stack")}
    return fields + [(field_name(key), scalar(value)) for key, value in named.items() if _is_scalar(value)]


def message(event: Mapping[str, Any]) -> str:
    """Return the line for a person: what happened, in whose words, with what; a traceback below it."""
    words = next((key for key in _WORDS if event.get(key) and isinstance(event[key], str)), "")
    rest = [f"{key}={_shown(value)}" for key, value in event.items() if key not in _SILENT and key != words]
    head = str(event.get("event", "")) + (f": {event[words]}" if words else "")
    line = f"{head} ({', '.join(rest)})" if rest else head
    return "\n".join([line, *(str(event[key]) for key in ("exception", "stack") if event.get(key))])


def field_name(key: str) -> str:
    """Return the journal's spelling: ``order_id`` is ``ZT_ORDER_ID``."""
    return f"ZT_{_NOT_IN_A_NAME.sub('_', key.upper())}"[:_LONGEST_NAME]


def scalar(value: object) -> str:
    """Return a field's text; truth is spelt as JSON does."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    text = scalar(value)
    return f"{text!r}" if _NEEDS_QUOTES.search(text) or not text else text


class JournalSocket:
    """Sends entries; forked children share the socket, because each entry is one datagram.

    Args:
        path: where the journal listens; inside a service's journal namespace it is the same path.
        patience: wall seconds for one entry; none after a first wait in vain, until the journal takes one again.
    """

    def __init__(self, path: str = SOCKET, patience: float = PATIENCE) -> None:
        self._path, self._patience = path, patience
        self._socket: socket.socket | None = None

    def send(self, data: bytes) -> None:
        """Hand one entry over.

        Raises:
            OSError: the journal did not take it.
        """
        try:
            self._send(self._opened(), data)
        except OSError as error:
            if self._socket is None or error.errno not in (errno.EBADF, errno.ENOTSOCK):
                raise
            # a library closed all descriptors, ours with them; the number may be somebody else's by now
            self._socket.detach()
            self._socket = None
            self._send(self._opened(), data)

    def close(self) -> None:
        """Give the socket back; the next entry opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(self._patience)
        return self._socket

    def _send(self, sender: socket.socket, data: bytes) -> None:
        try:
            sender.sendto(data, self._path)
        except TimeoutError:
            sender.settimeout(0)
            raise
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_memory(sender, data)
        if sender.gettimeout() != self._patience:
            sender.settimeout(self._patience)

    def _send_memory(self, sender: socket.socket, data: bytes) -> None:
        """Hand over what no datagram holds, about 200 kB: the descriptor of sealed memory."""
        handle = os.memfd_create("ztrade-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(handle, "wb", buffering=0) as memory:
            left = memoryview(data)
            while left:
                left = left[memory.write(left) :]
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", memory.fileno()))
            sender.sendmsg([], [rights], 0, self._path)
