"""Whose a journal's files are: whoever makes one, the services and the operators go on using it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def share(handle: int, folder: Path) -> None:
    """Give a file that was just made in ``folder`` its group and, made by root, its owner.

    Only in a folder that is meant to be shared (set-group-id and writable by its group, as the package makes the state
    directory): root's umask would otherwise leave a journal that no service may write. By its descriptor: whoever else
    writes in the folder may have put a link to another file under its name.

    Raises:
        OSError: it is not ours to change.
    """
    told = folder.stat()
    if told.st_mode & stat.S_ISGID and told.st_mode & stat.S_IWGRP:
        os.fchmod(handle, 0o660)
        if os.geteuid() == 0:
            os.fchown(handle, told.st_uid, told.st_gid)
