"""The words the demo shop is made of: names, places, products and how common each is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

#: Country code -> weight.
COUNTRIES = {"GB": 30, "DE": 22, "FR": 14, "NL": 9, "SE": 7, "DK": 5, "NO": 4, "ES": 6, "IE": 3}

CITIES = {
    "GB": ["London", "Leeds", "Bristol", "Glasgow", "Cardiff"],
    "DE": ["Berlin", "Hamburg", "Munich", "Cologne", "Leipzig"],
    "FR": ["Paris", "Lyon", "Lille", "Nantes", "Toulouse"],
    "NL": ["Amsterdam", "Utrecht", "Rotterdam", "Eindhoven", "Groningen"],
    "SE": ["Stockholm", "Gothenburg", "Malmö", "Uppsala", "Lund"],
    "DK": ["Copenhagen", "Aarhus", "Odense", "Aalborg", "Esbjerg"],
    "NO": ["Oslo", "Bergen", "Trondheim", "Stavanger", "Tromsø"],
    "ES": ["Madrid", "Barcelona", "Valencia", "Sevilla", "Bilbao"],
    "IE": ["Dublin", "Cork", "Galway", "Limerick", "Waterford"],
}

#: Category -> weight.
CATEGORIES = {
    "toys": 12,
    "books": 18,
    "kitchen": 14,
    "garden": 8,
    "sports": 10,
    "clothing": 20,
    "electronics": 9,
    "stationery": 9,
}

TIERS = ["bronze", "silver", "gold", "platinum"]

# fmt: off
FIRST_NAMES = [
    "Ada", "Alan", "Amara", "Anna", "Ben", "Carla", "Chen", "Clara", "David", "Edith", "Elif",
    "Emma", "Erik", "Farid", "Finn", "Grace", "Hanna", "Hugo", "Ines", "Ivan", "Jack", "Jonas",
    "Julia", "Kofi", "Lars", "Lea", "Leon", "Lina", "Lucas", "Maja", "Marta", "Max", "Mia",
    "Nadia", "Nils", "Noah", "Nora", "Olga", "Omar", "Oscar", "Paul", "Pia", "Priya", "Rosa",
    "Sam", "Sara", "Sofia", "Tara", "Theo", "Tom", "Uma", "Vera", "Viktor", "Yara", "Zoe",
]
# fmt: on

# fmt: off
LAST_NAMES = [
    "Adams", "Andersson", "Bakker", "Becker", "Bernard", "Brown", "Costa", "Davies", "Dubois",
    "Evans", "Fischer", "Garcia", "Hansen", "Hughes", "Ivanov", "Jansen", "Johansen", "Jones",
    "Keller", "Khan", "Kowalski", "Larsen", "Lopez", "Martin", "Meyer", "Moreau", "Murphy",
    "Nielsen", "Novak", "Olsen", "Patel", "Petit", "Quinn", "Richter", "Rossi", "Schmidt",
    "Silva", "Smith", "Taylor", "Visser", "Walsh", "Weber", "Wilson", "Young",
]
# fmt: on

_KINDS = {
    "toys": ["Wooden train", "Puzzle", "Kite", "Building blocks", "Teddy bear", "Marble run"],
    "books": ["Novel", "Atlas", "Cookbook", "Picture book", "Diary", "Crime story"],
    "kitchen": ["Teapot", "Frying pan", "Bread knife", "Scales", "Mixing bowl", "Mug"],
    "garden": ["Spade", "Watering can", "Bird house", "Lantern", "Seed box", "Hammock"],
    "sports": ["Football", "Yoga mat", "Running belt", "Racket", "Helmet", "Dumbbell"],
    "clothing": ["Scarf", "Wool jumper", "Rain jacket", "T-shirt", "Socks", "Cap"],
    "electronics": ["Headphones", "Desk lamp", "Radio", "Charger", "Camera", "Speaker"],
    "stationery": ["Fountain pen", "Notebook", "Ink", "Ruler", "Folder", "Pencil case"],
}
_VARIANTS = ["small", "classic", "large", "deluxe"]
_PER_CATEGORY = 6 * len(_VARIANTS)


def shares(weights: Mapping[str, int]) -> NDArray[np.float64]:
    """Return the weights as shares that add up to one."""
    values = np.array(list(weights.values()), dtype=np.float64)
    scaled: NDArray[np.float64] = values / values.sum()
    return scaled


def product_names() -> list[str]:
    """Return every product's name; its index is its number, `category_of` its category."""
    return [f"{kind}, {v}" for kinds in _KINDS.values() for kind in kinds for v in _VARIANTS]


def product_prices() -> NDArray[np.int64]:
    """Return every product's price in cents."""
    rng = np.random.default_rng(7)
    dearness = {"electronics": 6.0, "garden": 2.5, "sports": 2.5, "clothing": 2.0, "kitchen": 2.0}
    factor = np.repeat([dearness.get(name, 1.0) for name in CATEGORIES], _PER_CATEGORY)
    prices = 1099 * factor * rng.lognormal(0.0, 0.45, len(factor))
    # Shops like prices that end in 9.
    rounded: NDArray[np.int64] = (prices // 10 * 10 + 9).astype(np.int64)
    return rounded


def category_of(product: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each product's category."""
    numbers: NDArray[np.int64] = product // _PER_CATEGORY
    return numbers


def product_of(category: NDArray[np.int64], draw: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a product of each category; `draw` (0 to 1) picks it, the first ones oftenest."""
    within = (draw**1.5 * _PER_CATEGORY).astype(np.int64)
    numbers: NDArray[np.int64] = category * _PER_CATEGORY + within
    return numbers
