"""The JSON Schema of the definition file, for editors and other tools.

``python -m venvstacks.spec.schema`` prints it.
"""

import sys
from typing import Any

import msgspec

from venvstacks.files import canonical_json
from venvstacks.spec.fields import Definition

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON Schema that is used."""


def definition_schema() -> dict[str, Any]:
    """Describe a definition file as JSON Schema.

    Returns:
        The schema: every table and key with its type and purpose. It cannot tell everything that loading checks,
        such as references between layers.
    """
    schema = msgspec.json.schema(Definition)
    return {"$schema": DIALECT, "title": "venvstacks stack definition", **schema}


if __name__ == "__main__":
    sys.stdout.write(canonical_json(definition_schema()))
