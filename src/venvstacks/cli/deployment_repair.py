"""``venvstacks deployment verify`` and ``repair``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import venvstacks
from venvstacks.cli import option_groups as option
from venvstacks.cli.common import print_json, print_result, report_events, shorten, warn
from venvstacks.humanize import counted, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from venvstacks.deploying.layer_check import DeploymentFinding
    from venvstacks.deploying.repair_plan import RepairPlan
    from venvstacks.options import Options

_folder = click.argument("folder", metavar="DIR", type=option.FOLDER)


@click.command()
@_folder
@option.json
@option.jobs("Number of layers to read at once")
@option.verbosity
@option.collect(options="Options")
def verify(*, folder: Path, as_json: bool, options: "Options") -> int:
    """Read every file of a deployment and find what is damaged.

    What is changed, missing, or added is listed: files of layers, links between layers, launchers, and the
    deployment's own documents. Bytecode that Python wrote beside its source is only counted. Nothing is changed,
    and the network is not used.

    The exit code is 1 if something is not as published.

    \b
    Example:
      venvstacks deployment verify /opt/hello
    """
    with report_events(options) as how:
        report = venvstacks.verify_deployment(folder, options=how)
    if as_json:
        print_json(report.as_json())
        return 0 if report.is_whole else 1
    _print_findings(report.findings)
    what = f"{counted(len(report.layers), 'layer')}, {size_text(report.read)}"
    bytecode = f", {counted(report.bytecode, 'file')} of bytecode written by Python" if report.bytecode else ""
    if report.is_whole:
        print_result(f"{shorten(folder)} is as published: {what}{bytecode}")
        return 0
    print_result(
        f"{shorten(folder)} is not as published: {counted(len(report.findings), 'finding')} ({what}{bytecode})"
    )
    return 1


@click.command()
@_folder
@option.flag("--dry-run", help="Print what would be done without changing anything.")
@option.flag("--wait", default=True, help="Wait while another run changes the deployment, instead of failing.")
@option.json
@option.jobs("Number of layers to handle at once")
@option.verbosity
@option.collect(options="Options")
def repair(*, folder: Path, dry_run: bool, as_json: bool, options: "Options") -> int:
    """Make again what is damaged in a deployment.

    Only the parts of archives that contain damaged files are fetched from the store. Files are replaced one by
    one, so that running applications keep those that they have open. Files that no layer has are moved to
    DIR/added, with the bytecode of files that were damaged; nothing is deleted.

    The exit code is 1 if something could not be repaired.

    \b
    Example:
      venvstacks deployment repair /opt/hello
    """
    with report_events(options) as how:
        if dry_run:
            plan = venvstacks.plan_repair(folder, options=how)
            shown = plan.as_json()
        else:
            done = venvstacks.repair_deployment(folder, options=how)
            plan, shown = done.plan, done.as_json()
    if as_json:
        print_json(shown)
    else:
        _print_repair(folder, plan, shown.get("moved_to", ()), dry_run=dry_run)
    return 1 if plan.left else 0


def _print_repair(folder: Path, plan: "RepairPlan", moved: "Iterable[str]", *, dry_run: bool) -> None:
    if plan.is_empty and not plan.left:
        print_result(f"{shorten(folder)} is as published, nothing to do")
        return
    files = sum(len(layer.entries) for layer in plan.layers)
    again = sum(layer.again for layer in plan.layers)
    what = [
        counted(files, "file"),
        *([counted(again, "whole layer")] if again else []),
        *([counted(len(plan.launchers), "launcher")] if plan.launchers else []),
    ]
    done = "would be repaired" if dry_run else "repaired"
    print_result(f"{shorten(folder)}: {', '.join(what)} {done}, {size_text(plan.bytes)} fetched")
    for path in moved:
        print_result(f"  moved to {shorten(Path(path))}")
    for home, number in plan.switches:
        warn(f"It was not known which generation of {home.folder} is current: generation {number} is now.")
    if plan.left:
        warn(f"{counted(len(plan.left), 'finding')} cannot be repaired; `venvstacks deploy` may help:")
        _print_findings(plan.left)


def _print_findings(findings: "Iterable[DeploymentFinding]") -> None:
    for found in findings:
        detail = f"  ({found.detail})" if found.detail else ""
        click.echo(f"{found.problem:>10}  {found.path}{detail}")
