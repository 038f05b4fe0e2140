"""The official metrics as pure functions: predictions and references in, figures with their intervals out.

Each takes predictions and references as lists in the same order and returns a :class:`Score`. docs/metrics.md says
which official code each one equals, and on which scale.
"""

from vistune.evaluate.metrics.bootstrap import Comparison, compare_scores, interval
from vistune.evaluate.metrics.captions import bleu, cider, rouge_l, tokenize_captions
from vistune.evaluate.metrics.choices import choice_accuracy, extract_choice, scienceqa
from vistune.evaluate.metrics.hallucination import object_hallucination
from vistune.evaluate.metrics.means import mean, standard_error
from vistune.evaluate.metrics.ptb import ptb_tokenize
from vistune.evaluate.metrics.ranks import retrieval_ranks
from vistune.evaluate.metrics.score import Score
from vistune.evaluate.metrics.texts import anls, exact_match, matches, normalise, phrase_f1
from vistune.evaluate.metrics.vqa import aokvqa_da, ivqa, vqa_accuracy, vqa_evalai_accuracy
from vistune.evaluate.metrics.vqa_text import normalize_evalai_answer, normalize_vqa_answer
from vistune.evaluate.metrics.yes_no import nlvr, pope, roc_auc

__all__ = [
    "Comparison",
    "Score",
    "anls",
    "aokvqa_da",
    "bleu",
    "choice_accuracy",
    "cider",
    "compare_scores",
    "exact_match",
    "extract_choice",
    "interval",
    "ivqa",
    "matches",
    "mean",
    "nlvr",
    "normalise",
    "normalize_evalai_answer",
    "normalize_vqa_answer",
    "object_hallucination",
    "phrase_f1",
    "pope",
    "ptb_tokenize",
    "retrieval_ranks",
    "roc_auc",
    "rouge_l",
    "scienceqa",
    "standard_error",
    "tokenize_captions",
    "vqa_accuracy",
    "vqa_evalai_accuracy",
]
