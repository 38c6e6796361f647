import json
import subprocess
import sys
from pathlib import Path

from venvstacks.definition.schema import (
    DIALECT,
    ApplicationFields,
    FrameworkFields,
    RuntimeFields,
    definition_schema,
)
from venvstacks.files import canonical_json

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "venvstacks.schema.json"


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == canonical_json(definition_schema()), (
        "run: python -m venvstacks.definition.schema > docs/reference/venvstacks.schema.json"
    )


def test_the_module_prints_it() -> None:
    done = subprocess.run([sys.executable, "-m", "venvstacks.definition.schema"], capture_output=True, check=True)
    assert json.loads(done.stdout) == definition_schema()


def test_dialect_and_title() -> None:
    schema = definition_schema()
    assert schema["$schema"] == DIALECT
    assert schema["title"] == "venvstacks stack definition"


def test_every_field_is_described() -> None:
    for name, model in definition_schema()["$defs"].items():
        assert model["description"], name
        for field, schema in model["properties"].items():
            assert schema.get("description"), f"{name}.{field}"


def test_unknown_keys_are_refused_except_for_other_tools() -> None:
    models = definition_schema()["$defs"]
    open_models = {name for name, model in models.items() if model.get("additionalProperties") is not False}
    assert open_models == {"Tools", "Definition"}


def test_exactly_one_foundation() -> None:
    schema = definition_schema()["$defs"]["Definition"]["properties"]
    for kind in ("frameworks", "applications"):
        assert schema[kind]["items"]["oneOf"] == [{"required": ["runtime"]}, {"required": ["frameworks"]}]


def test_required_fields() -> None:
    models = definition_schema()["$defs"]
    assert {
        name: models[name.__name__]["required"] for name in (RuntimeFields, FrameworkFields, ApplicationFields)
    } == {
        RuntimeFields: ["name", "requirements"],
        FrameworkFields: ["name", "requirements"],
        ApplicationFields: ["name", "requirements", "launch_module"],
    }
