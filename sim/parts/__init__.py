"""Parts of the workbench with joints and logic of their own: a scene has those that its layout names."""

from typing import TYPE_CHECKING

from sim.parts.console import Console
from sim.parts.part import Part
from sim.parts.store import Store
from sim.parts.travel import Travel

if TYPE_CHECKING:
    from sim.bench import Bench


def build(bench: "Bench") -> list[Part]:
    """The parts of this bench's layout, added to it."""
    layout = bench.layout
    parts: list[Part] = []
    if layout.lid != "none":
        parts.append(Store(bench))
    if layout.lever != "none" or layout.knob != "none":
        parts.append(Console(bench))
    if layout.motion:
        parts.append(Travel(bench))
    return parts


__all__ = ["Part", "build"]
