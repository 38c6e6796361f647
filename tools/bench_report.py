"""What the benchmark found, as a table for people and a report for programs."""

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """One measured thing.

    Attributes:
        what: What was done.
        value: Median.
        rival: What it is compared with, in words.
        rival_value: The rival's median.
        aim: What the ratio or the value should be, if there is such an aim.
        met: Whether it is; None without an aim.
        unit: Of the values: ``s``, ``B`` for bytes, or ``n`` for a number of things.
    """

    what: str
    value: float
    rival: str
    rival_value: float
    aim: str = ""
    met: bool | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times as much as the rival it takes."""
        return self.value / self.rival_value


def below_seconds(seconds: float, aim: float) -> tuple[str, bool]:
    """Describe an aim for a time, and tell whether it was met."""
    return f"below {shown(aim)}", seconds < aim


def shown(value: float, unit: str = "s") -> str:
    """Write a time, a size or a number for people."""
    if unit == "n":
        return f"{value:.0f}"
    if unit == "B":
        return f"{value / 1e6:.1f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"  # noqa: PLR2004 - 0.1 MB
    seconds = value
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def table(results: list[Result]) -> str:
    """Draw all results, aligned."""
    rows = [("what", "value", "rival", "its value", "ratio", "aim")]
    for result in results:
        aim = "" if result.met is None else f"{result.aim}: {'met' if result.met else 'MISSED'}"
        values = shown(result.value, result.unit), shown(result.rival_value, result.unit)
        rows.append((result.what, values[0], result.rival, values[1], f"{result.ratio:.2f}", aim))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "-" * sum(widths, 2 * len(widths) - 2), *lines[1:]])


def report(results: list[Result], runs: int) -> dict[str, Any]:
    """Return all results, what they were measured on, and how often each step was."""
    return {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "runs": runs,
        "results": [{**asdict(result), "ratio": round(result.ratio, 3)} for result in results],
    }
