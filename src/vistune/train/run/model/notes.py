"""What was loaded and what is fresh, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vistune.train.run.model.connector import Filling


def connector_note(connector: nn.Module, fresh: list[str], filling: Filling) -> str:
    """What of the connector was loaded and what is fresh, by its larger pieces."""
    pieces: dict[str, set[str]] = {}
    tensors: dict[str, Tensor] = connector.state_dict()
    for name in tensors:
        origin = "fresh" if name in fresh else f"from {filling.origin[f'connector.{name}']}"
        pieces.setdefault(_piece(name), set()).add(origin)
    told = [f"{piece} {' and '.join(sorted(origins))}" for piece, origins in pieces.items()]
    return "connector: " + ", ".join(told)


def _piece(name: str) -> str:
    if name.startswith("qformer."):
        if "crossattention" in name:
            return "cross-attention"
        return "text embeddings" if "_embeddings" in name else "Q-Former"
    return "queries" if name == "query_tokens" else "projection"


def heads_note(fresh: list[str], total: int) -> str:
    """The same for the heads of a first stage, ``total`` tensors."""
    if len(fresh) == total:
        return "heads: fresh"
    return "heads: loaded" if not fresh else f"heads: loaded but for {', '.join(fresh)}, which are fresh"
