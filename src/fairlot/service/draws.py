"""What decides an experiment's draw: while it stays the same, the hash is the memory."""

import msgspec

from fairlot.engine import Experiment

_encoder = msgspec.json.Encoder(order="deterministic")


def draw_of(experiment: Experiment, layer_salt: str | None) -> str:
    """Equal texts draw every unit alike."""
    layer = experiment.layer
    return _encoder.encode(
        {
            "hashVersion": experiment.hash_version,
            "salt": experiment.salt,
            "unit": experiment.unit,
            "sampleRateBp": experiment.audience.sample_rate_bp,
            "layer": layer and [layer.key, layer.start, layer.end, layer_salt],
            "variants": [
                [variant.key, variant.weight, variant.recipe_sample_rate_bp]
                for variant in experiment.variants
            ],
        }
    ).decode()
