"""Where a field stands in its file, named as in plans: `audience.rule`, `variants.b.weight`."""

from fairlot.manifest.nodes import ListNode, MapNode, Scalar, locate
from fairlot.manifest.problems import Problems
from fairlot.manifest.yaml_reader import read_documents


def line_of(source: str, line: int, path: str) -> int:
    """In the file in which the first key of the sound document `source` stands at `line`. A field
    that it leaves out stands where the nearest part around it does."""
    (document,) = read_documents(source, Problems(""))
    root = document.root
    if not isinstance(root, MapNode):
        return line
    found, _ = locate(root, _as_written(root, path))
    return line + found - root.line


def _as_written(root: MapNode, path: str) -> str:
    """A part of the audience may stand at the top, and variants are items of a list."""
    whole, _, part = path.partition(".")
    if whole == "audience" and part.partition(".")[0] in root.entries:
        return part
    if whole == "variants" and part:
        key, _, field = part.partition(".")
        return f"variants[{_variant_keys(root).get(key)}].{field}"
    return path


def _variant_keys(root: MapNode) -> dict[object, int]:
    """Their places in the list."""
    variants = root.entries.get("variants")
    items = variants.items if isinstance(variants, ListNode) else ()
    keys = (item.entries.get("key") if isinstance(item, MapNode) else None for item in items)
    return {key.value: index for index, key in enumerate(keys) if isinstance(key, Scalar)}
