"""``python -m ztrade.service.ended UNIT RESULT CODE STATUS``: note that a service ended badly; systemd's ExecStopPost=.

A unit that is always started again never counts as failed, so OnFailure= would never tell of it. This writes one line
of priority err, and a note that the keeper finds and tells. Nothing but the standard library: the restart waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

#: where notes lie until the keeper has told them; they need not outlive the machine's run
NOTES = Path("/run/ztrade/ended")
#: a mistake in the configuration: not started again, and told by ztrade-alert@
_MISTAKE = "2"


@dataclass(frozen=True, slots=True)
class Ended:
    """One end of a service as systemd.exec(5) describes it: ``watchdog``, ``killed``, ``ABRT``."""

    unit: str
    result: str
    code: str = ""
    status: str = ""

    @property
    def words(self) -> str:
        """What happened, for a person."""
        how = f"{self.code} {self.status}".strip()
        return f"{self.unit} ended: {self.result}" + (f" ({how})" if how else "")


def note(ended: Ended, folder: Path = NOTES) -> None:
    """Leave a note, whole or not at all; where it cannot be left, the line in the journal stands alone."""
    with contextlib.suppress(OSError):
        name = f"{time.monotonic_ns()}-{os.getpid()}"
        scratch = folder / f".{name}"
        scratch.write_text(json.dumps(asdict(ended)), encoding="utf-8")
        scratch.rename(folder / name)


def take(folder: Path = NOTES) -> Iterator[Ended]:
    """Yield the notes, oldest first, and remove each; one that makes no sense is dropped."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("."):
                yield from _read(path)


def _read(path: Path) -> Iterator[Ended]:
    with contextlib.suppress(OSError, ValueError, TypeError):
        said = path.read_text(encoding="utf-8")
        path.unlink()
        yield Ended(**json.loads(said))


def main(arguments: Sequence[str], folder: Path = NOTES) -> int:
    """Note it, unless it ended well; never fails: nothing may keep a service from its restart."""
    unit, result, code, status = [*arguments, "", "", "", ""][:4]
    if result and result != "success" and status != _MISTAKE:
        ended = Ended(unit, result, code, status)
        # systemd reads the priority (sd-daemon(3))
        sys.stderr.write(f"<3>{ended.words}; it is started again unless it was being stopped\n")
        note(ended, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
