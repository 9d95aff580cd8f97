"""What systemd hears of a service (sd_notify(3)): that it is ready, what it does, that it lives.

One datagram per call, sent and forgotten: a service manager that does not listen must stop nothing.
"""

from __future__ import annotations

import contextlib
import socket

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class Notifier:
    """Sends to one socket.

    Args:
        address: its path, or ``@NAME`` of an abstract one (unix(7)); empty: nobody listens, nothing is sent.
    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def __bool__(self) -> bool:
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """Send some of ``READY``, ``ALIVE``, ``STOPPING`` and what the functions below return."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out,
        ):
            out.sendto("\n".join(lines).encode(), self._address)


def status(text: str) -> str:
    """Return the line that ``systemctl status`` shows."""
    return f"STATUS={' '.join(text.split())}"


def extend(seconds: float) -> str:
    """Return the wish that a start or a stop may last so many more wall seconds from now."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}"
