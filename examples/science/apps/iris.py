"""Tell three kinds of irises apart by the size of their leaves."""

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Train on three quarters of the flowers, and test on the rest."""
    flowers = load_iris()
    train, test, train_kinds, test_kinds = train_test_split(
        flowers.data, flowers.target, test_size=0.25, stratify=flowers.target, random_state=0
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train, train_kinds)
    predicted = model.predict(test)

    right = int((predicted == test_kinds).sum())
    print(f"Trained on {len(train)} irises, tested on {len(test)} others: {right} of {len(test)} recognised.")
    for name, row in zip(flowers.target_names, confusion_matrix(test_kinds, predicted), strict=True):
        taken_for = ", ".join(
            f"{count} as {other}" for other, count in zip(flowers.target_names, row, strict=True) if count
        )
        print(f"  {name:<10} {taken_for}")


if __name__ == "__main__":
    main()
