"""What holds for every test."""

from __future__ import annotations

import signal

# a shell without job control starts what runs in the background with SIGINT ignored, and children inherit that: the
# tests that press Ctrl-C would wait for ever
signal.signal(signal.SIGINT, signal.default_int_handler)
