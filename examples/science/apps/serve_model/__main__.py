"""Serve a wine classifier on this machine, and query it over HTTP."""

import httpx
from local_service import serving

from serve_model.wines import WineModel


def main() -> None:
    """Train, serve, and ask about three wines."""
    model = WineModel()
    print(f"Trained on {model.trained_on} wines; asking the service about others:")
    with (
        serving({"/predict": model.answer}) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        for wine in model.samples():
            answer = client.get("/predict", params={"feature": wine.features}).raise_for_status().json()
            verdict = "right" if answer["cultivar"] == wine.cultivar else f"wrong, it is {wine.cultivar}"
            print(f"  alcohol {wine.features[0]:.2f} %: cultivar {answer['cultivar']} ({verdict})")


if __name__ == "__main__":
    main()
