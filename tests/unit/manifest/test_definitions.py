"""The JSON of definitions, which the database keeps."""

import pytest

from fairlot.manifest.definitions import (
    Definition,
    DocumentKind,
    HoldoutDefinition,
    LayerDefinition,
    MetricDefinition,
    SegmentDefinition,
    definition_from_json,
    definition_to_json,
)
from fairlot.manifest.errors import UnreadableDefinition
from fairlot.stats.metrics import MetricKind


@pytest.mark.parametrize(
    ("definition", "kind", "document"),
    [
        (
            LayerDefinition(key="l", name="L"),
            DocumentKind.LAYER,
            b'{"kind":"layer","key":"l","name":"L"}',
        ),
        (
            SegmentDefinition(key="s", name="S", rule={"a": 1}, segments=("t",)),
            DocumentKind.SEGMENT,
            b'{"kind":"segment","rule":{"a":1},"segments":["t"],"key":"s","name":"S"}',
        ),
        (
            SegmentDefinition(key="s", name="S", values=("v", 1), is_public=True),
            DocumentKind.SEGMENT,
            b'{"kind":"segment","values":["v",1],"public":true,"key":"s","name":"S"}',
        ),
        (
            HoldoutDefinition(key="h", name="H", description="D", rate_bp=500, salt="x"),
            DocumentKind.HOLDOUT,
            b'{"kind":"holdout","rateBp":500,"salt":"x","key":"h","name":"H","description":"D"}',
        ),
        (
            MetricDefinition(key="m", name="M", type=MetricKind.COUNT, event_name="e"),
            DocumentKind.METRIC,
            b'{"kind":"metric","type":"count","eventName":"e","key":"m","name":"M"}',
        ),
    ],
)
def test_definition__as_json__is_read_back(
    definition: Definition, kind: DocumentKind, document: bytes
) -> None:
    assert definition.kind is kind
    assert definition_to_json(definition) == document
    assert definition_from_json(document) == definition


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"{", "truncated"),
        (b'{"kind":"layer","key":"\xff"}', "invalid start byte"),
        (b'{"kind":"experiment","key":"l"}', "Invalid value 'experiment' - at `$.kind`"),
        (b'{"kind":"layer","key":"l"}', "missing required field `name`"),
        (b'{"kind":"layer","key":"l","name":"L","new":1}', "unknown field `new`"),
    ],
)
def test_definition__that_is_none__is_refused(document: bytes, problem: str) -> None:
    with pytest.raises(UnreadableDefinition, match=problem.replace("$", r"\$")):
        definition_from_json(document)


def test_kind__of_many__is_spelled_as_in_routes() -> None:
    assert [each.plural for each in (DocumentKind.LAYER, DocumentKind.PROPERTY)] == [
        "layers",
        "properties",
    ]
