"""Wordings of the language model's pretraining texts.

None of them is an instruction of `vistune.world.tasks` (a test compares them): what the language model knows about a
task it knows from other words. Frames put a question and its answer together.
"""

from __future__ import annotations

COLOUR = (
    "which color has the {thing}?",
    "name the color of the {thing}",
    "the {thing}: which color?",
    "what colour does the {thing} show?",
    "say what color the {thing} is",
    "color of the {thing}?",
    "the {thing} is what color?",
    "what color would you say the {thing} is?",
    "give the color that the {thing} has",
)
SHAPE = (
    "which shape has the {thing}?",
    "name the shape of the {thing}",
    "the {thing}: which shape?",
    "what shape does the {thing} show?",
    "say what shape the {thing} is",
    "shape of the {thing}?",
    "the {thing} is what shape?",
    "what shape would you say the {thing} is?",
    "give the shape that the {thing} has",
)
PLACE = (
    "where does the {thing} stand?",
    "name the place of the {thing}",
    "where can you see the {thing}?",
    "say where the {thing} is",
    "the {thing}: where is it?",
    "position of the {thing}?",
    "the {thing} is where?",
    "at which position is the {thing} found?",
    "in what part of the scene is the {thing}?",
    "what is the place of the {thing}?",
)
SIZE = (
    "which size has the {thing}?",
    "name the size of the {thing}",
    "how large is the {thing}?",
    "size of the {thing}?",
    "is the {thing} large or small?",
    "say how big the {thing} is",
    "the {thing}: small or large?",
    "the {thing} is of what size?",
    "what size does the {thing} have?",
)
COUNT = (
    "number of {things}?",
    "how many {things} does the scene have?",
    "how many {things} do you see?",
    "say how many {things} there are",
    "what number of {things} is here?",
    "count all {things}",
    "give the number of {things}",
    "how many are {things}?",
    "the scene has how many {things}?",
)
EXISTENCE = (
    "is {thing} there?",
    "is there {thing} in the scene?",
    "do you see {thing} here?",
    "does the scene have {thing}?",
    "can {thing} be found?",
    "say if there is {thing}",
    "is {thing} in it?",
    "does the scene show {thing}?",
    "can you find {thing} in this scene?",
    "does it contain {thing}?",
)
SPATIAL = (
    "say true or false: the {one} is {relation} the {other}",
    "true or false: does the {one} stand {relation} the {other}?",
    "is it true that the {one} is {relation} the {other}?",
    "the {one} is {relation} the {other}: is this true or false?",
    "decide if this is true or false: the {one} stands {relation} the {other}",
    "the {one} stands {relation} the {other}, true or false?",
    "statement: the {one} is {relation} the {other}. is that true?",
    "is the statement that the {one} is {relation} the {other} true or false?",
)
SPATIAL_YES_NO = (
    "is the {one} {relation} the {other}?",
    "does the {one} stand {relation} the {other}?",
)
# The answer is the relation itself: easier than to compare it with a claim, and learned long before that.
SPATIAL_WHICH = (
    ("is the {one} left or right of the {other}?", "left", "right"),
    ("is the {one} right or left of the {other}?", "left", "right"),
    ("does the {one} stand left or right of the {other}?", "left", "right"),
    ("is the {one} above or below the {other}?", "above", "below"),
    ("is the {one} below or above the {other}?", "above", "below"),
    ("does the {one} stand above or below the {other}?", "above", "below"),
)
# In pairs of opposites.
RELATIONS = (
    ("to the left of", "to the right of"),
    ("left of", "right of"),
    ("above", "below"),
    ("higher than", "lower than"),
)
CHOICE = (
    "{question} pick one: {options}",
    "{question} {options}",
    "{question} the options are {options}.",
    "{options}: {question}",
    "pick the right one. {question} {options}",
    "{question} select from {options}.",
    "{question} possible answers: {options}",
)
OPTION_STYLES = ("({letter}) {text}", "({letter}) {text}", "{letter}) {text}", "{letter}: {text}", "{text} or")
DIALOGUE = (
    "{first} {answer}; then {second}",
    "{first} it is {answer}. {second}",
    "Q: {first} A: {answer}. Q: {second}",
    "before: {first} reply: {answer}. next: {second}",
    "first question: {first} first answer: {answer}. second question: {second}",
    "you were asked {first} and told {answer}. {second}",
)
CAPTION = (
    "tell the scene in words",
    "say what is there",
    "name everything with its place",
    "what is in the scene?",
    "give all objects",
    "put the scene into words",
)
CAPTION_OBJECT = ("{thing} at the {place}", "{thing} at the {place}", "{thing} in the {place}", "{thing}")
CAPTION_JOINTS = (", ", ". ", " and ", "; ", " with ")
QUESTION = (
    "write a question that has the answer {answer}",
    "what question has the reply {answer}?",
    "which question leads to {answer}?",
    "a question for {answer}:",
    "what can be asked here to get {answer}?",
    "ask something so that the reply is {answer}",
    "make up a question; its answer shall be {answer}",
    "the answer is {answer}. what was the question?",
    "{answer} is the answer. say the question:",
    "think of a question that one answers with {answer}",
    "if one is told {answer}, what was asked?",
    "find a question about the scene with answer {answer}",
)
# How question and answer follow each other; some are the wordings of the papers' VQA prompts.
FRAMES = (
    "{question}",
    "{question}",
    "Q: {question} A:",
    "{question} Reply:",
    "{question} answer:",
    "Question: {question} Answer:",
    "{question} Short answer:",
)
OPENINGS = ("please", "now", "look:", "in the picture,", "in this image,", "Based on the image,", "tell me:")
CLOSINGS = ("in the image", "in the picture", "in this picture")
