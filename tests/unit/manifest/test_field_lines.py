"""Where a field stands in the file, as plans name it."""

import pytest

from fairlot.manifest.documents import read_files
from fairlot.manifest.field_lines import line_of
from fairlot.manifest.source_files import SourceFile

TEXT = """\
# The first is of no interest.
key: other
name: Other
variants: [{key: a, name: A}, {key: b, name: B}]
---
# A comment before it.

key: hero
name: Hero
sampleRate: 0.5
layer:
  key: shop
  start: 0
  end: 5000
audience:
  rule:
    tier: gold
variants:
  - key: a
    name: A
    weight: 2500
  - key: b
    name: B
    weight: 5000
  - {key: c, name: C, weight: 2500}
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("key", "key: hero"),
        ("name", "name: Hero"),
        ("audience.sampleRate", "sampleRate: 0.5"),
        ("audience.rule", "  rule:"),
        ("audience.device", "audience:"),
        ("layer", "layer:"),
        ("layer.end", "  end: 5000"),
        ("variants", "variants:"),
        ("variants.b", "  - key: b"),
        ("variants.b.weight", "    weight: 5000"),
        ("variants.b.isControl", "  - key: b"),
        ("variants.c.name", "  - {key: c, name: C, weight: 2500}"),
        ("variants.d.name", "variants:"),
        ("salt", "key: hero"),
        ("", "key: hero"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_of__field_of_a_plan__is_where_it_or_the_part_around_it_stands(
    path: str, text: str, line_end: str
) -> None:
    written = TEXT.replace("\n", line_end)
    documents, problems = read_files([SourceFile("all.yaml", "\ufeff" + written)])
    assert [str(problem) for problem in problems] == []
    hero = documents.experiments[-1]
    found = line_of(hero.source, hero.line, path)
    assert TEXT.splitlines()[found - 1] == text


def test_line_of__json__is_found_too() -> None:
    written = '{"key": "hero",\n "priority": 2,\n "variants": [{"key": "a"}]}'
    assert line_of(written, 1, "priority") == 2
    assert line_of(written, 1, "variants.a.weight") == 3


def test_line__of_a_document_without_fields__is_its_own() -> None:
    assert line_of("only a text\n", 7, "name") == 7
