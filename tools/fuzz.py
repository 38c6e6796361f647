"""Try the readers of what comes from the network on a large number of damaged and forged inputs.

Run it as ``python3 dev.py fuzz [--cases N] [--seed N] [TARGET ...]``. Each case must end in success or in one of
our errors, in less than five seconds of processor time, and in little memory; the first that does not ends the run
and is printed, so that it can be made a test. A short round is part of the tests.
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 20_000  # cases of one hypothesis run
BATCH = 4  # rounds of one process
LONGEST_INPUT = 200  # bytes that decide what a case is
LONGEST = 5.0  # seconds of processor time that a case may take
MEMORY = 2 << 30  # bytes of address space that a process may have


@dataclass(frozen=True)
class Round:
    """What some cases showed.

    Attributes:
        target: What was tried.
        cases: How many.
        accepted: How many of them the reader took for good.
        slowest: Seconds of processor time of the slowest.
        peak: Bytes of memory that the process had at most.
    """

    target: str
    cases: int
    accepted: int
    slowest: float
    peak: int


def targets() -> dict[str, Callable[[bytes], bool]]:
    """Return what can be tried."""
    sys.path.insert(0, str(ROOT / "tests"))
    from fuzzing.readers import TARGETS  # noqa: PLC0415 - found on the path that was just extended

    return dict(TARGETS)


def run_round(target: str, cases: int, seed: int) -> Round:
    """Try a number of cases on a target; another seed gives other cases."""
    from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415 - not in the main process
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis import strategies as st  # noqa: PLC0415

    limit_memory()
    attempt = targets()[target]
    done, accepted, slowest = 0, 0, 0.0

    # hypothesis takes longer to choose bytes one by one than a reader to refuse them: it chooses the source
    @seeded(seed)
    @given(st.integers(0, 2**64 - 1))
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def round_of(number: int) -> None:
        nonlocal done, accepted, slowest
        source = random.Random(number)  # noqa: S311 - no secret
        data = source.randbytes(source.randint(1, LONGEST_INPUT))
        began = time.process_time()  # a busy machine is no fault of a reader
        try:
            accepted += attempt(data)
        except BaseException as error:
            error.add_note(f"{target} was given bytes.fromhex({data.hex()!r})")
            raise
        seconds = time.process_time() - began
        done, slowest = done + 1, max(slowest, seconds)
        if seconds > LONGEST:
            raise TimeoutError(f"{target} took {seconds:.1f} seconds with bytes.fromhex({data.hex()!r})")

    round_of()
    return Round(target, done, accepted, slowest, peak_memory())


def limit_memory() -> None:
    """Ensure that a case that takes too much memory fails."""
    if os.name == "posix":
        import resource  # noqa: PLC0415 - not there on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def peak_memory() -> int:
    """Return the bytes of memory that this process had at most."""
    if os.name != "posix":
        return 0
    import resource  # noqa: PLC0415 - not there on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Try everything that is wanted, in parallel, and report.

    Returns:
        The exit code.
    """
    known = sorted(targets())
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description="Try readers on damaged and forged inputs.")
    parser.add_argument("--cases", type=int, default=100_000, help="cases in total (default: 100000)")
    parser.add_argument("--seed", type=int, default=0, help="other cases for another number (default: 0)")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"what to try: {', '.join(known)} (default: all)"
    )
    arguments = parser.parse_args()
    chosen = arguments.targets or known
    if unknown := sorted(set(chosen) - set(known)):
        parser.error(f"there is no target {', '.join(unknown)}")
    each = -(-arguments.cases // len(chosen))
    rounds = [
        (target, min(CHUNK, each - start), arguments.seed * 1_000_003 + start)
        for start in range(0, each, CHUNK)
        for target in chosen
    ]
    began = time.perf_counter()
    results: list[Round] = []
    context = multiprocessing.get_context("spawn")
    workers = os.cpu_count() or 1
    # New processes now and then, as hypothesis keeps much; a pool that replaces its own hangs in Python 3.11.
    for first in range(0, len(rounds), BATCH * workers):
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            futures = [pool.submit(run_round, *each) for each in rounds[first : first + BATCH * workers]]
            for future in as_completed(futures):
                results.append(future.result())
                done = sum(result.cases for result in results)
                print(f"\r{done} cases", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for target in chosen:
        own = [result for result in results if result.target == target]
        cases, accepted = sum(r.cases for r in own), sum(r.accepted for r in own)
        slowest, peak = max(r.slowest for r in own), max(r.peak for r in own)
        print(
            f"{target}: {cases} cases, {accepted} accepted, {cases - accepted} refused, "
            f"slowest {slowest * 1000:.0f} ms, peak memory {peak / 1e6:.0f} MB"
        )
    print(f"{sum(r.cases for r in results)} cases in {time.perf_counter() - began:.0f} s: nothing found.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
