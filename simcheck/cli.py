"""The command line: arguments to calls to exit codes. The only module that knows the terminal.

Heavy imports (engine, numba, arrow) stand inside the commands that need them, so that `--help` answers at
once. Exit codes: 0 nothing at or above --fail-on; 1 findings; 2 usage or config; 3 incomplete, or nothing
could be assessed; 4 input unreadable or refused; 130 interrupted.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simcheck import __version__
from simcheck.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simcheck.config import Config
    from simcheck.flags import Severity
    from simcheck.formats import ReadOptions
    from simcheck.results import Report

app = typer.Typer(
    help="Replay robot trajectories on a physics model and say what mechanics does not allow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
robots_app = typer.Typer(help="Robots simcheck knows.", no_args_is_help=True)
app.add_typer(robots_app, name="robots")


class FailOn(StrEnum):
    """From which severity on a finding makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


Data = Annotated[Path, typer.Argument(help="Dataset folder or file.", metavar="DATA")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")]
Robot = Annotated[
    str, typer.Option("--robot", "-r", help="Name of a card (simcheck robots list), or a model file (.xml, .urdf).")
]
UNITS_HELP = (
    "Unit of a channel or column, NAME=UNIT; may be repeated. Positions: rad, deg, m, mm, m100 (−100 to 100 over the "
    "joint's calibrated range), percent (0 to 100) or unit (0 to 1) of a gripper's stroke; velocities: rad/s, deg/s, "
    "m/s, mm/s; efforts: 'N m', N."
)
Units = Annotated[list[str] | None, typer.Option("--units", "-u", metavar="NAME=UNIT", help=UNITS_HELP)]
Select = Annotated[str, typer.Option(metavar="CODES", help="Checks to run, codes or their first characters: K,F1.")]
Ignore = Annotated[str, typer.Option(metavar="CODES", help="Checks to leave out, likewise; the longer prefix wins.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads; 0 uses every core.")]


@app.command()
def check(
    data: Data,
    robot: Robot = "",
    out: Out = Path("out"),
    units: Units = None,
    mapping: Annotated[Path | None, typer.Option(help="Mapping file for CSV, NPZ or Parquet tables.")] = None,
    assets: Annotated[Path | None, typer.Option(help="Folder with the meshes of models in the data.")] = None,
    scene: Annotated[Path | None, typer.Option(help="MJCF file: table and objects around the robot.")] = None,
    episodes: Annotated[str, typer.Option(help="Names or numbers of episodes, comma-separated; all if absent.")] = "",
    select: Select = "",
    ignore: Ignore = "",
    config: Annotated[Path | None, typer.Option(help="TOML file with checks and tolerances.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Lowest severity that makes the exit code 1.")] = FailOn.ERROR,
    threads: Threads = 0,
    pictures: Annotated[int, typer.Option(help="Flagged episodes drawn in the report.", min=0)] = 24,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Check a dataset and write episodes.parquet, flags.jsonl, run.json and report.html."""
    from simcheck.formats import ReadOptions

    options = ReadOptions(units=_units(units or []), assets=assets, mapping=mapping)
    report = _run(
        data, robot, out, options, _split(episodes), _config(config, select, ignore), threads, pictures, quiet, scene
    )
    raise typer.Exit(report.exit_code(_severity(fail_on)))


@app.command()
def demo(out: Out = Path("out/demo"), threads: Threads = 0, quiet: bool = False) -> None:
    """Check the bundled dataset: simulated pick-and-place, some of it broken on purpose."""
    from simcheck.config import Config
    from simcheck.formats import ReadOptions
    from simcheck.robot import shipped_folder

    data = shipped_folder("demo_dataset", within="examples")
    _run(data, "", out, ReadOptions(), [], Config(), threads, 24, quiet, data / "scene.xml")


@app.command()
def report(out: Annotated[Path, typer.Argument(help="Folder of a finished run.")]) -> None:
    """Write report.html again from the results in a folder."""
    from simcheck import store
    from simcheck.report import keep, write_html

    result = store.read(out)
    with _writing(out):
        write_html(result, keep.load(out / "evidence"), out / "report.html")
    typer.echo(f"wrote {out / 'report.html'}")


@app.command()
def explain(code: Annotated[str, typer.Argument(help="Check code or name; lists all of them if absent.")] = "") -> None:
    """Print what a check does, its formula, and what it cannot see."""
    from simcheck import checks

    listed = (f"{m.CODE}  {m.SEVERITY.value:7}  {m.NAME}" for m in checks.modules())
    typer.echo(checks.explain(code) if code else "\n".join(listed))


@app.command(name="map")
def suggest_map(data: Data) -> None:
    """Print a first guess of a mapping file for a CSV, NPZ or Parquet table; edit it, then pass it as --mapping.

    Of a folder, the first table in it.
    """
    from simcheck.formats.table import suggest_mapping

    typer.echo(suggest_mapping(data))


@robots_app.command(name="list")
def list_robots() -> None:
    """List the robots simcheck has cards for."""
    from simcheck.robot import find_card, robot_names

    for name in robot_names():
        card = find_card(name)
        where = "shipped" if card.model.file else f"menagerie {card.model.menagerie}"
        typer.echo(
            f"{name:15} {card.title:45} {card.kind:10} {len(card.joints):3} joints  {card.model.grade:10} {where}"
        )


@robots_app.command()
def show(name: Annotated[str, typer.Argument(help="Card name or model file.")]) -> None:
    """Show every limit of a robot with its source."""
    from simcheck.report.robots import limits_table

    typer.echo(limits_table(name))


@robots_app.command()
def lint(name: Annotated[str, typer.Argument(help="Card name or model file.")]) -> None:
    """Say whether a robot's model is fit for a verdict; exit 1 if it has errors."""
    from simcheck.physics.model import load
    from simcheck.physics.replay import prepare

    findings = prepare(load(name)).findings
    typer.echo("\n".join(findings) or "nothing found")
    raise typer.Exit(int(any(f.startswith("error") for f in findings)))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _run(
    data: Path, robot: str, out: Path, options: ReadOptions, episodes: list[str], config: Config, threads: int,
    pictures: int, quiet: bool, scene: Path | None,
) -> Report:  # fmt: skip
    from simcheck import api, store
    from simcheck.progress import Progress
    from simcheck.report import keep, text, write_html

    with Progress(quiet or not sys.stderr.isatty()) as progress:
        run = api.Run(data, robot, config=config, options=options, episodes=episodes, scene=scene)
        store.prepare(out)
        result = run.report(threads, on_start=progress.start, on_result=progress.advance)
    with _writing(out):
        store.write(result, out)
    with _writing(out, store.FILES):
        evidence = run.evidence(result, pictures)
        keep.save(evidence, out / "evidence")
        write_html(result, evidence, out / "report.html")
    if not quiet:
        files = [str(out / n) for n in ("report.html", "flags.jsonl", "episodes.parquet", "run.json")]
        typer.echo("\n".join(text.lines(result, files)))
    return result


@contextmanager
def _writing(out: Path, finished: tuple[str, ...] = ()) -> Iterator[None]:
    """Whatever stops the writing is one line that says which files of this run are there."""
    there = f"; {', '.join(str(out / name) for name in finished)} are complete" if finished else ""
    try:
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        typer.echo(f"simcheck: writing to {out} failed: {place}{error.strerror or error}{there}", err=True)
        raise typer.Exit(3) from error
    except KeyboardInterrupt as error:
        again = f"; `simcheck report {out}` writes report.html" if finished else ""
        typer.echo(f"simcheck: interrupted while writing to {out}{there}{again}", err=True)
        raise typer.Exit(130) from error


def _units(pairs: list[str]) -> dict[str, str]:
    out = {}
    for pair in pairs:
        name, equals, unit = pair.rpartition("=")
        if not equals or not name:
            raise UsageError(f"--units {pair!r}: expected NAME=UNIT, such as observation.state=deg")
        out[name] = unit
    return out


def _config(path: Path | None, select: str, ignore: str) -> Config:
    from dataclasses import replace

    from simcheck.config import Config, read_config

    base = read_config(path) if path else Config()
    return replace(base, select=tuple(_split(select)) or base.select, ignore=tuple(_split(ignore)) or base.ignore)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _severity(fail_on: FailOn) -> Severity | None:
    from simcheck.flags import Severity

    return None if fail_on is FailOn.NEVER else Severity(fail_on.value)


def main() -> None:
    """Entry point: errors meant for people become one line and an exit code."""
    try:
        app()
    except UsageError as error:
        typer.echo(f"simcheck: {error}", err=True)
        sys.exit(2)
    except InputError as error:
        typer.echo(f"simcheck: {error}", err=True)
        sys.exit(4)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
