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
    found = line_of(hero.root, path)
    assert TEXT.splitlines()[found - 1] == text


def test_line_of__json__is_found_too() -> None:
    written = (
        '\n{"key": "hero", "name": "Hero",\n "priority": 2,\n'
        ' "variants": [{"key": "a", "name": "A"},\n  {"key": "b", "name": "B"}]}'
    )
    documents, problems = read_files([SourceFile("all.json", written)])
    assert problems == ()
    (hero,) = documents.experiments
    assert line_of(hero.root, "name") == 2
    assert line_of(hero.root, "priority") == 3
    assert line_of(hero.root, "variants.b.weight") == 5


def test_line_of__definition__is_found_too() -> None:
    written = "kind: layer\nkey: shop\n---\nkind: layer\nkey: page\nsalt: page.2\n"
    documents, _ = read_files([SourceFile("all.yaml", written)])
    assert [line_of(each.root, "salt") for each in documents.definitions] == [1, 6]
