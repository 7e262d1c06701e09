"""Which world a seed is: one in six is of the real vendors, the others of targets that misbehave
in every way at once."""

from tests.simulation import vendors, world
from tests.simulation.processes import Outcome

__all__ = ["VENDORS_EVERY", "simulate"]

VENDORS_EVERY = 6


def simulate(seed: int) -> Outcome:
    """Live the world of a seed through; the same every time."""
    return vendors.live(seed) if seed % VENDORS_EVERY == 0 else world.live(seed)
