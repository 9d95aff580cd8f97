"""``ztrade doctor``: everything that would hurt, with the command that mends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import Record, json_option, to_json, visible
from ztrade.service.doctor import CHECKS, Result, State, examine
from ztrade.service.doctor.collect import Doors, collect


@click.command()
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show what is fine, too.")
@pass_app
def doctor(app: App, as_json: bool, verbose: bool) -> int:
    """Look for what would hurt, from the configuration to the machine's clock; exit 1 where there is any."""
    app.quiet()
    results = examine(CHECKS, collect(Doors(app.config, app.make_runtime, app.open_journal, app.units)))
    fine = all(result.state is not State.BAD for result in results)
    if as_json:
        click.echo(to_json({"fine": fine, "checks": [_record(result) for result in results]}))
    else:
        click.echo("\n".join(map(visible, _lines(results, verbose=verbose))))
    return 0 if fine else 1


def _record(result: Result) -> Record:
    return {
        "name": result.check.name,
        "about": result.check.about,
        "state": result.state,
        "reason": result.reason,
        "findings": [asdict(finding) for finding in result.findings],
    }


def _lines(results: Sequence[Result], *, verbose: bool) -> Iterator[str]:
    for result in results:
        if result.findings:
            yield from _shown(result)
        elif verbose:
            yield f"{result.state}: {result.check.name}: {result.reason or result.check.about}"
    counts = Counter(result.state for result in results)
    words = [f"{counts[state]} {state}" for state in State if counts[state]]
    yield f"{len(results)} checks: {', '.join(words)}"
    for reason in sorted({result.reason for result in results if result.reason}):
        names = [result.check.name for result in results if result.reason == reason]
        yield f"skipped, because {reason}: {', '.join(names)}"


def _shown(result: Result) -> Iterator[str]:
    for finding in result.findings:
        yield f"{'bad' if finding.hurts else 'advice'}: {result.check.name}: {finding.what}"
        yield f"    why: {finding.why}"
        yield f"    fix: {finding.fix}"
