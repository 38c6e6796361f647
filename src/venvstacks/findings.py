"""Doubts about a built layer that works all the same, as far as anybody can see without running it.

They are shown once, when the layer is built, kept in its build state, and are errors only with ``--strict``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One doubt about a package of a layer.

    Attributes:
        layer: Build name.
        platform: Name of the target.
        package: A distribution with its version, ``the base Python`` or ``the layer itself``.
        message: What was seen: the rest of a sentence that begins with the package.
        remedy: What to do about it.
    """

    layer: str
    platform: str
    package: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.package} {self.message}: {self.remedy}."
