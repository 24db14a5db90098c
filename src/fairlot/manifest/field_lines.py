"""Where a field stands in its file, named as in plans: `audience.rule`, `variants.b.weight`."""

from fairlot.manifest.nodes import ListNode, MapNode, Scalar, locate


def line_of(root: MapNode, path: str) -> int:
    """A field that the document at `root` leaves out stands where the nearest part around it
    does."""
    line, _ = locate(root, _as_written(root, path))
    return line


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
