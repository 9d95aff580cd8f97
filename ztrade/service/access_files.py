"""The logins of ztrade's own Redis as files: made once, handed to units by systemd, and told to a Redis that runs."""

from __future__ import annotations

import fcntl
import grp
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ztrade.config import AGENT_NAME, OPERATORS_LOGIN, Config, load_main
from ztrade.config_credentials import login_in
from ztrade.config_files import AGENT_FILES
from ztrade.domain.agent import canonical_name
from ztrade.errors import ConfigError
from ztrade.service.access import ADMIN, OPERATOR, acl_lines, users
from ztrade.service.names import worker_role

#: ztrade's own Redis (deploy/redis/redis.conf); the logins are for it and for no other
URL = "redis+socket:///run/ztrade-redis/redis.sock"

#: wall seconds for Redis to take one user's rights
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files lie, and which groups read them; -1 leaves them as they are made.

    Attributes:
        logins: a file per role, root's alone: LoadCredential= hands each unit its own.
        operators: the one for people in group ztrade-operators.
        acl: what Redis reads when it starts.
    """

    logins: Path
    operators: Path
    acl: Path
    url: str = URL
    redis_gid: int = -1
    operators_gid: int = -1


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a renewal did: the users there are, whose logins are new, whose rights a running Redis was told."""

    users: Sequence[str]
    made: Sequence[str]
    told: Sequence[str]


def deployed(path: Path) -> Place:
    """Return the places of an installed ztrade, whose main file is at ``path``.

    Raises:
        ConfigError: this user is not root, or the groups of the services are missing.
    """
    if os.geteuid() != 0:
        raise ConfigError("redis-acl", "writes logins that only root may read", fix="sudo ztrade redis-acl")
    try:
        groups = [grp.getgrnam(name).gr_gid for name in ("ztrade-redis", "ztrade-operators")]
    except KeyError as error:
        raise ConfigError("redis-acl", f"the services' groups are missing: {error}", fix="systemd-sysusers") from None
    etc = path.parent
    return Place(etc / "credentials/redis", OPERATORS_LOGIN, etc / "redis/users.acl", URL, *groups)


def renew_deployed(path: Path) -> Renewed:
    """Make the logins that are missing for the agents whose files lie beside the main file at ``path``.

    Raises:
        ConfigError: as :func:`deployed`, or the main file is wrong.
    """
    config = load_main(path)
    return renew(deployed(path), agent_names(config), control=config.main.flower.control)


def renew(place: Place, agents: Mapping[str, str], *, control: bool) -> Renewed:
    """Make missing logins, drop those of agents that are gone, and let Redis know; two at once wait for each other.

    Args:
        agents: their names by the stems of their files, which are what units are named after.
        control: whether Flower may send and revoke tasks.

    Raises:
        ConfigError: a file cannot be written, or a Redis that runs does not take it.
    """
    wanted = list(users(set(agents.values()), control=control))
    files = {user.name: place.logins / user.name for user in wanted}
    try:
        with _alone(place.logins):
            made = [name for name in files if _ensure(place, name, files[name])]
            _ensure_copies(place, agents)
            passwords = {name: _password(file) for name, file in files.items()}
            before = place.acl.read_text(encoding="utf-8").splitlines() if place.acl.exists() else []
            lines = list(acl_lines(wanted, passwords))
            _write(place.acl, "\n".join([*lines, ""]), 0o640, gid=place.redis_gid)
    except OSError as error:
        raise ConfigError(str(error.filename or place.logins), f"cannot be written: {error.strerror}") from None
    try:
        return Renewed(list(files), made, _tell(place, before, lines))
    except ConfigError:
        # what Redis has not heard is not there: the next start makes it, and says it, again
        for name in made:
            files[name].unlink(missing_ok=True)
        raise


def agent_names(config: Config) -> Mapping[str, str]:
    """Return the agents' names by the stems of their files, unread: a mistake in one of them is nobody else's."""
    stems = [file.stem for file in sorted((config.path.parent / config.main.agents_dir).glob(AGENT_FILES))]
    return {stem: canonical_name(stem) for stem in stems if AGENT_NAME.fullmatch(canonical_name(stem))}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _ensure(place: Place, name: str, file: Path) -> bool:
    """Make the login where there is none; tells whether it did."""
    if _password(file):
        return False
    scheme, rest = place.url.split("://")
    _write(file, f"{scheme}://{name}:{secrets.token_urlsafe(32)}@{rest}\n", 0o600)
    return True


def _ensure_copies(place: Place, agents: Mapping[str, str]) -> None:
    """Give operators theirs, and units of agents that are spelt ``agent_spy`` theirs; drop what nobody has any more."""
    _write(place.operators, (place.logins / OPERATOR).read_text(encoding="utf-8"), 0o640, gid=place.operators_gid)
    for stem, name in agents.items():
        if stem != name:
            login = (place.logins / worker_role(name)).read_text(encoding="utf-8")
            _write(place.logins / worker_role(stem), login, 0o600)
    known = {worker_role(name) for pair in agents.items() for name in pair}
    for file in place.logins.glob(worker_role("*")):
        if file.name not in known:
            file.unlink()


def _password(file: Path) -> str:
    login = login_in(file)
    return login.password if login else ""


def _write(path: Path, text: str, mode: int, *, gid: int = -1) -> None:
    """Write a file whole or not at all, with its group and mode before its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(handle, mode)
        os.fchown(handle, -1, gid)
    scratch.replace(path)


def _tell(place: Place, before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    """Tell a Redis that runs what changed; returns whose rights.

    User by user: loading the whole file would cut every connection.
    """
    old, new = ({line.split()[1]: line.split()[2:] for line in lines} for lines in (before, after))
    changed = {name: rules for name, rules in new.items() if rules != old.get(name)}
    gone = [name for name in old if name not in new]
    if not changed and not gone:
        return []
    commands = [("SETUSER", name, "reset", *rules) for name, rules in changed.items()]
    commands += [("DELUSER", *gone)] if gone else []
    return [*changed, *gone] if _said(place, commands) else []


def _said(place: Place, commands: Sequence[Sequence[str]]) -> bool:
    """Say it to Redis; False where none runs: it reads the file when it starts."""
    from redis import Redis, exceptions  # 0.2 s that a start at which nothing is new need not wait

    from ztrade.service import broker

    admin = login_in(place.logins / ADMIN)
    user, password = admin.pair if admin else ("", "")
    url = broker.to_redis_py(place.url)
    with closing(Redis.from_url(url, username=user, password=password, socket_timeout=PATIENCE)) as connection:
        try:
            for command in commands:
                connection.execute_command("ACL", *command)  # type: ignore[no-untyped-call]
        except broker.REFUSED as error:
            raise ConfigError(
                "ztrade-redis", f"does not take the logins: {broker.one_line(error)}",
                fix="systemctl restart ztrade.target: it reads them when it starts",
            ) from None  # fmt: skip
        except (exceptions.BusyLoadingError, exceptions.TimeoutError) as error:
            # it has read the file as it was before, and does not listen yet
            raise ConfigError("ztrade-redis", f"has not taken the logins yet: {error}", fix="start it again") from None
        except (exceptions.RedisError, OSError):
            return False
    return True
