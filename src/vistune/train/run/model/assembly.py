"""A recipe's model before its training: its parts, and what stages ask of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from vistune.data.pairs import PairProcessor, decoder_token_id
from vistune.data.processor import Processor
from vistune.errors import RecipeError
from vistune.model.config import QFormerConfig
from vistune.model.stage1 import Stage1Config, Stage1Model
from vistune.model.vision import VisionEncoder
from vistune.model.vlm import VisionLanguageModel
from vistune.train.run.model.connector import Filling, fill
from vistune.train.run.model.notes import heads_note


@dataclass
class Assembly:
    """A model before its training.

    Args:
        model: None where there is no language model, as for BLIP-2's first stage alone.
        vision, connector: its parts. processor: of all of it; None without a language model.
        image_processor, tokenizer: of pictures, and of the Q-Former's text where it reads any.
        notes: what was loaded and what is fresh, a sentence each. base: the whole checkpoint that it is; None: parts.
        heads: what the sources hold for a first stage's heads. seed: of what is fresh. trained: a stage changed it.
    """

    model: VisionLanguageModel | None
    vision: VisionEncoder
    connector: nn.Module
    processor: Processor | None
    image_processor: Any
    tokenizer: Any | None
    notes: list[str]
    base: str | None
    seed: int
    heads: Filling = field(default_factory=Filling)
    trained: bool = False
    _stage1: Stage1Model | None = field(default=None, init=False, repr=False)

    @property
    def whole(self) -> VisionLanguageModel:
        """The model with its language model.

        Raises:
            RecipeError: it has none.
        """
        if self.model is None:
            raise RecipeError("The recipe's model has no language model; name one as model.language.")
        return self.model

    @property
    def whole_processor(self) -> Processor:
        """The processor of :attr:`whole`.

        Raises:
            RecipeError: there is no language model.
        """
        if self.processor is None:
            raise RecipeError("The recipe's model has no language model; name one as model.language.")
        return self.processor

    def stage1(self) -> Stage1Model:
        """The first stage's model over the same encoder and Q-Former; its heads are made once.

        Raises:
            RecipeError: there is no Q-Former that reads text.
        """
        if self._stage1 is not None:
            return self._stage1
        config: QFormerConfig | None = getattr(self.connector, "config", None)
        if not isinstance(config, QFormerConfig) or not config.text_input:
            raise RecipeError(
                "BLIP-2's first stage needs a Q-Former that reads text; set model.connector to type: qformer with "
                "text_input: true."
            )
        stage1 = Stage1Config(self.vision.config, config, decoder_token_id(self._caption_tokenizer()))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + 1)
            model = Stage1Model(stage1, self.vision, self.connector)
        # Its output matrix is the Q-Former's table of words.
        fresh = [name for name in fill(model.heads, "heads.", self.heads) if not name.endswith("decoder.weight")]
        self.notes.append(heads_note(fresh, len(model.heads.state_dict()) - 1))
        self._stage1 = model.eval()
        return self._stage1

    def pair_processor(self, max_tokens: int) -> PairProcessor:
        """Of pictures and captions for the first stage.

        Raises:
            RecipeError: no source of the Q-Former brings a tokenizer.
        """
        return PairProcessor(self._caption_tokenizer(), self.image_processor, max_tokens)

    def _caption_tokenizer(self) -> Any:
        if self.tokenizer is None:
            raise RecipeError(
                "BLIP-2's first stage reads captions, but none of model.connector.from brings a tokenizer; add "
                "google-bert/bert-base-uncased."
            )
        return self.tokenizer
