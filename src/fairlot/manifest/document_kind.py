"""What a document says that it is."""

from typing import Final

from fairlot.manifest.definitions import DocumentKind
from fairlot.manifest.fields import Field, Fields, Table
from fairlot.manifest.nodes import MapNode, Node, Scalar
from fairlot.manifest.problems import Problems
from fairlot.manifest.shapes import Choice
from fairlot.stats.metrics import MetricKind


class _Kind(Choice[DocumentKind]):
    def read(self, fields: Fields, name: str, node: Node) -> DocumentKind | None:
        if isinstance(node, Scalar) and node.value in tuple(MetricKind):
            fix = "this is a type of metric; write `kind: metric` and it as `type`"
            fields.refuse(name, fix)
            return None
        return super().read(fields, name, node)


KIND: Final = Field(
    "kind",
    _Kind(DocumentKind),
    "What the document is: an experiment, unless it says otherwise.",
    default=DocumentKind.EXPERIMENT.value,
)
_ANY_DOCUMENT: Final = Table((KIND,), is_open=True)


def kind_of(root: MapNode, problems: Problems) -> DocumentKind | None:
    """None after adding what is wrong with it."""
    top = Fields(root, "", problems, _ANY_DOCUMENT)
    return top.read(KIND) if top.has(KIND.name) else DocumentKind.EXPERIMENT
