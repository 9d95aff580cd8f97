"""``ztrade bars``: bring bars of other layouts into ours, and check a directory of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, tzinfo
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ztrade.adapters.calendar import NyseCalendar
from ztrade.cli.options import PATH
from ztrade.cli.output import Record, json_option, to_json
from ztrade.domain.types import Bars
from ztrade.errors import ConfigError, DataError
from ztrade.exchange.bars.columns import Wanted
from ztrade.exchange.bars.completeness import check_bars
from ztrade.exchange.bars.importer import import_bars
from ztrade.exchange.bars.reader import load_directory
from ztrade.exchange.bars.records import Conflict, Finding, Label, Options, Report, Series, Source
from ztrade.exchange.bars.sessions import new_york
from ztrade.exchange.bars.source import SYMBOL
from ztrade.exchange.bars.stamps import DateOrder, zone_named
from ztrade.exchange.bars.writing import bars_file, rejected_file, write_report

SPANS = {"1m": timedelta(minutes=1), "5m": timedelta(minutes=5)}
#: a pipe has no width; examples should not be folded there more than needed
_PIPE_WIDTH = 160
_EXAMPLES = 3


@click.group()
def bars() -> None:
    """Bring bars of other layouts into the one that ztrade reads, and check them."""


def _zone(_: click.Context, __: click.Parameter, value: str | None) -> tzinfo | None:
    return None if value is None else zone_named(value)


def _symbol(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not SYMBOL.fullmatch(value.upper()):
        raise ConfigError("--symbol", f"{value!r} is no symbol", fix="give one like SPY or BRK.B")
    return value.upper() if value else None


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",")) if value else ()


@bars.command("import")
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="SOURCE...")
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Where SYMBOL.csv files are written.")
@click.option("--tz", "zone", callback=_zone, metavar="ZONE", help="The zone of stamps that name none.")
@click.option(
    "--label",
    type=click.Choice([str(one) for one in Label]),
    help="What a stamp names: a bar's start (as supposed) or its end.",
)
@click.option("--symbol", callback=_symbol, help="The symbol, where neither a column nor the file's name gives it.")
@click.option("--timestamp", multiple=True, metavar="COL", help="The column of times; twice for a date and a clock.")
@click.option("--open", "open_", metavar="COL", help="The column of opening prices.")
@click.option("--high", metavar="COL", help="The column of highest prices.")
@click.option("--low", metavar="COL", help="The column of lowest prices.")
@click.option("--close", metavar="COL", help="The column of closing prices.")
@click.option("--volume", metavar="COL", help="The column of volumes, in shares.")
@click.option("--symbol-column", metavar="COL", help="The column of symbols.")
@click.option("--columns", callback=_names, metavar="A,B,...", help="The columns of files that have no header.")
@click.option("--span", type=click.Choice(list(SPANS)), help="The length of a bar, checked against the stamps.")
@click.option("--date-order", "order", type=click.Choice([str(one) for one in DateOrder]), help="How to read 2/3/2022.")
@click.option("--decimal", type=click.Choice(["point", "comma"]), help="The mark before decimals.")
@click.option("--conflict", type=click.Choice([str(one) for one in Conflict]), default="first", show_default=True,
              help="Which row to write of several with one stamp and different values.")  # fmt: skip
@click.option("--drop-off-session/--keep-off-session", default=True, show_default=True,
              help="Reject or write bars of the pre-market and after hours.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Report, and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite what is in DIR.")
@json_option
@click.pass_context
def import_command(
    ctx: click.Context,
    sources: tuple[Path, ...],
    out: Path,
    zone: tzinfo | None,
    label: str | None,
    symbol: str | None,
    timestamp: tuple[str, ...],
    open_: str | None,
    high: str | None,
    low: str | None,
    close: str | None,
    volume: str | None,
    symbol_column: str | None,
    columns: tuple[str, ...],
    span: str | None,
    order: str | None,
    decimal: str | None,
    conflict: str,
    drop_off_session: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Turn bars of other layouts into SYMBOL.csv files with symbol,timestamp,open,high,low,close,volume in UTC.

    Each row of SOURCE (files, or directories of them) is written, or listed with its reason in SYMBOL.rejected.csv.

    Exit codes: 0 all clean; 1 imported, with faults reported; 2 unusable.
    """
    _check_apart(sources, out)
    named = {"open": open_, "high": high, "low": low, "close": close, "volume": volume, "symbol": symbol_column}
    options = Options(
        zone=zone,
        label=Label(label) if label else None,
        symbol=symbol,
        wanted=Wanted({role: name for role, name in named.items() if name}, timestamp, columns),
        span=SPANS[span] if span else None,
        keep_off_session=not drop_off_session,
        conflict=Conflict(conflict),
        order=DateOrder(order) if order else None,
        comma=None if decimal is None else decimal == "comma",
    )
    report = import_bars(sources, options, NyseCalendar())
    usable = any(one.rows for one in report.series)
    if usable and not dry_run:
        write_report(report, out, force=force)
    shown = None if dry_run or not usable else out
    click.echo(to_json(_report_json(report, shown))) if as_json else _show(report, shown)
    if not usable:
        raise DataError(str(sources[0]), "none of its rows can be used: nothing was written", fix=_most_common(report))
    ctx.exit(0 if report.is_clean else 1)


@bars.command("check")
@click.argument("directory", type=PATH, metavar="DIR")
@json_option
@click.pass_context
def check_command(ctx: click.Context, directory: Path, as_json: bool) -> None:
    """Read DIR (or a file) as `ztrade exchange --bars` would, and list what is missing or odd in it.

    Exit codes: 0 all clean; 1 readable, with faults listed; 2 unusable.
    """
    calendar = NyseCalendar()
    tape = load_directory(directory, calendar=calendar)
    checked = [(tape.bars(symbol), check_bars(tape.bars(symbol), calendar)) for symbol in tape.symbols()]
    if as_json:
        click.echo(to_json({"symbols": [_bars_json(one, found) for one, found in checked]}))
    else:
        _print(_read_table([one for one, _ in checked]))
        _print_findings([(one.symbol, finding) for one, found in checked for finding in found])
    ctx.exit(1 if any(found for _, found in checked) else 0)


def _check_apart(sources: Sequence[Path], out: Path) -> None:
    """Refuse to write among the files that are read: a later import would read its own output."""
    for source in sources:
        if out.resolve() in (source.resolve(), source.resolve().parent):
            raise ConfigError(
                "--out",
                f"{out} is where {source} lies",
                "a directory of bars holds one layout",
                "give another directory, it may be new",
            )


def _most_common(report: Report) -> str:
    findings = [finding for one in report.series for finding in one.findings]
    worst = max(findings, key=lambda one: one.count, default=None)
    return f"look at {worst.count} rows: {worst.kind}" if worst else "name the symbol: --symbol SPY"


def _show(report: Report, out: Path | None) -> None:
    _print(_totals_table(report, out))
    facts = [(source.path.name, finding) for source in report.sources for finding in source.findings]
    _print_findings([*facts, *((one.symbol, finding) for one in report.series for finding in one.findings)])
    if report.loose:
        click.echo(f"rows without a symbol: {len(report.loose)}{_in_file(out, '')}")
    if report.ignored:
        click.echo(f"not read: {', '.join(path.name for path in report.ignored)}")
    for source in report.sources:
        zone = f" in {source.zone}" if source.zone else ""
        click.echo(f"{source.path.name}: time from column {source.time_column!r}{zone}, names bar {report.label}s")
    if out is None:
        click.echo("nothing was written")


def _in_file(out: Path | None, symbol: str) -> str:
    return f", in {rejected_file(out, symbol)}" if out else ""


def _totals_table(report: Report, out: Path | None) -> Table:
    table = _table("symbol", "bars of", "from", "to")
    for name in ("rows in", "written", "duplicates", "rejected"):
        table.add_column(name, justify="right")
    table.add_column("file")
    for one in report.series:
        counts = (one.rows_in, len(one.rows), one.duplicates, len(one.rejected) - one.duplicates)
        file = str(bars_file(out, one.symbol)) if out and one.rows else "-"
        table.add_row(*map(Text, (one.symbol, f"{one.span}", *_reach(one), *map(str, counts), file)))
    return table


def _reach(series: Series) -> tuple[str, str]:
    if not series.rows:
        return "-", "-"
    return _day(series.rows[0].start), _day(series.rows[-1].start)


def _day(start: int) -> str:
    return f"{new_york(start):%Y-%m-%d}"


def _read_table(read: Sequence[Bars]) -> Table:
    table = _table("symbol", "bars of", "from", "to", "bars")
    for one in read:
        table.add_row(one.symbol, f"{one.span}", _day(one.start[0]), _day(one.start[-1]), str(len(one)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name)
    return table


def _print_findings(findings: Sequence[tuple[str, Finding]]) -> None:
    if not findings:
        click.echo("no faults found")
        return
    table = _table("in", "fault")
    table.add_column("count", justify="right")
    table.add_column("what", overflow="fold")
    for name, one in findings:
        # texts from files are no markup: a bracket in a file name must not turn into a colour
        table.add_row(*map(Text, (name, one.kind, str(one.count), "\n".join((one.detail, *_shown(one))))))
    _print(table)


def _shown(finding: Finding) -> list[str]:
    left = len(finding.examples) - _EXAMPLES
    return [*finding.examples[:_EXAMPLES], *([f"and {left} more"] if left > 0 else [])]


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    console.print(table)
    console.print()


def _report_json(report: Report, out: Path | None) -> Record:
    return {
        "written": out is not None,
        "clean": report.is_clean,
        "label": str(report.label),
        "sources": [_source_json(source) for source in report.sources],
        "symbols": [_series_json(one, out) for one in report.series],
        "rejected_without_symbol": len(report.loose),
        "not_read": [str(path) for path in report.ignored],
    }


def _source_json(source: Source) -> Record:
    return {
        "file": str(source.path),
        "time_column": source.time_column,
        "zone": source.zone or None,
        "rows_in": source.rows_in,
        "findings": [_finding_json(finding) for finding in source.findings],
    }


def _series_json(series: Series, out: Path | None) -> Record:
    first, last = _reach(series) if series.rows else (None, None)
    return {
        "symbol": series.symbol,
        "span_seconds": int(series.span.total_seconds()),
        "first_day": first,
        "last_day": last,
        "rows_in": series.rows_in,
        "written": len(series.rows),
        "duplicates": series.duplicates,
        "rejected": len(series.rejected) - series.duplicates,
        "file": str(bars_file(out, series.symbol)) if out and series.rows else None,
        "rejected_file": str(rejected_file(out, series.symbol)) if out and series.rejected else None,
        "findings": [_finding_json(finding) for finding in series.findings],
    }


def _bars_json(one: Bars, findings: Sequence[Finding]) -> Record:
    return {
        "symbol": one.symbol,
        "span_seconds": int(one.span.total_seconds()),
        "first_day": _day(one.start[0]),
        "last_day": _day(one.start[-1]),
        "bars": len(one),
        "findings": [_finding_json(finding) for finding in findings],
    }


def _finding_json(finding: Finding) -> Record:
    return {
        "kind": str(finding.kind),
        "count": finding.count,
        "detail": finding.detail,
        "examples": list(finding.examples),
    }
