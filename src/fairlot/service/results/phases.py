"""The phases of an experiment: versions of the manifest that drew alike, and the shares of arms."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from fairlot.engine.bucketing import split_ends
from fairlot.engine.checks import CONTROL_ARM
from fairlot.engine.model import FULL_RATE_BP, Status
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase
from fairlot.store.manifest_versions import payloads_since

HELD: Final = "held"
OPEN: Final = "open"


class _Part(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """So much of a manifest as decides the shares of arms."""


class _Variant(_Part, frozen=True, rename="camel"):
    key: str
    is_control: bool = False
    weight: int | None = None
    recipe_sample_rate_bp: int = FULL_RATE_BP


class _Range(_Part, frozen=True, rename="camel"):
    key: str
    start: int
    end: int


class _Activation(_Part, frozen=True, rename="camel"):
    control_share_bp: int


class _Experiment(_Part, frozen=True, rename="camel"):
    key: str
    status: str = Status.RUNNING
    variants: tuple[_Variant, ...] = ()
    layer: _Range | None = None
    activation: _Activation | None = None


class _Layer(_Part, frozen=True, rename="camel"):
    key: str
    salt: str | None = None


class _Holdout(_Part, frozen=True, rename="camel"):
    key: str
    rate_bp: int
    salt: str | None = None


class _Manifest(_Part, frozen=True, rename="camel"):
    experiments: tuple[_Experiment, ...] = ()
    layers: tuple[_Layer, ...] = ()
    holdout: _Holdout | None = None


_manifest_decoder: Final = msgspec.json.Decoder(_Manifest)
_experiment_decoder: Final = msgspec.json.Decoder(_Experiment)


class _Drawn(NamedTuple):
    """What a version drew by: `draw` is equal where it drew alike."""

    version: int
    draw: Any
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Versions:
    """The stored versions of a project from `since_ms` on."""

    connection: Connection
    project_id: str
    since_ms: int

    def phases_of_experiment(self, key: str, document: bytes) -> tuple[Phase, ...]:
        """`document` is what it is now, and counts where no version has it."""
        now = _experiment_decoder.decode(document)
        drawn = [
            _Drawn(version, _draw_of(each, manifest), arms_of(each))
            for version, manifest in self._manifests()
            for each in manifest.experiments
            if each.key == key and each.status != Status.COMPLETED and each.variants
        ]
        return _phases(drawn) or only_phase(arms_of(now))

    def phases_of_holdout(self, key: str, rate_bp: int) -> tuple[Phase, ...]:
        drawn = [
            _Drawn(version, held, _holdout_arms(held.rate_bp))
            for version, manifest in self._manifests()
            if (held := manifest.holdout) is not None and held.key == key
        ]
        return _phases(drawn) or only_phase(_holdout_arms(rate_bp))

    def _manifests(self) -> Iterator[tuple[int, _Manifest]]:
        for version, payload in payloads_since(self.connection, self.project_id, self.since_ms):
            yield version, _manifest_decoder.decode(payload)


def arms_of_document(document: bytes) -> tuple[Arm, ...]:
    """Of an experiment as it is stored."""
    return arms_of(_experiment_decoder.decode(document))


def is_triggered(document: bytes) -> bool:
    return _experiment_decoder.decode(document).activation is not None


def only_phase(arms: tuple[Arm, ...]) -> tuple[Phase, ...]:
    return (Phase(1, 0, ANY_VERSION, arms),)


def arms_of(experiment: _Experiment) -> tuple[Arm, ...]:
    """A personalization that events activate has its control share beside the variants."""
    control = None if experiment.activation is not None else _control_of(experiment.variants)
    widths = _widths(experiment.variants)
    total = sum(widths) or 1.0
    shares = [width / total for width in widths]
    if experiment.activation is None:
        return tuple(
            Arm(variant.key, variant.key == control, share)
            for variant, share in zip(experiment.variants, shares, strict=True)
        )
    part = experiment.activation.control_share_bp / FULL_RATE_BP
    variants = (
        Arm(variant.key, False, share * (1 - part))
        for variant, share in zip(experiment.variants, shares, strict=True)
    )
    return (Arm(CONTROL_ARM, True, part), *variants)


def _widths(variants: Sequence[_Variant]) -> list[float]:
    """Weight times recipe rate of each."""
    given = [variant.weight for variant in variants]
    weights = None if None in given else [weight or 0 for weight in given]
    ends = (0, *split_ends(weights, len(variants)))
    return [
        (end - start) * variant.recipe_sample_rate_bp
        for (start, end), variant in zip(pairwise(ends), variants, strict=True)
    ]


def _control_of(variants: Sequence[_Variant]) -> str | None:
    """None where there is nothing to compare with."""
    if len(variants) < 2:
        return None
    marked = [variant.key for variant in variants if variant.is_control]
    keyed = [variant.key for variant in variants if variant.key == CONTROL_ARM]
    return (*marked, *keyed, variants[0].key)[0]


def _holdout_arms(rate_bp: int) -> tuple[Arm, ...]:
    part = rate_bp / FULL_RATE_BP
    return Arm(HELD, True, part), Arm(OPEN, False, 1 - part)


def _draw_of(experiment: _Experiment, manifest: _Manifest) -> Any:
    layer = experiment.layer
    salts = [each.salt for each in manifest.layers if layer is not None and each.key == layer.key]
    return experiment.variants, layer, salts, experiment.activation


def _phases(drawn: Iterable[_Drawn]) -> tuple[Phase, ...]:
    """What was recorded before the first version counts as of it."""
    starts: list[_Drawn] = []
    for each in drawn:
        if not starts or starts[-1].draw != each.draw:
            starts.append(each)
    if not starts:
        return ()
    ends = [*(each.version for each in starts[1:]), ANY_VERSION]
    phases = [
        Phase(number, each.version, end, each.arms)
        for number, (each, end) in enumerate(zip(starts, ends, strict=True), start=1)
    ]
    return (replace(phases[0], first_version=0), *phases[1:])
