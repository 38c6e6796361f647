import re
from pathlib import Path

from venvstacks.files import canonical_json
from venvstacks.releases.release_format import Release, ReleaseLayer, release_schema

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_schema_in_the_documentation_is_current() -> None:
    committed = (REFERENCE / "release.schema.json").read_text(encoding="utf-8")
    assert committed == canonical_json(release_schema()), "run: python3 dev.py docs"


def test_every_key_is_documented() -> None:
    page = (REFERENCE / "releases.md").read_text(encoding="utf-8")
    keys = {
        key for cell in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)
    }
    for kind in (Release, ReleaseLayer):
        assert set(kind.__struct_fields__) <= keys
        fields = release_schema()["$defs"][kind.__name__]["properties"]
        assert all(field["description"] for field in fields.values())
