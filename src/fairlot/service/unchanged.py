"""What two manifests have in common, for whoever is concerned with what differs."""

from collections.abc import Set
from dataclasses import replace

from fairlot.engine import Manifest
from fairlot.manifest.contents import same_content


def without_unchanged(before: Manifest, after: Manifest) -> tuple[Manifest, Manifest]:
    """Both without the experiments that are the same in both, where all that these share is: to
    compile or to compare one takes a millisecond, and most changes are of a few."""
    if not same_content(_shared_parts(before), _shared_parts(after)):
        return before, after
    old = {each.key: each for each in before.experiments}
    same = {each.key for each in after.experiments if same_content(old.get(each.key), each)}
    return _without(before, same), _without(after, same)


def _shared_parts(manifest: Manifest) -> tuple[object, ...]:
    return manifest.segments, manifest.layers, manifest.holdout, manifest.properties


def _without(manifest: Manifest, keys: Set[str]) -> Manifest:
    kept = tuple(each for each in manifest.experiments if each.key not in keys)
    return replace(manifest, experiments=kept)
