"""The engine's verdict on what was read, as problems with lines.

The engine stops at its first objection. So that one run names them all, a part that it refuses is
shown to it again piece by piece.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from fairlot.engine import Audience, Experiment, InvalidExperiment, Layer, ListSegment, Variant
from fairlot.engine.checks import check_shape
from fairlot.engine.conditions import MAX_CLAUSES, compile_condition, compile_rule
from fairlot.engine.queries import compile_query_params
from fairlot.engine.urls import MAX_PATTERNS, compile_url_patterns
from fairlot.manifest.nodes import MapNode, json_value, locate, shown, shown_value
from fairlot.manifest.problems import Problems

SOUND: Final = Experiment(key="sound", salt="sound", variants=(Variant("a"), Variant("b")))


class _Piece(NamedTuple):
    """A part of `value` at `path` of the document, which calls itself `own`."""

    path: str
    own: str
    value: Any


class EngineCheck:
    """Asks the engine about what was read from the mapping `root`; rules may name the `lists`."""

    def __init__(self, root: MapNode, problems: Problems, lists: Mapping[str, ListSegment]) -> None:
        self.root = root
        self.problems = problems
        self.lists = lists

    def check_shape(self, experiment: Experiment) -> None:
        """All but the audience: keys, variants, weights, rates, layer range and schedule."""
        layer = experiment.layer
        layers = {} if layer is None else {layer.key: Layer(layer.key, f"layer.{layer.key}")}
        error = _objection(partial(check_shape, layers=layers), experiment)
        if error is not None:
            self._add(error.path, error)

    def check_audience(self, audience: Audience) -> None:
        if audience.rule:
            self.check_rule("audience.rule", audience.rule)
        self._check_list("audience.urlPatterns", audience.url_patterns, compile_url_patterns)
        self._check_list("audience.queryParams", audience.query_params, compile_query_params)

    def check_rule(self, path: str, rule: Mapping[str, Any]) -> None:
        self._check_pieces(path, rule, partial(compile_rule, segments=self.lists))

    def check_condition(self, path: str, condition: Mapping[str, Any]) -> None:
        """Of the properties of an event."""
        self._check_pieces(path, condition, partial(compile_condition, segments=self.lists))

    def _check_pieces(
        self, path: str, rule: Mapping[str, Any], compile_part: Callable[[Any], object]
    ) -> None:
        pieces = [_Piece(f"{path}.{key}", key, {key: operand}) for key, operand in rule.items()]
        self._check(path, rule, pieces[:MAX_CLAUSES], compile_part)

    def _check_list(
        self, path: str, items: Sequence[Any], compile_part: Callable[[Any], object]
    ) -> None:
        pieces = [
            _Piece(f"{path}[{index}]", "[0]", (item,))
            for index, item in enumerate(islice(items, MAX_PATTERNS))
        ]
        self._check(path, items, pieces, compile_part)

    def _check(
        self, path: str, whole: Any, pieces: Sequence[_Piece], compile_part: Callable[[Any], object]
    ) -> None:
        """The objections to the pieces, but for those known to be wrong; if none, to the whole."""
        objection = _objection(compile_part, whole)
        if objection is None:
            return
        for piece in pieces:
            if self.problems.under(piece.path):
                continue
            error = _objection(compile_part, piece.value)
            if error is not None:
                self._add(piece.path + error.path.removeprefix(piece.own), error)
        if not self.problems.under(path):
            self._add(objection.under(path).path, objection)

    def _add(self, path: str, error: InvalidExperiment) -> None:
        line, node = locate(self.root, path)
        is_written = shown_value(error.value) == shown_value(json_value(node))
        value = shown(node) if is_written else shown_value(error.value)
        self.problems.add(line, path, value, error.fix)


def _objection(compile_part: Callable[[Any], object], part: Any) -> InvalidExperiment | None:
    try:
        compile_part(part)
    except InvalidExperiment as error:
        return error
    return None
