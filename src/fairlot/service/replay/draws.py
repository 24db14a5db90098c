"""What one version of a manifest draws for many units at once, from its stored bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlot.engine import Experiment, Holdout, Manifest
from fairlot.engine.hashing import CONTROL, HOLDOUT, utf8
from fairlot.engine.model import Status, Unit
from fairlot.service.moves.deals import Deal, DrawKey, Gate, deal_of
from fairlot.service.moves.hashed_units import HashedUnits

Mask = NDArray[np.bool_]
HELD: Final = "held"
OPEN: Final = "open"


class Drawn(NamedTuple):
    """`variant` is what the weights give, whether or not it is reached; `served` are the variants
    whose recipe rate lets the unit through, None for all of them."""

    is_held: bool
    is_in_layer: bool
    is_sampled: bool
    is_control: bool
    variant: str
    served: frozenset[str] | None

    @property
    def answer(self) -> str | None:
        """The variant of a unit without a memory, if it is eligible."""
        is_in = not self.is_held and self.is_in_layer and self.is_sampled
        return self.variant if is_in and self.serves(self.variant) else None

    def serves(self, variant: str) -> bool:
        return self.served is None or variant in self.served


@dataclass(frozen=True, slots=True)
class ExperimentDraws:
    """An experiment as a version has it. `control_share_bp` None is not activated by events."""

    version: int
    experiment: Experiment
    deal: Deal
    control: Gate | None

    @property
    def key(self) -> str:
        """Equal keys draw every unit alike."""
        return f"{self.experiment.id}{self.deal}{self.control}"

    @property
    def is_triggered(self) -> bool:
        return self.experiment.activation is not None

    @property
    def is_running(self) -> bool:
        """As far as the manifest itself says; schedules are of the clock. What is rolled out
        runs on."""
        status = self.experiment.status
        return status is Status.RUNNING or (
            status is Status.COMPLETED and self.experiment.rollout is not None
        )

    def drawn(self, units: Sequence[str]) -> list[Drawn]:
        """One for each, in their order."""
        found: list[Drawn | None] = [None] * len(units)
        for places, hashed in _by_length(units):
            for place, drawn in zip(places, self._drawn_alike(hashed), strict=True):
                found[place] = drawn
        return [each for each in found if each is not None]

    def _drawn_alike(self, units: HashedUnits) -> list[Drawn]:
        deal, names = self.deal, [arm.variant for arm in self.deal.arms]
        ends = np.array([arm.end for arm in deal.arms])
        chosen = np.searchsorted(ends, units.buckets(deal.salt, deal.variant_draw.purpose), "right")
        gates = {arm.variant: _passes(units, arm.served) for arm in deal.arms if arm.served}
        always = frozenset(names) - gates.keys()
        held, layer = ~_passes(units, deal.held_out), _passes(units, deal.layer)
        sampled = _passes(units, deal.sample)
        control = np.zeros(len(units), np.bool_)
        if self.control is not None:
            control = _passes(units, self.control)
        return [
            Drawn(
                bool(held[index]),
                bool(layer[index]),
                bool(sampled[index]),
                bool(control[index]),
                names[chosen[index]],
                always | {name for name, passes in gates.items() if passes[index]}
                if gates
                else None,
            )
            for index in range(len(units))
        ]


def draws_of(manifest: Manifest, key: str) -> ExperimentDraws | None:
    """None where the version has no such experiment. It has to be sound."""
    for each in manifest.experiments:
        if isinstance(each, Experiment) and each.key == key:
            deal = replace(deal_of(each, manifest, 0), is_open=True)
            return ExperimentDraws(manifest.version, each, deal, _control_gate(each))
    return None


def holdout_arms(holdout: Holdout, units: Sequence[str]) -> list[str]:
    """`held` or `open`, one for each unit."""
    gate = Gate(DrawKey(Unit.SUBJECT, holdout.salt, HOLDOUT), 0, holdout.rate_bp)
    found = [OPEN] * len(units)
    for places, hashed in _by_length(units):
        for place, is_held in zip(places, _passes(hashed, gate), strict=True):
            found[place] = HELD if is_held else OPEN
    return found


def _control_gate(experiment: Experiment) -> Gate | None:
    """Who is of the control share of what events activate."""
    activation = experiment.activation
    if activation is None:
        return None
    draw = DrawKey(experiment.unit, experiment.salt, CONTROL)
    return Gate(draw, 0, activation.control_share_bp)


def _passes(units: HashedUnits, gate: Gate | None) -> Mask:
    if gate is None:
        return np.ones(len(units), np.bool_)
    buckets = units.buckets(gate.draw.salt, gate.draw.purpose)
    return (gate.start <= buckets) & (buckets < gate.end)


def _by_length(units: Sequence[str]) -> list[tuple[list[int], HashedUnits]]:
    """The units of each byte length, hashed together, with their places."""
    encoded = [utf8(unit) for unit in units]
    order = sorted(range(len(units)), key=lambda place: len(encoded[place]))
    found = []
    for length, places in groupby(order, key=lambda place: len(encoded[place])):
        chosen = list(places)
        text = bytearray().join(encoded[place] for place in chosen)
        rows = np.frombuffer(text, np.uint8).reshape(len(chosen), length)
        found.append((chosen, HashedUnits(rows)))
    return found
