"""Words that the world's tokenizer keeps whole: the world's own, and common English for a user's own questions."""

from __future__ import annotations

import re

from vistune.world.scene import COLOURS, COLUMNS, EXTRA_COLOURS, EXTRA_SHAPES, ROWS, SHAPES, SIZES

_COMMON = """
a about above across after again all almost along also always am among an and another answer answers any anything are
around as ask asked at away back background be because been before began behind being below beside best between big
bit black blue both bottom box brown but by call came can carefully case center centre change choice choose circles
cloud color colored colors colour coloured colours contain contains corner corners correct could count crosses cyan
dark day describe description detail did differ different do does done down draw drawing each earlier edge eight
eighth either else empty end even ever every exactly example eye face fact false far fast few field fill filled find
first five following for form format found four from front full gave generate get give given gives go gold good got
gray green grey ground group had half hand has have he hear height help her here hers high him his hold horizontal how
human i if image images in inside instruction into is it its item items just keep kind know large larger largest last
least left less let letter light like line list little long look looks lot low lower made magenta make man many
matches may me mean middle might more most much must my name named near nearest need never new next nice night nine no
none not nothing now number numbers object objects of off often old on once one ones only open option options or
orange other our out outside over own page pair part people phrase photo pick picture pictures piece pink place placed
places please point position possible present purple put question questions rather read really rectangles red relation
relative reply respond response right rings round rows said same saw say says scene second see seen sentence set seven
shape shapes she short should show shown shows side sides similar single sit sits six size sizes small smaller
smallest so some something sort space spot squares stand standing stands star stars state statement still such take
tell ten text than that the their them then there these they thing things think third this those three time tiny to
together too top total triangles true two type under up upper us use used using value very violet visible wall want
was water way we well were what when where whether which while white who whole whose why wide width will with within
without woman word words world would write wrong yellow yes yet you your zero teal rectangle polygon oval pentagon
hexagon shaped found sees seeing reads reading told tells states judge decide according based briefly spoken said hint
guess true untrue line column row field grid cell cells higher highest everything leads select picked pick whole size
sized
"""
_CAPITALISED = """
A An The What Which Where When Who Whose Why How Is Are Was Were Do Does Did Can Could Has Have Will Would Should In
On At Of To From For With Without If It Its This That These Those There Here One Two Three Yes No Not True False
Answer Question Short Long Options Option Choose Pick Select Count Describe Write Tell Give Given Look Use Name Find
Ask Say State Based Briefly Earlier Now Then And Or I You He She We They My Your USER ASSISTANT Human Bot User
Assistant Image Picture Instruction Response Context Statement Please Judge Decide Read Reply Q First Number Size
Position Before Color Colour Shape Put Select All Statement Top Yes
"""


def world_words() -> list[str]:
    """Every word of the world's instructions, answers and captions, as they are spelled there."""
    from vistune.world.tasks import TASKS, samples

    names = (*SHAPES, *COLOURS, *SIZES, *ROWS, *COLUMNS, *EXTRA_SHAPES, *EXTRA_COLOURS)
    words = set(names)
    for name in TASKS:
        for sample in samples(name, "val", 400, seed=0):
            words.update(_letters(f"{sample.instruction} {sample.target}"))
    return sorted(words)


def common_words() -> list[str]:
    """Common English words, in lower case and, where they often begin a sentence, capitalised."""
    return sorted({*_letters(_COMMON), *_letters(_CAPITALISED)})


def sentence_starts() -> list[str]:
    """Words that may stand right after a line break or a special token, so without a space before them."""
    lowered = {word.lower() for word in _letters(_CAPITALISED)} - {"user", "assistant", "human", "bot"}
    return sorted({*_letters(_CAPITALISED), *lowered})


def _letters(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)
