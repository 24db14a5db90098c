"""What an experiment says, in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Direction, Role
from fairlot.stats.results import (
    Comparison,
    GuardrailState,
    Interval,
    MetricResult,
    Verdict,
    VerdictKind,
)
from fairlot.stats.words import change_text, listed, p_text, value_text, values_are_text

GUARDRAIL_HARMFUL: Final = "guardrail_harmful"
PRIMARIES_DISAGREE: Final = "primaries_disagree"


@dataclass(frozen=True, slots=True)
class Judged:
    """A primary comparison beside its metric."""

    metric: MetricResult
    comparison: Comparison

    @property
    def is_better(self) -> bool:
        return self.comparison.is_significant and self._improves

    @property
    def is_worse(self) -> bool:
        return self.comparison.is_significant and not self._improves

    @property
    def _improves(self) -> bool:
        return (self.interval.low > 0) == (self.metric.direction is Direction.INCREASE)

    @property
    def interval(self) -> Interval:
        """The one that decides: that of all looks where the one of this moment holds 0."""
        interval, running = self.comparison.interval, self.comparison.running
        return running if running is not None and interval.low <= 0 <= interval.high else interval


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`names` are those of the variants, by key."""

    metrics: Sequence[MetricResult]
    findings: Sequence[Finding]
    names: Mapping[str, str]
    is_split: bool = False

    def verdict(self) -> Verdict:
        """Blocked by any finding that blocks, by a primary metric that says the contrary of another
        one, and of a winner by a guardrail that is harmed."""
        blocking = [each for each in self.findings if each.severity is Severity.BLOCKS]
        if blocking:
            return _blocked(blocking)
        preliminary = [each for each in self.findings if each.code is FindingCode.PRELIMINARY]
        if preliminary:
            sentence = f"Preliminary: {preliminary[0].summary}"
            return Verdict(kind=VerdictKind.PRELIMINARY, sentence=sentence)
        judged = [] if self.is_split else self._judged()
        return self._mixed(judged) or self._won(judged) or self._lost(judged) or self._open(judged)

    def _judged(self) -> list[Judged]:
        return [
            Judged(metric, comparison)
            for metric in self.metrics
            if metric.role is Role.PRIMARY
            for comparison in metric.comparisons
        ]

    def _mixed(self, judged: Sequence[Judged]) -> Verdict | None:
        for better in judged:
            for worse in judged:
                same = better.comparison.variant == worse.comparison.variant
                if same and better.is_better and worse.is_worse:
                    return self._two_ways(better, worse)
        return None

    def _two_ways(self, better: Judged, worse: Judged) -> Verdict:
        variant = self._name(better)
        return Verdict(
            kind=VerdictKind.BLOCKED,
            sentence=f"No verdict: {variant} is better in {better.metric.name}, and worse in"
            f" {worse.metric.name}; people have to weigh that.",
            variant=better.comparison.variant,
            reasons=(PRIMARIES_DISAGREE,),
        )

    def _won(self, judged: Sequence[Judged]) -> Verdict | None:
        better = [each for each in judged if each.is_better]
        harmed = {each.comparison.variant: self._harmed(each.comparison.variant) for each in better}
        unharmed = [each for each in better if not harmed[each.comparison.variant]]
        if better and not unharmed:
            return self._harmful(better[0], harmed[better[0].comparison.variant])
        if not unharmed:
            return None
        best = _foremost(unharmed)
        names = dict.fromkeys(self._name(each) for each in unharmed)
        others = [name for name in names if name != self._name(best)]
        also = f" {listed(others)} beat the control too." if others else ""
        return Verdict(
            kind=VerdictKind.WINNER,
            sentence=f"{self._name(best)} wins: {self._told(best)}{also}",
            variant=best.comparison.variant,
            metric=best.metric.key,
        )

    def _harmful(self, better: Judged, harmed: Sequence[str]) -> Verdict:
        return Verdict(
            kind=VerdictKind.BLOCKED,
            sentence=f"No verdict: {self._name(better)} is better in {better.metric.name}, but does"
            f" more harm to {listed([*harmed])} than its margin tolerates.",
            variant=better.comparison.variant,
            metric=better.metric.key,
            reasons=(GUARDRAIL_HARMFUL,),
        )

    def _lost(self, judged: Sequence[Judged]) -> Verdict | None:
        worse = [each for each in judged if each.is_worse]
        if not worse:
            return None
        worst = _foremost(worse)
        undecided = {each.comparison.variant for each in judged} - {
            each.comparison.variant for each in worse
        }
        rest = [self.names.get(key, key) for key in sorted(undecided)]
        also = f" No difference was found yet for {listed(rest)}." if rest else ""
        return Verdict(
            kind=VerdictKind.LOSER,
            sentence=f"{self._name(worst)} loses: {self._told(worst)}{also}",
            variant=worst.comparison.variant,
            metric=worst.metric.key,
        )

    def _open(self, judged: Sequence[Judged]) -> Verdict:
        if self.is_split:
            sentence = "By segment there is no verdict: the result of all subjects has it."
            return Verdict(kind=VerdictKind.BY_SEGMENT, sentence=sentence)
        if not judged:
            sentence = f"No difference yet: {self._uncompared()}."
        else:
            first = judged[0]
            told = f"{self._name(first)}: {self._told(first)}"
            sentence = f"No difference yet for {told}{_gate_text(first)}{self._ruled_out(judged)}"
        return Verdict(kind=VerdictKind.NO_DIFFERENCE, sentence=sentence)

    def _uncompared(self) -> str:
        """Why the first primary metric has no comparison."""
        for metric in self.metrics:
            if metric.role is Role.PRIMARY and metric.uncompared:
                return f"{metric.name} is {metric.uncompared[0].sentence}"
        return "there is nothing to compare"

    def _ruled_out(self, judged: Sequence[Judged]) -> str:
        """Of which metrics, and for whom, the smallest effect that matters can be ruled out."""
        told = ""
        for metric in dict.fromkeys(each.metric.key for each in judged):
            of_metric = [each for each in judged if each.metric.key == metric]
            ruled_out = [each for each in of_metric if _is_ruled_out(each)]
            if not ruled_out:
                continue
            first = ruled_out[0].metric
            text = change_text(first.minimum_effect or 0.0, first.kind)
            where = f" in {first.name}" if len(of_metric) < len(judged) else ""
            names = [self._name(each) for each in ruled_out]
            whom = f" for {listed(names)}" if len(judged) > 1 else ""
            told += (
                f" A difference as large as {text}, the smallest that matters{where}, is ruled"
                f" out{whom}."
            )
        return told

    def _harmed(self, variant: str) -> list[str]:
        return [
            metric.name
            for metric in self.metrics
            for comparison in metric.comparisons
            if comparison.variant == variant and comparison.guardrail is GuardrailState.HARMFUL
        ]

    def _name(self, judged: Judged) -> str:
        key = judged.comparison.variant
        return self.names.get(key, key)

    def _told(self, judged: Judged) -> str:
        """The numbers of one comparison: the values are those that the difference is made of."""
        metric, comparison = judged.metric, judged.comparison
        values = _values_text(judged)
        sizes = f"{comparison.n_variant:,} and {comparison.n_control:,} subjects"
        return (
            f"{metric.name}{values}, {change_text(comparison.estimate, metric.kind)}"
            f" ({100 - comparison.alpha * 100:g} % interval {_intervals_text(judged)},"
            f" {p_text(comparison.p)}{_look_text(comparison)}), of {sizes}."
        )


def _blocked(blocking: Sequence[Finding]) -> Verdict:
    codes = tuple(dict.fromkeys(each.code.value for each in blocking))
    summaries = " ".join(dict.fromkeys(each.summary for each in blocking))
    return Verdict(kind=VerdictKind.BLOCKED, sentence=f"No verdict: {summaries}", reasons=codes)


def _foremost(judged: Sequence[Judged]) -> Judged:
    """The largest difference in the metric in which one is the clearest: differences of two metrics
    have no common unit."""
    clearest = max(judged, key=_clearness).metric.key
    of_metric = (each for each in judged if each.metric.key == clearest)
    return max(of_metric, key=lambda each: abs(each.comparison.estimate))


def _clearness(judged: Judged) -> float:
    """The difference in widths of its interval."""
    interval = judged.comparison.interval
    return abs(judged.comparison.estimate) / (interval.high - interval.low)


def _intervals_text(judged: Judged) -> str:
    """That of this moment, which holds the estimate, and the one that decides where it is another:
    that one may lie beside the estimate."""

    def text(interval: Interval) -> str:
        kind = judged.metric.kind
        return f"{change_text(interval.low, kind)} to {change_text(interval.high, kind)}"

    now = text(judged.comparison.interval)
    if judged.interval == judged.comparison.interval:
        return now
    return f"{now}; of all looks {text(judged.interval)}"


def _look_text(comparison: Comparison) -> str:
    """Of which planned look all of it is."""
    look = comparison.planned_look
    return "" if look is None else f", at the look of {look.day}"


def _values_text(judged: Judged) -> str:
    """With a word on what they are where reports show others for the arms."""
    control, treatment = judged.comparison.control, judged.comparison.treatment
    if control is None or treatment is None:
        return ""
    kind, are = judged.metric.kind, values_are_text(judged.comparison)
    values = f" is {value_text(treatment.value, kind)} against {value_text(control.value, kind)}"
    return f"{values} ({are})" if are else values


def _gate_text(judged: Judged) -> str:
    gate = judged.comparison.gate
    return f" Too early to tell: {gate}." if gate else ""


def _is_ruled_out(judged: Judged) -> bool:
    """Whether the smallest effect that matters is, both ways."""
    smallest, comparison = judged.metric.minimum_effect, judged.comparison
    if smallest is None or comparison.is_gated:
        return False
    interval = comparison.running or comparison.interval
    return -smallest < interval.low and interval.high < smallest
