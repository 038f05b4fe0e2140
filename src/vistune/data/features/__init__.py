"""Features of the frozen image encoder: every picture is encoded once, kept in memory or in a folder.

In memory, for small sets:  cache = encode_features(model, processor, images)
In a folder, for any size:  build_features(model, processor, images, folder)
                            store = open_features(model, processor, folder)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vistune.data.features.build import FeatureReport, build_features
    from vistune.data.features.load import Features, LoadFeatures, load_features
    from vistune.data.features.memory import FeatureCache, encode_features, prepare_pixels
    from vistune.data.features.spec import FeatureSpec, encoder_fingerprint, feature_spec, final_norm
    from vistune.data.features.store import FeatureStore, open_features

_LAZY = {
    "FeatureCache": "memory",
    "FeatureReport": "build",
    "FeatureSpec": "spec",
    "FeatureStore": "store",
    "Features": "load",
    "LoadFeatures": "load",
    "build_features": "build",
    "encode_features": "memory",
    "encoder_fingerprint": "spec",
    "feature_spec": "spec",
    "final_norm": "spec",
    "load_features": "load",
    "open_features": "store",
    "prepare_pixels": "memory",
}

__all__ = [
    "FeatureCache",
    "FeatureReport",
    "FeatureSpec",
    "FeatureStore",
    "Features",
    "LoadFeatures",
    "build_features",
    "encode_features",
    "encoder_fingerprint",
    "feature_spec",
    "final_norm",
    "load_features",
    "open_features",
    "prepare_pixels",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: torch is heavy."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
