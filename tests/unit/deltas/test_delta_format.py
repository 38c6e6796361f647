import json
from pathlib import Path

from fakes.deltas import make_pair
from venvstacks.deltas.delta_format import header_schema

COMMITTED = Path(__file__).resolve().parents[3] / "docs/reference/delta-header.schema.json"


def test_committed_schema_is_current() -> None:
    assert json.loads(COMMITTED.read_bytes()) == json.loads(json.dumps(header_schema())), (
        "run: python3 dev.py docs"
    )


def test_schema_names_every_field_of_a_header(tmp_path: Path) -> None:
    header = make_pair(tmp_path).header()
    described = header_schema()["$defs"]["DeltaHeader"]["properties"]
    assert set(described) == set(header.__struct_fields__)
