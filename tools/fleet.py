"""What a fleet of machines asks of a store a day, worked out from what the benchmark measured on one.

Run ``python3 dev.py bench --only deploy`` first, then ``.venv/bin/python tools/fleet.py``: it reads
``bench-results.json``, and prints the tables of ``docs/explanation/fleet.md``.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "bench-results.json"
DAY = 24 * 3600
WEEK_DAYS = 7
POLL = "deploy: nothing new"
UPDATE = "deploy: update of "
REQUESTS, BYTES = ", requests", ", bytes"
HEADERS = 300  # bytes that nginx puts before each answer, Cache-Control included


@dataclass(frozen=True)
class Cost:
    """What is asked of a store.

    Attributes:
        requests: How many.
        sent: Bytes that it answers, with headers.
    """

    requests: float
    sent: float

    def times(self, factor: float) -> "Cost":
        """Return the cost of doing it several times."""
        return Cost(self.requests * factor, self.sent * factor)


@dataclass(frozen=True)
class Fleet:
    """Machines that poll, and what a release costs each.

    Attributes:
        machines: How many.
        polls: A day, for each machine.
        releases: A week.
    """

    machines: int
    polls: float
    releases: float

    def polling(self, poll: Cost) -> Cost:
        """Return what polling costs a day."""
        return poll.times(self.machines * self.polls)

    def updating(self, update: Cost) -> Cost:
        """Return what updates cost a day, on average."""
        return update.times(self.machines * self.releases / WEEK_DAYS)

    def rush(self, update: Cost) -> Cost:
        """Return what is asked in each second after a release, until every machine has polled once."""
        return update.times(self.machines * self.polls / DAY)


@dataclass(frozen=True)
class Asked:
    """What one machine asks of a store.

    Attributes:
        poll: With nothing new.
        updates: What is updated -> what the update costs, and what a download of everything does.
    """

    poll: Cost
    updates: Mapping[str, tuple[Cost, Cost]]


def measured(results: Path) -> Asked:
    """Read what the benchmark measured with one machine."""
    rows = json.loads(results.read_text(encoding="utf-8"))["results"]
    values = {row["what"]: (row["value"], row["rival_value"]) for row in rows}
    updates = [
        name.removesuffix(REQUESTS) for name in values if name.startswith(UPDATE) and name.endswith(REQUESTS)
    ]
    costs = {name: costs_of(name, values) for name in (POLL, *updates)}
    return Asked(costs[POLL][0], {name.removeprefix(UPDATE): costs[name] for name in updates})


def costs_of(name: str, values: Mapping[str, tuple[float, float]]) -> tuple[Cost, Cost]:
    """Return what something costs, and what its rival does."""
    pairs = zip(values[name + REQUESTS], values[name + BYTES], strict=True)
    own, rival = (Cost(requests, sent + requests * HEADERS) for requests, sent in pairs)
    return own, rival


def table(fleet: Fleet, asked: Asked) -> str:
    """Draw what the fleet costs."""
    lines = ["| | a machine | all, a day | in the hour after a release |", "| --- | --- | --- | --- |"]
    lines.append(line("poll", asked.poll, fleet.polling(asked.poll), fleet.rush(asked.poll)))
    for name, (update, everything) in asked.updates.items():
        lines.append(line(f"update of {name}", update, fleet.updating(update), fleet.rush(update)))
        lines.append(
            line("the same by full downloads", everything, fleet.updating(everything), fleet.rush(everything))
        )
    return "\n".join(lines)


def line(name: str, each: Cost, day: Cost, rush: Cost) -> str:
    """Draw one line."""
    machine = f"{each.requests:.0f} requests, {size(each.sent)}"
    everyone = f"{count(day.requests)} requests, {size(day.sent)}"
    return f"| {name} | {machine} | {everyone} | {rush.requests:,.0f} requests a second, {rate(rush.sent * 8)} |"


def size(number: float) -> str:
    """Write bytes for people."""
    return scaled(number, ("B", "kB", "MB", "GB", "TB", "PB"))


def rate(bits: float) -> str:
    """Write bits a second for people."""
    return scaled(bits, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"))


def count(number: float) -> str:
    """Write a large number for people."""
    return scaled(number, ("", "thousand", "million", "billion")).strip()


def scaled(number: float, units: tuple[str, ...]) -> str:
    """Write a number with the unit that makes it short."""
    position = 0
    while number >= 1000 and position < len(units) - 1:  # noqa: PLR2004 - a thousand
        number /= 1000
        position += 1
    digits = 0 if position == 0 or number >= 100 else 1  # noqa: PLR2004 - three digits are enough
    return f"{number:.{digits}f} {units[position]}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Work out what a fleet asks of a store.")
    parser.add_argument("--machines", type=int, default=1_000_000)
    parser.add_argument("--polls", type=float, default=24, help="a day and machine (default: 24)")
    parser.add_argument("--releases", type=float, default=1, help="a week (default: 1)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    fleet = Fleet(arguments.machines, arguments.polls, arguments.releases)
    print(table(fleet, measured(arguments.results)))


if __name__ == "__main__":
    main()
