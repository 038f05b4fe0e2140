"""Rows of every set can be put into words by each template of their group."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.data.catalogue import SOURCES, infos, source
from vistune.data.rows import read_rows
from vistune.data.templates.files import load_templates
from vistune.data.templates.write import fitting, write

WITH_WORDS_OF_THEIR_OWN = {info.name for info in infos() if info.group == "llava"}


@pytest.mark.parametrize("name", sorted(set(SOURCES) - WITH_WORDS_OF_THEIR_OWN))
def test_every_template_of_the_group_fits(name: str, tmp_path: Path) -> None:
    expected = RELEASES[name](Writer(tmp_path))
    data = source(name)
    templates = load_templates(data.info.group)
    assert len(templates) >= (10 if data.info.role == "held-in" else 1)
    for split in expected:
        for example in read_rows(data, data.files(tmp_path), split):
            for template in fitting(templates, example):
                written = write(example, template)
                assert written.instruction
                if split not in data.info.unlabelled and (example.target or example.answers):
                    assert written.target
                    assert data.info.group != "vqg" or written.target == example.question


@pytest.mark.parametrize("name", sorted(WITH_WORDS_OF_THEIR_OWN))
def test_conversations_say_where_their_picture_stands(name: str, tmp_path: Path) -> None:
    expected = RELEASES[name](Writer(tmp_path))
    data = source(name)
    for split in expected:
        for example in read_rows(data, data.files(tmp_path), split):
            assert sum(asked.count("<image>") for asked, _ in example.turns) == len(example.images)
            assert not example.instruction and example.target is None
