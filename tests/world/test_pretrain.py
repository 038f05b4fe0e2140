"""Pretraining: its words are not the tasks' words, its texts say what is there, it runs, and it is reproducible."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vistune.world.pretrain import phrasings, run
from vistune.world.pretrain.documents import DocumentWriter, ask, framed
from vistune.world.pretrain.settings import LanguageSettings, PretrainSettings, VisionSettings
from vistune.world.scene import scenes
from vistune.world.tasks import TASKS
from vistune.world.tokenizer import build_tokenizer


def spoken(text: str) -> str:
    """Words only: no marks, no case, one sign for every place that is filled."""
    without_marks = re.sub(r"[?.:;,]", " ", re.sub(r"\{\w+\}", " # ", text))
    return " ".join(without_marks.lower().split())


def instruction_wordings() -> Iterator[tuple[str, str]]:
    import importlib

    for name in TASKS:
        module = importlib.import_module(f"vistune.world.tasks.{name}")
        for template in getattr(module, "TEMPLATES", ()) or module.HISTORIES:
            yield name, template
        for templates in getattr(module, "_QUESTIONS", {}).values():
            yield from ((name, template) for template in templates)


def pretraining_wordings() -> list[str]:
    groups = (
        *(phrasings.COLOUR, phrasings.SHAPE, phrasings.PLACE, phrasings.SIZE, phrasings.COUNT, phrasings.EXISTENCE),
        *(phrasings.SPATIAL, phrasings.SPATIAL_YES_NO, [wording for wording, _, _ in phrasings.SPATIAL_WHICH]),
        *(phrasings.CHOICE, phrasings.DIALOGUE, phrasings.CAPTION, phrasings.QUESTION),
    )
    return [wording for group in groups for wording in group]


def test_no_instruction_wording_is_a_pretraining_wording() -> None:
    known = {spoken(template) for template in pretraining_wordings()}
    assert len(known) > 80
    # "the {thing}" and "it" are the same hole in a question.
    known |= {wording.replace("the #", "#") for wording in known}
    for name, template in instruction_wordings():
        wording = spoken(template)
        assert wording not in known and wording.replace("the #", "#") not in known, (name, template)


def test_documents_use_training_scenes_and_learn_answers_only() -> None:
    tokenizer = build_tokenizer()
    writer = DocumentWriter(tokenizer)
    rng, stream = random.Random(0), scenes("train", 0)
    for _ in range(50):
        document = writer.write(next(stream), rng, 128, summed=True)
        assert len(document.tokens) == len(document.learned) <= 160
        assert any(document.learned) and document.tokens.count(writer.bos) == 1
        for token, learned in zip(document.tokens, document.learned, strict=True):
            assert not (learned and isinstance(token, tuple))
        assert document.tokens[-1] == writer.eos and document.learned[-1]


def test_words_are_looked_up_as_the_tokenizer_does() -> None:
    tokenizer = build_tokenizer()
    writer, rng, stream = DocumentWriter(tokenizer), random.Random(1), scenes("train", 1)
    for _ in range(200):
        question, answer = ask(next(stream), rng)
        text = f"{framed(question, rng)} {answer}"
        assert writer.ids(text) == tokenizer(" ".join(text.split()), add_special_tokens=False)["input_ids"]


def test_phrases_fit_what_they_say() -> None:
    import torch

    from vistune.world.pretrain.phrases import ANY, draw_phrases, fits, scene_attributes

    stream = scenes("train", 2)
    chosen = [next(stream) for _ in range(40)]
    attributes = scene_attributes(chosen)
    phrases = draw_phrases(attributes, 64, torch.Generator().manual_seed(0))
    truth = fits(attributes, phrases)
    for n, scene in enumerate(chosen):
        objects = attributes[n, : len(scene.objects)].tolist()
        for p, phrase in enumerate(phrases.tolist()):
            plain = any(all(a in (ANY, b) for a, b in zip(phrase, item, strict=True)) for item in objects)
            assert bool(truth[n, p]) == plain
    assert 0 < truth.float().mean() < 0.5


def test_scaling_features_changes_nothing_but_their_scale() -> None:
    import torch

    from vistune.world.pretrain.folders import scale_features
    from vistune.world.pretrain.probe import read_features
    from vistune.world.pretrain.vision import build_encoder, draw_pictures

    settings = VisionSettings(hidden_size=32, num_heads=2, intermediate_size=32, num_layers=2)
    _, pixels = draw_pictures(settings, "train", 0, 24)
    for kind in ("eva", "clip"):
        torch.manual_seed(0)
        model = build_encoder(kind, settings).eval()
        before = read_features(kind, model, pixels)
        scale_features(kind, model, before)
        after = read_features(kind, model, pixels)
        if kind == "eva":
            mean, std = before.flatten(0, 1).mean(0), before.flatten(0, 1).std(0)
            assert torch.allclose(after, (before - mean) / std, atol=1e-3)
        else:
            assert torch.allclose(after, before / before.std(), atol=2e-2)


@pytest.mark.slow
def test_the_whole_pretraining_runs(tmp_path: Path) -> None:
    from vistune.world.assets import record, verify

    vision = VisionSettings(num_pictures=64, steps=2, batch_size=16)
    language = LanguageSettings(steps=2, batch_size=4)
    out = run(tmp_path / "made", 0, PretrainSettings(vision, language), quiet=True, questions_per_probe=8)
    verify(out)
    assert record(out)["parts"]["language"]["probe"]["task"]["colour"] < 0.9
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("cores", [1, 2])
def test_every_part_is_trained_even_when_two_end_together(
    cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vistune.world.assets import NAMES
    from vistune.world.pretrain import pipeline

    started = []

    class Ended:
        def poll(self) -> int:
            return 0

    def start(name: str, work: Path, quiet: bool) -> Ended:
        started.append(name)
        return Ended()

    monkeypatch.setattr(pipeline.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(pipeline, "_start", start)
    monkeypatch.setattr(pipeline, "_POLL_SECONDS", 0.0)
    pipeline._train_parts(tmp_path, quiet=True)
    assert sorted(started) == sorted(NAMES)
