"""The shipped units and confs, with the paths of a virtual environment in the place of the package's."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from ztrade.config import load_config
from ztrade.errors import ConfigError
from ztrade.service.deployed import GROUP, OUT
from ztrade.service.install.changes import Wanted
from ztrade.service.programs import PLAIN_PATH, Program, programs
from ztrade.service.share import share

#: the package's own home, which stands in every shipped file
PACKAGE = "/opt/ztrade"
_STATE, _LOGS = "var/lib/ztrade", "var/log/ztrade"
_CONFIG, _AGENTS = "etc/ztrade/ztrade.toml", "etc/ztrade/agents"
#: folders of homes, which units do not see (ProtectHome=)
_HOMES = ("/home/", "/root/", "/run/user/")
_SYSTEM = "etc/systemd/system"
#: shipped folder and pattern, and where it goes below the root
_UNITS = (
    ("systemd", "*.*", _SYSTEM),
    ("systemd", "*.d/*.conf", _SYSTEM),
    ("sysusers.d", "*.conf", "etc/sysusers.d"),
    ("tmpfiles.d", "*.conf", "etc/tmpfiles.d"),
    ("polkit", "*.rules", "etc/polkit-1/rules.d"),
    ("redis", "*.conf", "etc/ztrade/redis"),
)
_PYTHON = re.compile(r"-/usr/bin/python3\.\d+")


@dataclass(frozen=True, slots=True)
class Home:
    """A virtual environment: its folder, and the interpreter that it links to."""

    prefix: Path
    interpreter: Path

    @classmethod
    def here(cls, prefix: Path | None) -> Home:
        """Return the environment in ``prefix``, or the one that runs.

        Raises:
            ConfigError: it has no ztrade, or units could not see it.
        """
        folder = (prefix or Path(sys.prefix)).absolute()
        python = folder / "bin" / "python"
        if not (python.exists() and (folder / "bin" / "ztrade").exists()):
            raise ConfigError(str(folder), "is no virtual environment with ztrade in it", fix="--prefix DIR of one")
        interpreter = python.resolve()
        for place in (folder, interpreter):
            if not PLAIN_PATH.fullmatch(str(place)):
                raise ConfigError(
                    str(place), "has characters that units read differently",
                    fix="make one whose path has letters, digits and / . _ - + @ ~ only",
                )  # fmt: skip
            if f"{place}/".startswith(_HOMES):
                raise ConfigError(
                    str(place), "is in a home, which the services do not see", fix="make one under /opt or /srv"
                )
        return cls(folder, interpreter)

    def in_place(self, text: str) -> str:
        """Return a shipped file with this environment's paths."""
        base = self.interpreter.parent.parent
        libraries = "" if base == Path("/usr") else f" -{base}/lib"
        text = _PYTHON.sub(f"-{self.interpreter}{libraries}", text)
        return text.replace(PACKAGE, str(self.prefix))


def systemd_files(home: Home, root: Path) -> dict[Path, Wanted]:
    """Return units and what they need, below ``root``; a configuration that is there stays a person's."""
    found = {root / "etc/logrotate.d/ztrade": _shipped(home, share("deploy/logrotate/ztrade"))}
    for folder, pattern, place in _UNITS:
        base = share(f"deploy/{folder}")
        found |= {root / place / path.relative_to(base): _shipped(home, path) for path in _plain(base, pattern)}
    return found | _config_files(root, share("deploy/etc/ztrade.toml").read_text(encoding="utf-8"))


def _plain(base: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(base.glob(pattern)) if path.is_file() and path.parent.name != "dropins")


def _shipped(home: Home, path: Path) -> Wanted:
    return Wanted(home.in_place(path.read_text(encoding="utf-8")))


def _config_files(root: Path, main: str) -> dict[Path, Wanted]:
    wanted = {root / _CONFIG: Wanted(main)}
    for path in sorted(share("deploy/config/agents").glob("*.toml")):
        wanted[root / _AGENTS / path.name] = Wanted(path.read_text(encoding="utf-8"))
    # agents that a person has taken away are not brought back, either
    return {} if (root / _CONFIG).exists() else wanted


def supervisor_files(home: Home, root: Path) -> dict[Path, Wanted]:
    """Return one file with a program per agent, and what they need, below ``root``.

    Raises:
        ConfigError: the configuration that is there is wrong.
    """
    shipped = share("deploy/config/ztrade.toml").read_text(encoding="utf-8")
    wanted = _config_files(root, f'state_dir = "/{_STATE}"\n\n{shipped}\n[log]\ndirectory = "/{_LOGS}"\n')
    wanted[root / "etc/logrotate.d/ztrade"] = _shipped(home, share("deploy/logrotate/ztrade"))
    there = root / _CONFIG
    config = load_config(there if there.exists() else share("deploy/config/ztrade.toml")).with_state(Path(f"/{_STATE}"))
    dry = any(agent.dry_run for agent in config.agents.values())
    found = list(programs(config, exchange_args=(), with_exchange=dry, with_flower=True, with_beat=True))
    group = f"[group:{GROUP}]\nprograms = {','.join(program.name for program in found)}\n"
    head = (
        "; Written by `ztrade deploy supervisor`: after a change of agents run it again, then `supervisorctl update`.\n"
    )
    texts = [head, *(_program(home, program) for program in found), group, _listener(home)]
    wanted[root / "etc/supervisor/conf.d/ztrade.conf"] = Wanted("\n".join(texts))
    return wanted


def _program(home: Home, program: Program) -> str:
    return _filled(
        home,
        "installed.conf.in",
        program.command,
        name=program.name,
        priority=program.priority,
        startsecs=program.start_seconds,
        stopwaitsecs=int(program.stop_wait.total_seconds()),
    )


def _listener(home: Home) -> str:
    command = (str(home.prefix / "bin/python"), "-m", "ztrade.service.listener", "--deployed")
    return _filled(home, "installed-listener.conf.in", command)


def _filled(home: Home, file: str, command: Sequence[str], **more: object) -> str:
    template = Template(share(f"deploy/supervisor/{file}").read_text(encoding="utf-8"))
    words = shlex.join(command).replace(sys.prefix, str(home.prefix)).replace("%", "%%")
    usual = {"user": "ztrade", "config": f"/{_CONFIG}", "state": f"/{_STATE}", "out": str(OUT)}
    return template.substitute(usual, command=words, **more)
