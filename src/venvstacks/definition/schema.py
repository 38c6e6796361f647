"""The JSON Schema of the definition file, for editors and other tools.

``python -m venvstacks.definition.schema`` prints it.
"""

import sys
from typing import Any

import msgspec

from venvstacks.definition.fields import Definition
from venvstacks.files import canonical_json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON Schema that is used."""


def definition_schema() -> dict[str, Any]:
    """Describe a definition file as JSON Schema."""
    schema = msgspec.json.schema(Definition)
    return {"$schema": DIALECT, "title": "venvstacks stack definition", **schema}


if __name__ == "__main__":
    sys.stdout.write(canonical_json(definition_schema()))
