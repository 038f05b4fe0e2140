"""What a finished answer belongs to: model, tokens of the prompt, settings and pictures, hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vistune.data.features.keys import DIGEST, content_keys, picture_names
from vistune.data.images import blaming
from vistune.evaluate.runner.together import alike, shares

if TYPE_CHECKING:
    from vistune.data.batch import Encoded
    from vistune.data.example import ImageRef
    from vistune.data.pairs import PairProcessor
    from vistune.infer.predictor import Predictor
    from vistune.model.stage1 import Stage1Model
    from vistune.train.parallel.processes import Processes

# To be raised when answers come out otherwise from equal weights, prompts and settings.
_FORMAT = 1
_DIGEST = 16
# Hashing and reading files let other threads run.
_THREADS = 4
# Entries of a transformers config that say where it came from, not what it computes.
_ORIGIN = ("transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures", "_from_model_config")


def model_key(predictor: Predictor) -> str:
    """32 hex digits for all that a model's answers depend on beside the prompt.

    That is every weight in the dtype it computes in, the sizes and switches of its parts, its generation config, how it
    prepares pictures, and its tokenizer. Device and versions of libraries are not part of it: their answers differ by
    rounding alone.
    """
    model, processor = predictor.model, predictor.processor
    facts = {
        "format": _FORMAT,
        "weights": weights_hash(model),
        "config": _plain(model.config),
        "generation": None if model.generation_config is None else _without_origin(model.generation_config.to_dict()),
        "pictures": json.loads(processor.image_processor.to_json_string()),
        "tokenizer": _tokenizer_hash(processor.tokenizer),
        "encoder_decoder": processor.encoder_decoder,
    }
    return _hex(json.dumps(facts, sort_keys=True, default=str).encode())


def stage1_key(model: Stage1Model, processor: PairProcessor) -> str:
    """The same for a first stage of BLIP-2; texts are keyed by their tokens."""
    facts = {
        "format": _FORMAT,
        "weights": weights_hash(model),
        "config": _plain(model.config),
        "pictures": json.loads(processor.image_processor.to_json_string()),
        "tokenizer": _tokenizer_hash(processor.tokenizer),
    }
    return _hex(json.dumps(facts, sort_keys=True, default=str).encode())


def weights_hash(model: nn.Module) -> str:
    """Of names, dtypes, shapes and bytes of all tensors; tied ones count once."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in sorted(model.state_dict(keep_vars=True).items()):
        if isinstance(tensor, Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            tensors[name] = tensor

    def digest(item: tuple[str, Tensor]) -> bytes:
        name, tensor = item
        found = hashlib.blake2b(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode(), digest_size=_DIGEST)
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return found.digest()

    with ThreadPoolExecutor(_THREADS) as pool:
        return _hex(b"".join(pool.map(digest, tensors.items())))


def shared_picture_keys(refs: Sequence[ImageRef], processes: Processes) -> list[bytes]:
    """Hash of what each reference holds, in order; of a video those of its frames, one behind the other.

    All processes call it. Each picture is read once, by one of them.

    Raises:
        ImageError: a file is missing or cannot be read; with ``ref``. SystemExit: as `alike`.
    """
    # By place and not by name: the times in names may differ between machines.
    firsts, owners = processes.broadcast(alike(processes, lambda: _each_once(refs)))

    def read(place: int) -> bytes:
        with blaming(refs[place]):
            return b"".join(content_keys(refs[place]))

    def mine() -> list[bytes]:
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(read, firsts[processes.rank :: processes.size]))

    keys = [b""] * len(firsts)
    for rank, part in enumerate(shares(processes, mine)):
        keys[rank :: processes.size] = part
    return [keys[owner] for owner in owners]


def _each_once(refs: Sequence[ImageRef]) -> tuple[list[int], list[int]]:
    """Places where a picture comes first, and for every reference which of these it is."""
    firsts: list[int] = []
    known: dict[str, int] = {}
    owners = []
    for place, ref in enumerate(refs):
        with blaming(ref):
            name = picture_names(ref)[0]
        if name not in known:
            known[name] = len(firsts)
            firsts.append(place)
        owners.append(known[name])
    return firsts, owners


def row_keys(model: str, how: Sequence[Any]) -> RowKey:
    """What makes the key of a row.

    Args:
        model: of :func:`model_key`. how: way of answering and its settings, as JSON can hold them.
    """
    begin = json.dumps([model, how], sort_keys=True).encode()
    lists: dict[tuple[str, ...], bytes] = {}

    def key(encoded: Encoded, pictures: bytes, candidates: tuple[str, ...] | None) -> str:
        digest = hashlib.blake2b(begin, digest_size=_DIGEST)
        digest.update(json.dumps([encoded.input_ids, encoded.instruction_ids]).encode())
        for start in range(0, len(pictures), DIGEST):
            digest.update(b"|" + pictures[start : start + DIGEST])
        if candidates is not None:
            if candidates not in lists:
                lists[candidates] = hashlib.blake2b(json.dumps(candidates).encode(), digest_size=_DIGEST).digest()
            digest.update(b"candidates" + lists[candidates])
        return digest.hexdigest()

    return key


RowKey = Callable[["Encoded", bytes, "tuple[str, ...] | None"], str]
"""The key of a row from its tokens, the hashes of its pictures and, where it is ranked, its candidates."""


def _plain(value: Any) -> Any:
    """A config as JSON: our own dataclasses and transformers' objects."""
    if hasattr(value, "to_dict"):
        return _without_origin(value.to_dict())
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _without_origin(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_origin(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
        if name not in _ORIGIN
    }


def _tokenizer_hash(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return _hex(text.encode())


def _hex(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST).hexdigest()


def distinct(texts: Sequence[str]) -> tuple[str, ...]:
    """Candidates without repetitions, in order: a set may offer the same choice twice."""
    return tuple(dict.fromkeys(texts))
