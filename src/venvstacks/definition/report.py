"""Collects what is wrong with a definition file, so that all of it can be told at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from venvstacks.errors import Problem


@dataclass(frozen=True, slots=True)
class Report:
    """Takes the problems of one part of the file.

    Attributes:
        subject: What the problems belong to, for example ``framework 'torch'``; empty for the whole file.
        problems: Where they go, in the order in which they are found; may be shared between reports.
        warnings: The same for sentences on what can be used, and may not be what is meant.
    """

    subject: str = ""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def about(self, subject: str) -> "Report":
        """Return a report on another part that collects into the same lists."""
        return Report(subject, self.problems, self.warnings)

    def add(self, name: str | None, message: str, hint: str | None = None) -> None:
        """Note a problem."""
        parts = (self.subject, f"field {quoted(name)}" if name is not None else "")
        self.problems.append(Problem(", ".join(part for part in parts if part), message, hint))


def quoted(text: str) -> str:
    """Quote a text of the file; what would garble a terminal is escaped."""
    return f"'{text}'" if text.isprintable() else repr(text)


def did_you_mean(found: str, known: Iterable[str], *, before: str = "") -> str | None:
    """Suggest the known word that is nearest to the one that was found, if any is near."""
    by_folded = {word.casefold(): word for word in known}
    near = get_close_matches(found.casefold(), by_folded, n=1)
    return f"did you mean {quoted(before + by_folded[near[0]])}?" if near else None


def listed(words: Iterable[str]) -> str:
    """Join quoted words for a sentence: ``'a', 'b'``."""
    return ", ".join(quoted(word) for word in words)
