"""The layers of docs/reference/architecture.md are held by lint rules, and these rules bite."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

#: what computes, and neither reads nor writes anything
COMPUTING = {
    "__future__", "array", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum",
    "functools", "heapq", "html", "itertools", "math", "re", "string", "typing", "uuid", "zoneinfo",
}  # fmt: skip
PURE: Mapping[str, set[str]] = {
    "ztrade/domain": COMPUTING,
    "ztrade/strategies": COMPUTING | {"numpy", "talib"},
    "ztrade/exchange/core": COMPUTING,
}
#: what needs no import to act; a random id differs from run to run
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "uuid1", "uuid4"}


def strangers(folder: Path, allowed: set[str]) -> Iterator[str]:
    """Yield what a pure package uses and may not."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            roots = {name.partition(".")[0] for name in imported(node)} - allowed - {"ztrade"}
            yield from (f"{path.name}: {found}" for found in sorted(roots | called(node) & IMPURE_CALLS))


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def called(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.Call):
        return set()
    # an attribute may be anybody's method: the ids alone are meant wherever they come from
    attributes = {node.func.attr} & {"uuid1", "uuid4"} if isinstance(node.func, ast.Attribute) else set()
    return {node.func.id} if isinstance(node.func, ast.Name) else attributes


@pytest.mark.parametrize("package", PURE)
def test_the_core_uses_nothing_that_acts(package: str) -> None:
    """Domain, strategies and matching core import only what computes: no files, no sockets, no clock, no chance."""
    assert list(strangers(ROOT / package, PURE[package])) == []


def test_a_stranger_would_be_seen(tmp_path: Path) -> None:
    """The search above can find something."""
    (tmp_path / "bad.py").write_text("import os\nfrom random import random\nopen('x')\nuuid.uuid4()\n")
    assert list(strangers(tmp_path, COMPUTING)) == ["bad.py: os", "bad.py: random", "bad.py: open", "bad.py: uuid4"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("ztrade/service/new.py", "import os\n\nHOME = os.environ['HOME']\n"),
        ("ztrade/cli/new.py", "from os import getenv\n\nHOME = getenv('HOME')\n"),
        ("ztrade/app/new.py", "from datetime import UTC, datetime\n\nNOW = datetime.now(UTC)\n"),
        ("ztrade/adapters/journal/new.py", "import time\n\nNOW = time.time()\n"),
    ],
)
def test_environment_and_clock_have_one_place_each(file: str, line: str) -> None:
    """Read anywhere else than in config and in adapters/clock, ruff refuses the line; there it does not."""
    elsewhere = "ztrade/config.py" if "env" in line else "ztrade/adapters/clock/system.py"
    assert "TID251" in ruff(file, line)
    assert "TID251" not in ruff(elsewhere, line)


def ruff(file: str, text: str) -> str:
    command = [str(BIN / "ruff"), "check", "--no-cache", "--output-format=concise", "--stdin-filename", file, "-"]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False).stdout


PLANTED = {
    "ztrade/domain/planted.py": "import socket\n",
    "ztrade/app/planted.py": "import time\n\nimport celery\n\nimport ztrade.adapters.halts\n",
    "ztrade/adapters/planted.py": "import alpaca\n\nimport sqlalchemy\n\nimport ztrade.adapters.journal\n",
    "ztrade/stray.py": "import ztrade.domain\n",
}


def test_each_contract_on_imports_bites(tmp_path: Path) -> None:
    """Modules that break them, a module without a layer among them, break every contract of pyproject.toml."""
    shutil.copytree(ROOT / "ztrade", tmp_path / "ztrade", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in PLANTED.items():
        (tmp_path / name).write_text(text)
    command = [str(BIN / "lint-imports"), "--no-cache"]
    # the package of this directory, not the installed one
    found = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert " KEPT" not in found.stdout, found.stdout
    assert found.stdout.count(" BROKEN") == 7, found.stdout + found.stderr
