"""How the VQA evaluators put answers into a common form, with their oddities, because published figures have them.

Two forms: the evaluator of VQA v2 (github.com/GT-Vision-Lab/VQA), and that of EvalAI, which TextVQA and VizWiz use
(the M4C evaluator of MMF). They differ in one step: EvalAI first lowers case, drops commas and question marks, and
splits off "'s".
"""

from __future__ import annotations

import re
from functools import lru_cache

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_COMMAS_IN_NUMBER = re.compile(r"(?<=\d),+(?=\d)")
# Was meant to spare the point of a decimal number on both sides; as published it looks only to the right.
_LONE_PERIOD = re.compile(r"\.(?!\d)")
# The published call hands a flag where the number of replacements goes, so that only so many periods are removed.
_MOST_PERIODS = int(re.UNICODE)
_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = {
    **{"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"},
    **{"seven": "7", "eight": "8", "nine": "9", "ten": "10"},
}
# Word, then what it becomes; as published, with the entries that change nothing left out.
_CONTRACTIONS_TABLE = """
aint ain't arent aren't cant can't couldve could've couldnt couldn't couldn'tve couldn't've couldnt've couldn't've
didnt didn't doesnt doesn't dont don't hadnt hadn't hadnt've hadn't've hadn'tve hadn't've hasnt hasn't havent haven't
hed he'd hed've he'd've he'dve he'd've hes he's howd how'd howll how'll hows how's isnt isn't itd it'd itd've it'd've
it'dve it'd've itll it'll maam ma'am mightnt mightn't mightnt've mightn't've mightn'tve mightn't've mightve might've
mustnt mustn't mustve must've neednt needn't notve not've oclock o'clock oughtnt oughtn't ow's'at 'ow's'at
'ows'at 'ow's'at 'ow'sat 'ow's'at shant shan't shed've she'd've she'dve she'd've shouldve should've
shouldnt shouldn't shouldnt've shouldn't've shouldn'tve shouldn't've somebody'd somebodyd somebodyd've somebody'd've
somebody'dve somebody'd've somebodyll somebody'll somebodys somebody's someoned someone'd someoned've someone'd've
someone'dve someone'd've someonell someone'll someones someone's somethingd something'd somethingd've something'd've
something'dve something'd've somethingll something'll thats that's thered there'd thered've there'd've
there'dve there'd've therere there're theres there's theyd they'd theyd've they'd've they'dve they'd've
theyll they'll theyre they're theyve they've twas 'twas wasnt wasn't wed've we'd've we'dve we'd've weve we've
werent weren't whatll what'll whatre what're whats what's whatve what've whens when's whered where'd wheres where's
whereve where've whod who'd whod've who'd've who'dve who'd've wholl who'll whos who's whove who've whyll why'll
whyre why're whys why's wont won't wouldve would've wouldnt wouldn't wouldnt've wouldn't've wouldn'tve wouldn't've
yall y'all yall'll y'all'll y'allll y'all'll yall'd've y'all'd've y'alld've y'all'd've y'all'dve y'all'd've
youd you'd youd've you'd've you'dve you'd've youll you'll youre you're youve you've
"""
_CONTRACTIONS = dict(zip(_CONTRACTIONS_TABLE.split()[::2], _CONTRACTIONS_TABLE.split()[1::2], strict=True))


def clean_spaces(text: str) -> str:
    """Line breaks and tabs as spaces, none at the ends: what VQA compares where all people gave one answer."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(maxsize=1 << 16)  # people give the same few answers
def normalize_vqa_answer(text: str) -> str:
    """The form in which VQA v2's evaluator compares answers: no punctuation, no articles, digits, apostrophes."""
    return _words(_without_punctuation(clean_spaces(text), _COMMA_IN_NUMBER))


@lru_cache(maxsize=1 << 16)  # people give the same few answers
def normalize_evalai_answer(text: str) -> str:
    """The form in which EvalAI compares answers (TextVQA, VizWiz, ST-VQA's accuracy)."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return _words(_without_punctuation(clean_spaces(text), _COMMAS_IN_NUMBER))


def _without_punctuation(text: str, comma: re.Pattern[str]) -> str:
    """A mark becomes a space, or nothing where it stands beside a space or a number with a comma is anywhere."""
    drop_all = comma.search(text) is not None
    cleaned = text
    for mark in _PUNCTUATION:
        if mark in text:
            beside_space = f"{mark} " in text or f" {mark}" in text
            cleaned = cleaned.replace(mark, "" if drop_all or beside_space else " ")
    return _LONE_PERIOD.sub("", cleaned, count=_MOST_PERIODS)


def _words(text: str) -> str:
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
