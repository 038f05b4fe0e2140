"""BLIP-2's first stage (section 3.2): a Q-Former learns to read images, with no language model yet.

Contrast (ITC), matching with hard negatives (ITM) and image-grounded captions (ITG) share the Q-Former; each has its
own mask. Sums and counts come out, so that processes can be added before the one division.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vistune.model.chunked_loss import chunked_loss_sum
from vistune.model.config import QFormerConfig, VisionConfig
from vistune.model.contrast import contrast_loss_sum, image_to_text, text_to_image
from vistune.model.exchange import Alone, Exchange, choose_negatives, even_texts, same_pairs
from vistune.model.losses import IGNORE, LossPart, shift_labels
from vistune.model.qformer import QFormer
from vistune.model.stage1_heads import Stage1Heads
from vistune.model.vision import VisionEncoder

Gather = Literal["full", "published"]


@dataclass(frozen=True)
class Stage1Config:
    """What a first stage is made of.

    Args:
        vision: the image encoder. qformer: with ``text_input``, and [DEC] in its vocabulary.
        decoder_token_id: [DEC], which stands in place of [CLS] where captions are generated (30522 in LAVIS).
        image_text_size: width in which images and texts are compared. temperature: what it starts from; it learns.
    """

    vision: VisionConfig
    qformer: QFormerConfig
    decoder_token_id: int
    image_text_size: int = 256
    temperature: float = 0.07

    def __post_init__(self) -> None:
        if not self.qformer.text_input:
            raise ValueError("The first stage reads text; give a Q-Former with text_input=True.")
        if not 0 <= self.decoder_token_id < self.qformer.vocab_size:
            raise ValueError(
                f"[DEC] is {self.decoder_token_id}, outside of the Q-Former's vocabulary of "
                f"{self.qformer.vocab_size}; give its id in the Q-Former's tokenizer."
            )


@dataclass(frozen=True)
class Reading:
    """What the Q-Former makes of b pairs: images [b, Q, E] and texts [b, E] of length 1, captions [b, L, H] (ITG)."""

    images: Tensor
    texts: Tensor
    captions: Tensor


class QueryReader(nn.Module):
    """Learned queries and their Q-Former, not yet connected to a language model; names as in QFormerConnector."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.config = config
        self.qformer = QFormer(config)
        self.query_tokens = nn.Parameter(torch.empty(1, config.num_query_tokens, config.hidden_size))
        nn.init.normal_(self.query_tokens, std=config.initializer_range)


class Stage1Model(nn.Module):
    """Image encoder, queries with Q-Former, and the heads of the first stage.

    Args:
        connector: modules to go on with, such as a VisionLanguageModel's QFormerConnector, instead of new ones (its
            projection is not used). vision: the same for the image encoder.
    """

    def __init__(
        self, config: Stage1Config, vision: VisionEncoder | None = None, connector: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.vision = VisionEncoder(config.vision) if vision is None else vision
        self.connector: Any = QueryReader(config.qformer) if connector is None else connector
        self.heads = Stage1Heads(config.qformer, config.image_text_size, config.temperature)
        qformer: Any = self.connector.qformer
        self.heads.tie(qformer.embeddings.word_embeddings)

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        device: torch.device = self.connector.query_tokens.device
        return device

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """pixel_values [N, 3, H, W] -> features [N, P, D]"""
        output: Tensor = self.vision(pixel_values)
        return output

    def read(self, features: Tensor, text_ids: Tensor, text_mask: Tensor) -> Reading:
        """Two passes: queries with the caption behind them, and the text alone.

        In the causal pass the queries see no text, so what they give serves the contrast too, as LAVIS' cached keys and
        values do.
        """
        decoded = text_ids.clone()
        decoded[:, 0] = self.config.decoder_token_id
        queries = self._queries(len(features))
        hidden = self.connector.qformer(queries, features, decoded, text_mask, mode="causal")
        count = queries.shape[1]
        return Reading(
            images=F.normalize(self.heads.vision_proj(hidden[:, :count]), dim=-1),
            texts=self.embed_texts(text_ids, text_mask),
            captions=hidden[:, count:],
        )

    def embed_images(self, features: Tensor) -> Tensor:
        """Images for comparison, without captions: [N, P, D] -> [N, Q, E] of length 1"""
        hidden = self.connector.qformer(self._queries(len(features)), features)
        return F.normalize(self.heads.vision_proj(hidden), dim=-1)

    def embed_texts(self, text_ids: Tensor, text_mask: Tensor) -> Tensor:
        """Texts for comparison: [N, L] -> [N, E] of length 1"""
        hidden = self.connector.qformer(None, None, text_ids, text_mask)
        return F.normalize(self.heads.text_proj(hidden[:, 0]), dim=-1)

    def matching_logits(
        self, features: Tensor, text_ids: Tensor, text_mask: Tensor, image_rows: Tensor | None = None
    ) -> Tensor:
        """Whether image and text belong together: [N, 2] (no, yes), the mean over the queries.

        Args:
            features: [N, P, D], or [U, P, D] and image_rows [N], the place of each text's image. text_ids, text_mask:
                [N, L].
        """
        queries = self._queries(len(text_ids))
        hidden = self.connector.qformer(queries, features, text_ids, text_mask, image_rows=image_rows)
        output: Tensor = self.heads.itm_head(hidden[:, : queries.shape[1]]).mean(1)
        return output

    def contrast(
        self, own: Reading, images: Tensor, texts: Tensor, same: Tensor, smoothing: float
    ) -> tuple[LossPart, Tensor, Tensor]:
        """Contrast of own pairs with those of the global batch.

        Args:
            images: [G, Q, D]. texts: [G, D]. same: [b, G].

        Returns:
            the loss, and similarities over temperature: own images to texts, own texts to images, [b, G] each
        """
        # Under autocast these products would be in bfloat16, too coarse for a softmax over a thousand neighbours.
        with torch.autocast(images.device.type, enabled=False):
            to_texts = image_to_text(own.images.float(), texts.float()) / self.heads.temp
            to_images = text_to_image(own.texts.float(), images.float()) / self.heads.temp
            both = contrast_loss_sum(to_texts, same, smoothing) + contrast_loss_sum(to_images, same, smoothing)
        return LossPart(both / 2, _count(to_texts, len(same))), to_texts, to_images

    def matching(
        self, features: Tensor, text_ids: Tensor, text_mask: Tensor, negatives: tuple[Tensor, Tensor, Tensor]
    ) -> LossPart:
        """Own pairs against each text with a wrong image, each image with a wrong text: 3b decisions.

        Args:
            features, text_ids, text_mask: of own pairs. negatives: features, text_ids, text_mask of the wrong ones.
        """
        other_features, other_ids, other_mask = negatives
        logits = self.matching_logits(
            torch.cat([features, other_features, features]),
            torch.cat([text_ids, text_ids, other_ids]),
            torch.cat([text_mask, text_mask, other_mask]),
        )
        labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        labels[: len(features)] = 1
        return LossPart(F.cross_entropy(logits.float(), labels, reduction="sum"), _count(logits, len(logits)))

    def captioning(self, captions: Tensor, text_ids: Tensor, text_mask: Tensor, smoothing: float) -> LossPart:
        """Each token of a caption from the image and the tokens before it; captions [b, L, H] of :meth:`read`."""
        targets = shift_labels(text_ids.masked_fill(text_mask == 0, IGNORE))
        loss = chunked_loss_sum(captions, self.heads.cls, targets, smoothing=smoothing)
        return LossPart(loss, (targets != IGNORE).sum())

    def forward(
        self,
        text_ids: Tensor,
        text_mask: Tensor,
        uniform: Tensor,
        pixel_values: Tensor | None = None,
        image_features: Tensor | None = None,
        image_groups: Tensor | None = None,
        exchange: Exchange | None = None,
        gather: Gather = "full",
        smoothing: float = 0.1,
    ) -> dict[str, LossPart]:
        """The three losses of own pairs, with negatives from all processes.

        Args:
            text_ids, text_mask: [b, L], "[CLS] ... [SEP]" of each caption.
            uniform: [2, G], the draws of negatives (see vistune.model.contrast.uniform_draws).
            pixel_values: [b, 3, H, W], or image_features [b, P, D].
            image_groups: [b] integers, equal for pairs of the same picture, which are then no negatives of each other;
                None: every pair has its own.
            gather: "full" lets gradients through everything that is compared; "published" only through own rows, as
                LAVIS does (concat_all_gather).

        Returns:
            "itc", "itm", "itg"; the loss of a step is the sum of each one's sum over its count, both over all processes

        Raises:
            InputError: no negatives. ValueError: processes hold different numbers of pairs.
        """
        others: Exchange = Alone() if exchange is None else exchange
        features = self._features(pixel_values, image_features)
        text_ids, text_mask = even_texts(text_ids, text_mask, others)
        own = self.read(features, text_ids, text_mask)
        same = same_pairs(len(features), image_groups, others, features.device)
        images, texts = others.gather(own.images), others.gather(own.texts)
        if gather == "published":
            images, texts = images.detach(), texts.detach()
        itc, to_texts, to_images = self.contrast(own, images, texts, same, smoothing)
        wrong_images, wrong_texts = choose_negatives(to_texts, to_images, same, uniform, others)
        negatives = (
            others.gather(features)[wrong_images],
            others.gather(text_ids)[wrong_texts],
            others.gather(text_mask)[wrong_texts],
        )
        itm = self.matching(features, text_ids, text_mask, negatives)
        return {"itc": itc, "itm": itm, "itg": self.captioning(own.captions, text_ids, text_mask, smoothing)}

    def _features(self, pixel_values: Tensor | None, image_features: Tensor | None) -> Tensor:
        if image_features is not None:
            return image_features
        if pixel_values is None:
            raise ValueError("The first stage learns from images; pass pixel_values or image_features.")
        return self.encode_images(pixel_values)

    def _queries(self, count: int) -> Tensor:
        queries: Tensor = self.connector.query_tokens.expand(count, -1, -1)
        return queries


def _count(like: Tensor, number: int) -> Tensor:
    return torch.tensor(number, device=like.device)
