#!/usr/bin/python3
"""Writes what the codecs are measured with, as JSON: `documents.py records|call`. It is always the same."""
import json
import sys

COUNT = 500
TOWNS = ("Oslo", "Zürich", "São Paulo", "東京", "Boston")
LONG = "A text of some length, as comments and descriptions are, with an accent here or there: déjà vu. "


def record(i):
    return {
        "id": 100000 + i * 7,
        "name": f"User number {i}",
        "email": f"user{i}@example.org",
        "active": i % 3 != 0,
        "balance": (i * 1237 % 100000) / 100,
        "position": {"latitude": (i * 7919 % 180000) / 1000 - 90, "longitude": (i * 104729 % 360000) / 1000 - 180},
        "address": {"street": f"{i % 90 + 1} Main Street", "town": TOWNS[i % 5], "code": None},
        "tags": ["new", "customer", "north"][:i % 4],
        "visits": [i * k % 365 for k in range(1, i % 9 + 1)],
        "about": LONG * (i % 3),
    }


def main():
    document = [record(i) for i in range(COUNT)] if sys.argv[1] == "records" else [0, 12, "add", [2, 3]]
    json.dump(document, sys.stdout, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
