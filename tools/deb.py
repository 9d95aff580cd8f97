"""``python -m tools.deb``: build the Debian package.

The virtual environment is made in a staging folder and then told its final place, /opt/ztrade. Wheels come from the
lock file by hash; file times are the last commit's, so two builds of one commit give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parents[1]
#: Debian 12's own: the package's environment links to it
PYTHON = Path("/usr/bin/python3.11")
HOME = "opt/ztrade"
#: what nobody runs from a service package
_SCRIPTS = {"python", "python3", "python3.11", "ztrade", "celery"}
_MAINTAINER = ("preinst.in", "postinst", "prerm", "postrm")
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/ztrade",
    "zsh": "usr/share/zsh/vendor-completions/_ztrade",
    "fish": "usr/share/fish/vendor_completions.d/ztrade.fish",
}
#: folders of deploy/ (patterns) and where they are installed
PLACES = {
    "deploy/systemd/*.service": "usr/lib/systemd/system",
    "deploy/systemd/*.socket": "usr/lib/systemd/system",
    "deploy/systemd/*.target": "usr/lib/systemd/system",
    "deploy/systemd/*.slice": "usr/lib/systemd/system",
    "deploy/systemd/*.timer": "usr/lib/systemd/system",
    "deploy/systemd/*.d/*.conf": "usr/lib/systemd/system",
    "deploy/sysusers.d/*.conf": "usr/lib/sysusers.d",
    "deploy/tmpfiles.d/*.conf": "usr/lib/tmpfiles.d",
    "deploy/systemd/dropins/*.conf": "usr/share/doc/ztrade/dropins",
    "deploy/polkit/*.rules": "usr/share/polkit-1/rules.d",
    "deploy/sudoers/*": "usr/share/doc/ztrade/sudoers",
    "ops/nginx/*.conf": "usr/share/doc/ztrade/nginx",
    "ops/caddy/Caddyfile": "usr/share/doc/ztrade/caddy",
    # rules and templates are read where they are: an upgrade brings those that fit what it serves
    "ops/prometheus/prometheus.yml": "usr/share/ztrade/prometheus",
    "ops/prometheus/rules/*.yml": "usr/share/ztrade/prometheus/rules",
    "ops/alertmanager/alertmanager.yml": "usr/share/ztrade/alertmanager",
    "ops/alertmanager/templates/*.tmpl": "usr/share/ztrade/alertmanager/templates",
    # beside docs/, whose pages lead there
    "ops/runbooks/*.md": "usr/share/doc/ztrade/ops/runbooks",
    # Grafana reads them where they are, so that an upgrade brings the panels of its new metrics
    "ops/grafana/dashboards/*.json": "usr/share/ztrade/grafana/dashboards",
    "ops/grafana/provisioning/dashboards/*.yml": "usr/share/ztrade/grafana/provisioning/dashboards",
    "ops/grafana/provisioning/datasources/*.yml": "usr/share/ztrade/grafana/provisioning/datasources",
    # not conffiles: everybody edits them, and a question in the middle of an upgrade would keep trading down
    "deploy/config/agents/*.toml": "usr/share/ztrade/agents",
    "deploy/etc/ztrade.toml": "usr/share/ztrade",
    "deploy/redis/*.conf": "etc/ztrade/redis",
    "deploy/logrotate/ztrade": "etc/logrotate.d",
}


class BuildError(Exception):
    """The package cannot be built here; the text says why and what mends it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, and print where the package is."""
    parser = argparse.ArgumentParser(prog="make deb", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--version", default="", help="another version than the project's, for tests of upgrades")
    parser.add_argument("--compress", default="6", help="level of xz, 0 to 9, or none")
    given = parser.parse_args(arguments)
    try:
        print(build(given.out, given.version or project_version(), given.compress))
    except (BuildError, subprocess.CalledProcessError) as error:
        print(f"error: make deb: {error}", file=sys.stderr)
        return 2
    return 0


def project_version() -> str:
    """Return the version that pyproject.toml names."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def build(out: Path, version: str, compress: str = "6") -> Path:
    """Build the package into ``out`` and return its path.

    Raises:
        BuildError: this machine lacks something.
    """
    if not PYTHON.exists():
        raise BuildError(f"{PYTHON} is not there; fix: build on Debian 12, apt install python3.11")
    target = out / f"ztrade_{version}_{_said('dpkg', '--print-architecture')}.deb"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ztrade-deb-") as folder:
        stage = Path(folder)
        stage.chmod(0o755)
        environment(stage)
        files(stage, version)
        control(stage, version)
        _same_times(stage)
        compile_all(stage)
        _pack(stage, target, compress)
    return target


def epoch() -> int:
    """Return the time of the last commit: what makes two builds equal."""
    return int(_said("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))


# -- /opt/ztrade -------------------------------------------------------------------------------------------------------
def environment(stage: Path) -> None:
    """Make the virtual environment as it will be under /opt/ztrade."""
    home = stage / HOME
    python = home / "bin" / "python"
    _uv("venv", "--quiet", "--python", str(PYTHON), str(home))
    locked = stage / "requirements.txt"
    chosen = ("--extra", "embedded", "--no-dev", "--no-emit-project")
    _uv("export", "--quiet", "--frozen", *chosen, "--output-file", str(locked))
    install = ("pip", "install", "--quiet", "--no-deps", "--link-mode", "copy", "--python", str(python))
    _uv(*install, "--require-hashes", "--requirements", str(locked))
    _uv("build", "--quiet", "--wheel", "--out-dir", str(stage / "wheel"), str(ROOT))
    _uv(*install, *map(str, (stage / "wheel").glob("*.whl")))
    locked.unlink()
    shutil.rmtree(stage / "wheel")
    _at_home(home, stage)


def _at_home(home: Path, stage: Path) -> None:
    """Leave out what nobody runs or what differs between builds, and replace the staging path in scripts."""
    for script in (home / "bin").iterdir():
        if script.name not in _SCRIPTS:
            script.unlink()
        elif not script.is_symlink():
            script.write_text(script.read_text(encoding="utf-8").replace(str(stage), ""), encoding="utf-8")
            script.chmod(0o755)
    for pattern in ("direct_url.json", "uv_cache.json", "REQUESTED"):
        for file in home.rglob(pattern):
            file.unlink()
    for library in home.rglob("*.so*"):
        library.chmod(0o644)
    _without_tests(home / "lib/python3.11/site-packages")
    for record in home.rglob("RECORD"):
        _shortened(record)
    for unwanted in (
        *home.rglob("__pycache__"),
        *home.glob(".lock"),
        *home.glob(".gitignore"),
        *home.glob("CACHEDIR.TAG"),
    ):
        shutil.rmtree(unwanted) if unwanted.is_dir() else unwanted.unlink()


def _shortened(record: Path) -> None:
    """Leave out of a list of files those that are left out, and scripts, whose hashes hold the staging path."""
    base = record.parent.parent
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("..") and (base / line.partition(",")[0]).exists()]
    record.write_text("".join(kept), encoding="utf-8")


def _without_tests(packages: Path) -> None:
    """Leave out the libraries' own tests, and what makes this package."""
    for tests in (*packages.glob("*/**/tests"), packages / "tornado/test", packages / "ztrade/_share/deploy/debian"):
        shutil.rmtree(tests, ignore_errors=True)


def compile_all(stage: Path) -> None:
    """Compile everything, with the paths and times that the files will have."""
    library = stage / HOME / "lib"
    command = (str(PYTHON), "-m", "compileall", "-q", "-j", "0", "-s", str(stage), "-p", "/", str(library))
    # some wheels bring templates that are no Python: they stay uncompiled
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    _same_times(stage)


# -- the rest ----------------------------------------------------------------------------------------------------------
def files(stage: Path, version: str) -> None:
    """Put units, configuration, completion and documents in their places."""
    for pattern, place in PLACES.items():
        base = Path(pattern).parent
        while "*" in str(base):
            base = base.parent
        for source in sorted(ROOT.glob(pattern)):
            under = source.relative_to(ROOT / base) if "*.d/" in pattern else Path(source.name)
            _copy(source, stage / place / under)
    for shell, place in _COMPLETIONS.items():
        (stage / place).parent.mkdir(parents=True, exist_ok=True)
        (stage / place).write_text(completion(stage, shell), encoding="utf-8")
    (stage / "usr/bin").mkdir(parents=True)
    (stage / "usr/bin/ztrade").symlink_to("/opt/ztrade/bin/ztrade")
    _documents(stage / "usr/share/doc/ztrade", version)
    _copy(ROOT / "deploy/debian/lintian-overrides", stage / "usr/share/lintian/overrides/ztrade")


def completion(stage: Path, shell: str) -> str:
    """Return what makes a shell complete ``ztrade``'s words, as click writes it."""
    program = "from ztrade.cli.main import cli; import click.shell_completion as c, sys; "
    program += "print(c.get_completion_class(sys.argv[1])(cli, {}, 'ztrade', '_ZTRADE_COMPLETE').source())"
    return _said(str(stage / HOME / "bin/python"), "-c", program, shell) + "\n"


def _documents(place: Path, version: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "copyright").write_text(_copyright(), encoding="utf-8")
    _copy(ROOT / "README.md", place / "README.md")
    shutil.copytree(ROOT / "docs", place / "docs")
    when = _said("date", "-u", "-R", "-d", f"@{epoch()}")
    entry = f"ztrade ({version}) stable; urgency=medium\n\n  * See /usr/share/doc/ztrade/NEWS.gz.\n\n"
    entry += f" -- ztrade maintainers <maintainers@ztrade.invalid>  {when}\n"
    _zipped(place / "changelog.gz", entry)
    _zipped(place / "NEWS.gz", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


def _copyright() -> str:
    head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: ztrade\n\n"
    own = "Files: *\nCopyright: the ztrade authors\nLicense: Apache-2.0\n"
    own += " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n\n"
    others = "Files: opt/ztrade/lib/*\nCopyright: their authors\nLicense: various\n"
    others += " Each library's licence is in its .dist-info folder.\n"
    return head + own + others


def control(stage: Path, version: str) -> None:
    """Write the control folder."""
    folder = stage / "DEBIAN"
    folder.mkdir()
    words = {
        "version": version,
        "architecture": _said("dpkg", "--print-architecture"),
        "size": str(sum(file.lstat().st_size for file in _plain(stage)) // 1024),
        "revisions": " ".join(sorted(known_revisions(stage))),
    }
    for name in ("control.in", *_MAINTAINER):
        text = (ROOT / "deploy/debian" / name).read_text(encoding="utf-8")
        target = folder / name.removesuffix(".in")
        target.write_text(Template(text).substitute(words) if name.endswith(".in") else text, encoding="utf-8")
        target.chmod(0o644 if name == "control.in" else 0o755)
    conffiles = sorted(f"/{file.relative_to(stage)}" for file in (stage / "etc").rglob("*") if file.is_file())
    (folder / "conffiles").write_text("".join(f"{line}\n" for line in conffiles), encoding="utf-8")


def known_revisions(stage: Path) -> list[str]:
    """Return the journal's revisions that the staged ztrade reads."""
    program = "from ztrade.adapters.journal.upgrade import known_revisions; print(*known_revisions())"
    return _said(str(stage / HOME / "bin/python"), "-c", program).split()


def _pack(stage: Path, target: Path, compress: str) -> None:
    how = ("-Znone",) if compress == "none" else ("-Zxz", f"-z{compress}")
    command = ["dpkg-deb", "--root-owner-group", *how, "--build", str(stage), str(target)]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": str(epoch())},
    )


# -- small things ------------------------------------------------------------------------------------------------------
def _plain(stage: Path) -> Iterator[Path]:
    return (file for file in stage.rglob("*") if file.is_file() and "DEBIAN" not in file.parts)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _zipped(target: Path, text: str) -> None:
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=epoch()))


def _same_times(stage: Path) -> None:
    when = epoch()
    for path in (stage, *stage.rglob("*")):
        os.utime(path, (when, when), follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o022)


def _uv(*arguments: str) -> None:
    subprocess.run([str(ROOT / ".cache/tools/bin/uv"), *arguments], check=True, cwd=ROOT)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
