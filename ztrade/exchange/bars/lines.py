"""Opens text files of rows, and says in one sentence why a file is not one."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ztrade.errors import DataError

#: a bar is some hundred characters; a line this long is no table, and reading it whole could eat the memory
MAX_LINE = 20_000
#: names of files that may hold rows of bars
SUFFIXES = (".csv", ".csv.gz", ".txt", ".txt.gz", ".tsv", ".tsv.gz")
#: what ``ztrade bars import`` calls the rows that it did not write
REJECTED_SUFFIX = ".rejected.csv"

_SNIFFED = 65_536
#: what programs write above a header: remarks, and the mark between fields for Excel
_REMARK = re.compile(r"#|sep=.$", re.IGNORECASE | re.MULTILINE)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def table_files(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> tuple[list[Path], list[Path]]:
    """Return the files of a directory that may hold rows, and what is passed over, both sorted by name.

    Raises:
        DataError: the directory is missing, is no directory, or may not be read.
    """
    try:
        items = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
        # a link that leads nowhere is no directory either: opening it will say so
        wanted = [item for item in items if _is_table(item, suffixes) and not item.is_dir()]
    except OSError as error:
        raise unreadable(folder, error) from error
    return wanted, [item for item in items if item not in wanted]


def _is_table(item: Path, suffixes: tuple[str, ...]) -> bool:
    name = item.name.lower()
    return name.endswith(suffixes) and not name.endswith(REJECTED_SUFFIX)


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error of a path that the system will not open."""
    if isinstance(error, FileNotFoundError):
        return DataError(str(path), "does not exist", fix="give the path of a file or directory that exists")
    if isinstance(error, PermissionError):
        return DataError(str(path), "may not be read by this user", fix="give this user the right to read it")
    if isinstance(error, IsADirectoryError):
        return DataError(str(path), "is a directory, not a file", fix="give a file")
    if isinstance(error, NotADirectoryError):
        return DataError(str(path), "is a file, not a directory", fix="give a directory")
    return DataError(
        str(path), f"cannot be read: {error.strerror or error}", fix="see that the disk and file are whole"
    )


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a UTF-8 file (or UTF-16 with its mark; gzip by the name's end) for reading, with lines as they are.

    Raises:
        DataError: it cannot be opened, is not text, or stops being text or gzip on the way.
    """
    try:
        encoding = _encoding(path)
        with _text(path, encoding) as handle:
            yield handle
    except UnicodeDecodeError as error:
        raise DataError(
            str(path), f"is not {error.encoding} text ({error.reason})", fix="save it as UTF-8 text"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(str(path), f"is not a whole gzip file: {error}", fix="compress or fetch it again") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _encoding(path: Path) -> str:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(
            str(path), "is no file but a pipe or a device", "it is read more than once", "save it to a file"
        )
    with _binary(path) as handle:
        head = handle.read(_SNIFFED)
    if head.startswith(_UTF16):
        return "utf-16"
    if b"\0" in head:
        raise DataError(str(path), "holds binary data, not text", fix="give a CSV text file")
    return "utf-8-sig"


def _binary(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if _zipped(path) else path.open("rb")


def _text(path: Path, encoding: str) -> IO[str]:
    if _zipped(path):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _zipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def rows_in(
    path: Path, handle: IO[str], delimiter: str = ",", longest: int = MAX_LINE
) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, fields) of each line that is not blank; the row number is the line an editor shows.

    Raises:
        DataError: a line is too long, or quotes are broken.
    """
    reader = csv.reader(_lines(path, handle, longest), delimiter=delimiter, strict=True)
    try:
        for fields in reader:
            if fields and (len(fields) > 1 or fields[0].strip()):
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(
            f"{path}, row {reader.line_num}", f"cannot be split into fields: {error}", fix="mend the quotes in this row"
        ) from error


def _lines(path: Path, handle: IO[str], longest: int = MAX_LINE) -> Iterator[str]:
    above = True
    for number, line in enumerate(iter(lambda: handle.readline(longest + 1), ""), start=1):
        # blank in place of remarks above the header, so that rows keep the numbers that an editor shows
        above = above and (not line.strip() or bool(_REMARK.match(line)))
        if len(line) > longest:
            raise DataError(
                f"{path}, row {number}",
                f"is longer than {longest} characters",
                "no row is: this is no table, or its line ends are gone",
                "give a CSV file with one row a line",
            )
        yield "\n" if above else line


def first_line(path: Path) -> str:
    """Return the first line that is not blank; empty where there is none.

    Raises:
        DataError: as :func:`open_text` and :func:`rows_in`.
    """
    with open_text(path) as handle:
        return next((line.strip() for line in _lines(path, handle) if line.strip()), "")


def first_rows(path: Path, delimiter: str = ",", count: int = 1) -> Sequence[list[str]]:
    """Return the fields of the first rows that are not blank; fewer where the file ends before.

    Raises:
        DataError: as :func:`open_text` and :func:`rows_in`.
    """
    found: list[list[str]] = []
    with open_text(path) as handle:
        for _, fields in rows_in(path, handle, delimiter):
            found.append(fields)
            if len(found) == count:
                break
    return found
