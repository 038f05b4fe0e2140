"""The rules of the Penn Treebank tokeniser that captions meet: patterns, and what becomes of the text they take.

Python patterns for what PTBTokenizer does (nlp.stanford.edu/software/tokenizer.html), checked against release 3.4.1 on
real captions, on texts made up by chance, and on every character; tests/evaluate/metrics/test_ptb.py holds odd ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from vistune.evaluate.metrics import ptb_actions as made
from vistune.evaluate.metrics import ptb_words as known
from vistune.evaluate.metrics.ptb_words import APOSTROPHE, QUOTE_IN_WORD, SPACES

_SPACE = f"[{SPACES}]"
_PAUSE = "[,;:\u3001]"
_LETTERS, _DIGITS = known.letters_and_digits()
_LETTER = f"(?:[{_LETTERS}{known.JOINING}]|(?i:&[aeiou](?:acute|grave|uml);))"
_DIGIT = f"[{_DIGITS}\u07c0-\u07c9]"
_SIGN = f"[{_LETTERS}{_DIGITS}]"
_WORD = f"{_LETTER}(?:{_LETTER}|{_DIGIT})*(?:[.!?]{_LETTER}(?:{_LETTER}|{_DIGIT})*)*"
_ENDING = f"{APOSTROPHE}(?:[msdMSD]|(?i:re|ve|ll))"
_NEGATION = f"(?i:n){QUOTE_IN_WORD}(?i:t)"
# What words, things with a hyphen, and apostrophes can begin with.
_W, _T, _A = f"[{_LETTERS}{known.JOINING}&]", _SIGN, "['&\x92\u2019]"
_Z = "[A-Za-z]"


@dataclass(frozen=True)
class Rule:
    """A pattern and what it makes.

    Args:
        pattern: group 1 is the token; what follows it in the pattern is only looked at, but counts for the length.
        action: makes the token from its text; "" drops it.
        give_back: letters at the end that begin the next token ("can" "not").
        first: pattern of the characters that it can begin with.
    """

    pattern: re.Pattern[str]
    action: Callable[[str], str]
    give_back: int
    first: re.Pattern[str]


@lru_cache(maxsize=4096)
def rules_for(character: str) -> tuple[Rule, ...]:
    """The rules that a token beginning with this character may follow, in order of precedence."""
    return tuple(rule for rule in _rules() if rule.first.match(character))


@cache
def _rules() -> tuple[Rule, ...]:
    return (*_markup_and_words(), *_addresses(), *_numbers(), *_abbreviations(), *_marks(), *_compounds(), *_symbols())


def _rule(
    token: str,
    first: str,
    *,
    ahead: str = "",
    action: Callable[[str], str] = made.keep,
    give_back: int = 0,
) -> Rule:
    pattern = f"({token})(?:{ahead})" if ahead else f"({token})"
    return Rule(re.compile(pattern), action, give_back, re.compile(first))


def _markup_and_words() -> Iterator[Rule]:
    yield _rule("(?i:cannot|'twas)", "[cC']", give_back=3)
    yield _rule("(?i:gonna|gotta|lemme|gimme|wanna|'tis)", "[gGlLwW']", give_back=2)
    yield _rule(r"(?i:c)\+\+|(?i:[cf])#", "[cCfF]")
    yield _rule(known.TAG, "<", action=made.unbroken)
    yield _rule("(?i:&(?:MD|mdash|ndash);)|[\x96\x97\u2013-\u2015]", "[&\x96\x97\u2013-\u2015]", action=made.dash)
    yield _rule("(?i:&amp;)", "&", action=made.ampersand)
    yield _rule("(?i:&nbsp;)", "&", action=made.drop)
    yield _rule("(?i:&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);)", "&")
    yield _rule(_WORD, _W, ahead=_ENDING, action=made.without_soft_hyphens)
    before_negation = r"[A-Za-z\xad]*[A-MO-Za-mo-z]\xad*"
    yield _rule(before_negation, r"[A-Za-z\xad]", ahead=_NEGATION, action=made.without_soft_hyphens)
    yield _rule(_WORD, _W, action=made.without_soft_hyphens)
    for spelling in _with_apostrophes():
        yield _rule(spelling, f"{_W}|{_A}")
    yield _rule(f"(?i:y){APOSTROPHE}", "[yY]", ahead=f"[{_LETTERS}]")


def _with_apostrophes() -> Iterator[str]:
    """Words that keep their apostrophe."""
    yield f"{APOSTROPHE}(?i:n){APOSTROPHE}?"
    yield f"[lLdDjJ]{APOSTROPHE}"
    yield f"(?i:o){QUOTE_IN_WORD}(?i:o)"
    yield f"(?i:Dunkin|somethin|ol){APOSTROPHE}|{APOSTROPHE}(?i:em|till?|cause)|{APOSTROPHE}[2-9]0(?i:s)"
    yield f"[A-HJ-XZn]{QUOTE_IN_WORD}[{_LETTERS}]{{2}}[{_LETTERS}]*"
    yield f"[{_LETTERS}]+[aeiouyAEIOUY]{QUOTE_IN_WORD}[aeiouA-Z][{_LETTERS}]*"
    yield r"(?i:cont'd\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l)"


def _addresses() -> Iterator[Rule]:
    inside, end = r" \t\n\f\r\"<>|()", r" \t\n\f\r\"<>|.!?(){},\-"
    path = f"/[^{inside}]+[^{end}]"
    yield _rule(rf"(?i:https?)://[^{inside}{{}}]+[^{end}]", "[hH]")
    www = r"(?i:www)\.(?:[^ \t\n\f\r\"<>|.!?(){},]+\.)"
    # The range from comma to underscore holds digits and capitals: the published pattern has it so.
    other = r"(?:[^ \t\n\f\r\"`'<>|.!?(){},-_$]+\.)"
    for host, domain, first in ((www, "[a-zA-Z]{2,4}", "[wW]"), (other, "(?i:com|net|org|edu)", "")):
        yield _rule(f"{host}+?{domain}{path}", first)  # a path reaches as far from its first slash as from a later one
        yield _rule(f"{host}+{domain}", first)
    host = rf"(?:[^{inside}{{}}.\xa0]+\.)*[^{inside}{{}}.\xa0]+"
    yield _rule(rf"(?:<|(?i:&lt;))?[a-zA-Z0-9][^{inside}{{}}\xa0]*@{host}(?:>|(?i:&gt;))?", "[<&a-zA-Z0-9]")
    yield _rule("@[a-zA-Z_][a-zA-Z_0-9]*", "@")
    yield _rule(f"#{_LETTER}+", "#")
    yield _rule(_ENDING, _A, ahead="[^A-Za-z]", action=made.close_quotes)
    yield _rule(_NEGATION, "[nN]", action=made.close_quotes)


def _numbers() -> Iterator[Rule]:
    yield _rule(rf"{_DIGIT}{{1,2}}[-/]{_DIGIT}{{1,2}}[-/]{_DIGIT}{{2,4}}", _DIGIT)
    for number in (rf"{_DIGIT}*(?:[.:,\xad\u066b\u066c]{_DIGIT}+)+", f"{_DIGIT}+"):
        first = rf"[-+.:,\xad\u066b\u066c]|{_DIGIT}"
        yield _rule(f"[-+]?{number}", first, action=made.without_soft_hyphens)
    yield _rule("[\u207a\u207b\u208a\u208b]?(?:[\u2070\xb9\xb2\xb3\u2074-\u2079]+|[\u2080-\u2089]+)", "[^ -~]")
    fraction = rf"(?:{_DIGIT}{{1,4}}[- \xa0])?{_DIGIT}{{1,4}}(?:\\?/|\u2044){_DIGIT}{{1,4}}"
    yield _rule(fraction, _DIGIT, action=made.unbroken)
    yield _rule("[\xbc-\xbe\u2153-\u215e]", "[^ -~]", action=made.fraction)
    yield _rule(known.SPECIAL, "[-CcPpAaSs]", action=made.ampersand)
    piece = "[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
    yield _rule(rf"{piece}(?:\\?/{piece}){{1,2}}", "[A-Za-z0-9]")
    yield _rule(r"[A-Z]*\$|#", "[A-Z$#]")
    currencies = "[\xa2-\xa5\x80\u20a0\u20ac\u060b\u0e3f\u20a4\uffe0\uffe1\uffe5\uffe6]"
    yield _rule(currencies, "[^ -~]", action=made.money)


def _abbreviations() -> Iterator[Rule]:
    # A longer word that begins like an abbreviation wins only by more than two letters.
    yield _rule(rf"(?i:{known.ABBREVIATIONS})\.", _Z, ahead=r"[\s\S]{2}")
    yield _rule(rf"(?i:{known.ABBREVIATIONS})\.", _Z)
    for abbreviation in (f"(?i:{known.TITLES})", known.ACRONYM, "[A-Za-z]"):
        yield _rule(rf"{abbreviation}\.", _Z)
    yield _rule("[A-Za-z]", _Z, ahead=rf"\.{_SPACE}+(?:{known.OPENINGS}|{known.TAG}){_SPACE}")
    stem = f"(?:{_LETTER}|{_DIGIT})+"
    file_name = rf"{stem}(?:\.{stem})*\.(?i:{known.FILE_KINDS})"
    yield _rule(file_name, f"{_W}|{_DIGIT}", ahead=f"[{SPACES}.?!,]")
    yield _rule(rf"(?i:{known.BEFORE_NUMBERS})\.", _Z, ahead=f"{_SPACE}?{_DIGIT}")
    yield _rule(known.ACRONYM, _Z, ahead=_SPACE)
    yield _rule(f"{APOSTROPHE}[0-9][0-9]", _A, ahead=_SPACE)
    yield _rule(rf"{_WORD}\.", _W, ahead=_PAUSE, action=made.without_soft_hyphens)
    for number in known.TELEPHONES:
        yield _rule(number, "[+(0-9]", action=made.telephone)


def _marks() -> Iterator[Rule]:
    double = '"|(?i:&quot;)'
    yield _rule(double, '["&]', ahead="[A-Za-z0-9$]", action=made.open_quote)
    yield _rule(double, '["&]', action=made.close_quotes)
    yield _rule(r"[(){}\[\]<>]|(?i:&[lg]t;)", r"[(){}\[\]<>&]", action=made.bracket)
    yield _rule("-+", "-", action=made.hyphens)
    yield _rule(r"\.{3,5}|(?:\.[ \xa0]){2,4}\.|[\x85\u2026]", r"[.\x85\u2026]", action=made.ellipsis)
    yield _rule(r"@+|\#+|_+|\*+|(?:\\\*){1,3}", r"[@\#_*\\]")
    yield _rule(_PAUSE, _PAUSE)
    yield _rule("[?!]+", "[?!]")
    yield _rule("[.=/\xa1\xbf\u037e\u0589\u061f\u06d4\u0700-\u0702\u07fa\u3002]", "[^A-Za-z0-9]")


def _compounds() -> Iterator[Rule]:
    name = f"(?:[dDoOlL]{QUOTE_IN_WORD}{_SIGN})?{_SIGN}+"
    hyphened = rf"[A-Za-z0-9][A-Za-z0-9.,\xad]*(?:-(?:{known.INITIALS}\.|[A-Za-z0-9\xad]+))+"
    for compound in (hyphened, f"{name}(?:{known.HYPHEN}{name})*"):
        yield _rule(rf"{compound}\.", _T, ahead=_PAUSE, action=made.without_soft_hyphens)
        yield _rule(compound, _T, action=made.without_soft_hyphens)
    company = "[A-Z]+(?:(?:(?i:&amp;)|[+&])[A-Z]+)+"
    yield _rule(rf"{company}\.", "[A-Z]", ahead=_PAUSE, action=made.ampersand)
    yield _rule(company, "[A-Z]", action=made.ampersand)


def _symbols() -> Iterator[Rule]:
    yield _rule("'", "'", ahead=r"[A-Za-z][^ \t\n\r\xa0]", action=made.open_quote)
    yield _rule(_ENDING, _A, action=made.close_quotes)
    yield _rule(f"{known.CURLY_QUOTE}{{1,2}}|''|{APOSTROPHE}", f"{known.CURLY_QUOTE}|{_A}", action=made.close_quotes)
    yield _rule("<<|>>", "[<>]")
    yield _rule(r"[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]]", "[<>:;=]", ahead="[^A-Za-z0-9]", action=made.face)
    asian = r"[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\)"
    yield _rule(asian, r"[\^x=~<>'(-]", action=made.face)
    yield _rule(f"[{known.SYMBOLS}]", "[^A-Za-z0-9]")
