"""Fetch a list from a JSON service, and say what is in it."""

import httpx
from local_service import serving

PLANETS = [
    {"name": "Mercury", "moons": 0},
    {"name": "Venus", "moons": 0},
    {"name": "Earth", "moons": 1},
    {"name": "Mars", "moons": 2},
]


def main() -> None:
    """Start the service, ask it twice, and report."""
    with (
        serving({"/planets": lambda _query: PLANETS}) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        answer = client.get("/planets")
        planets = answer.raise_for_status().json()
        missing = client.get("/stars")
    kind, length = answer.headers["content-type"], answer.headers["content-length"]
    print(f"GET /planets: {answer.status_code}, {kind}, {length} bytes")
    for planet in planets:
        print(f"  {planet['name']:<10} {planet['moons']} moon{'' if planet['moons'] == 1 else 's'}")
    print(f"GET /stars: {missing.status_code}")


if __name__ == "__main__":
    main()
