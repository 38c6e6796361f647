"""Wines from three cultivars of one region, told apart by chemistry."""

from collections.abc import Iterator
from dataclasses import dataclass

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Wine:
    """A wine whose cultivar is known.

    Attributes:
        features: What was measured.
        cultivar: Number of the cultivar, from 0.
    """

    features: list[float]
    cultivar: int


class WineModel:
    """A classifier, trained when it is made."""

    def __init__(self) -> None:
        wines = load_wine()
        train, self._test, cultivars, self._cultivars = train_test_split(
            wines.data, wines.target, test_size=0.25, stratify=wines.target, random_state=0
        )
        self._forest = RandomForestClassifier(n_estimators=50, random_state=0).fit(train, cultivars)
        self.trained_on = len(train)

    def answer(self, query: dict[str, list[str]]) -> dict[str, int]:
        """Answer one request: ``feature`` once for each measurement."""
        features = [float(value) for value in query["feature"]]
        return {"cultivar": int(self._forest.predict([features])[0])}

    def samples(self) -> Iterator[Wine]:
        """Give one wine of each cultivar that the model has not seen."""
        for cultivar in range(3):
            index = int((self._cultivars == cultivar).argmax())
            yield Wine(self._test[index].tolist(), cultivar)
