"""The engine's verdict on what was read, as problems with lines.

The engine stops at its first objection. So that one run names them all, parts that do not depend on
each other are shown to it one at a time, inside an experiment that is otherwise in order.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from fairlot.engine import (
    Audience,
    Experiment,
    InvalidExperiment,
    Layer,
    Segment,
    Variant,
    check_experiment,
)
from fairlot.engine.conditions import MAX_CLAUSES
from fairlot.engine.urls import MAX_PATTERNS
from fairlot.manifest.nodes import MapNode, json_value, locate, shown, shown_value
from fairlot.manifest.problems import Problems

SOUND: Final = Experiment(key="sound", salt="sound", variants=(Variant("a"), Variant("b")))


class EngineCheck:
    """Asks the engine about experiments that were read from the mapping `root`."""

    def __init__(self, root: MapNode, problems: Problems, segments: Sequence[Segment]) -> None:
        self.root = root
        self.problems = problems
        self.segments = tuple(segments)

    def check(self, experiment: Experiment) -> None:
        """Add the engine's objection, if any."""
        error = self._objection(experiment)
        if error is not None:
            self._add(error.path, error)

    def check_audience(self, audience: Audience) -> None:
        """Each clause, pattern and parameter by itself, but for those known to be wrong.

        What there is too much of is refused later, when the engine sees the whole.
        """
        for key, operand in islice(audience.rule.items(), MAX_CLAUSES):
            self._check_part(f"audience.rule.{key}", Audience(rule={key: operand}))
        for index, pattern in enumerate(audience.url_patterns[:MAX_PATTERNS]):
            part = Audience(url_patterns=(pattern,))
            self._check_part(f"audience.urlPatterns[{index}]", part)
        for index, param in enumerate(audience.query_params):
            self._check_part(f"audience.queryParams[{index}]", Audience(query_params=(param,)))

    def _check_part(self, path: str, part: Audience) -> None:
        if self.problems.under(path):
            return
        error = self._objection(replace(SOUND, audience=part))
        if error is not None:
            # The part's list has one item, which the document has at another index.
            own_path = re.sub(r"\[\d+\]$", "[0]", path)
            self._add(path + error.path.removeprefix(own_path), error)

    def _objection(self, experiment: Experiment) -> InvalidExperiment | None:
        layer = experiment.layer
        layers = () if layer is None else (Layer(layer.key, f"layer.{layer.key}"),)
        try:
            check_experiment(experiment, layers, self.segments)
        except InvalidExperiment as error:
            return error
        return None

    def _add(self, path: str, error: InvalidExperiment) -> None:
        line, node = locate(self.root, path)
        is_written = shown_value(error.value) == shown_value(json_value(node))
        value = shown(node) if is_written else shown_value(error.value)
        self.problems.add(line, path, value, error.fix)
