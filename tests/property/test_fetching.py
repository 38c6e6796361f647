"""Whatever is there and is published: plans never move more than archives, and all ways lead to the same."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.deltas import noise
from fakes.deployed_trees import deployed_difference
from fakes.releases import Publisher, plan, publisher
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.archives.index import decode_index
from venvstacks.archives.pool import frame_pool
from venvstacks.deploying.fetch_plan import FetchPlan
from venvstacks.deploying.places import Home
from venvstacks.deploying.provide import provide_layers
from venvstacks.releases.release_format import ReleaseLayer
from venvstacks.work import Work

PATHS = [f"{folder}{name}" for folder in ("", "lib/", "lib/pkg/") for name in ("a.py", "b.so", "c")]
sizes = st.sampled_from([0, 1, 100, 3000, 20_000])
trees = st.dictionaries(st.sampled_from(PATHS), st.builds(noise, sizes, st.integers(1, 4)), max_size=7)


def deploy(home: Home, made: Publisher, planned: FetchPlan, layer: ReleaseLayer) -> None:
    provide_layers(planned, home, made.store, Work(jobs=2))
    place = home.place(layer)
    with frame_pool(Work(jobs=2)) as pool:
        assert deployed_difference(place.path, decode_index(place.index.read_bytes(), "it"), pool) is None


@settings(deadline=None, max_examples=40)
@given(trees, trees, trees, st.sampled_from(ArchiveFormat), st.sampled_from([0, 60]))
def test_all_ways_lead_to_the_same(
    old: dict[str, bytes], other: dict[str, bytes], new: dict[str, bytes], kind: ArchiveFormat, later: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = publisher(Path(name) / "made", kind)
        first, beside = made.layer("app-a", old), made.layer("app-b", other)
        second = made.layer("app-a", new, delta_from=first, mtime=1_700_000_000 + later)
        for number in range(4):  # a home for each way there is
            home = Home(Path(name) / f"deployed-{number}")
            for layer in (first, beside):
                deploy(home, made, plan(home, made.store, [layer]), layer)
            planned = plan(home, made.store, [second])
            (layer_plan,) = planned.layers
            costs = [option.cost for option in layer_plan.options]
            assert costs == sorted(costs)
            if number >= len(costs):
                break
            assert layer_plan.options[0].bytes <= second.archive.size
            assert layer_plan.bytes <= second.archive.size + second.index.size
            chosen = replace(layer_plan, options=(layer_plan.options[number],))
            before, asked = made.store.traffic.received, made.store.traffic.requests
            deploy(home, made, FetchPlan((chosen,)), second)
            assert made.store.traffic.received - before == chosen.options[0].bytes
            assert made.store.traffic.requests - asked == chosen.options[0].requests
