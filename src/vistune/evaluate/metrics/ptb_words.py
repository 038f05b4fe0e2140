"""Characters and words that the Penn Treebank tokeniser knows, as pieces of patterns.

Words are matched in any case, but for ``(?-i:...)``: a word that is a common one in lower case and means something else
there, and choices between letters, in which the release tells capitals from small ones ("Pty." but not "PTY.").
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

SPACES = " \t\r\n\v\f\x85\xa0\u2000-\u200a\u2028\u2029\u3000"
"""Inside of a character class: what parts words."""

# What release 3.4.1 was seen to make of every character of Unicode's basic plane: marks that join letters into a word
# without being letters; marks that are tokens; letters and digits younger than the release, which it drops.
JOINING = (
    r"\xad\u02c2-\u0379\u0384\u0385\u03f6\u0483-\u0487\u055a-\u055f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    r"\u0615-\u061a\u064b-\u065e\u0670\u06d6-\u06ed\u06fd\u06fe\u070f-\u07b0\u07eb-\u07f3\u0900-\u0903\u093c-\u094e"
    r"\u0951-\u0955\u0962\u0963\u0981-\u0983\u09bc-\u09c4\u09c7\u09c8\u09cb-\u09cd\u09d7\u09e2\u09e3\u0a01-\u0a03"
    r"\u0a3c\u0a3e-\u0a4f\u0a81-\u0a83\u0abc-\u0acf\u0b82\u0bbe-\u0bc2\u0bc6-\u0bc8\u0bca-\u0bcd\u0c01-\u0c03"
    r"\u0c3e-\u0c56\u0d3e-\u0d44\u0d46-\u0d48\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd\u1885\u1886"
)
SYMBOLS = (
    r"+%&~\^|\\\xa6-\xa9\xac\xae-\xb1\xb4-\xb8\xd7-\xf7\u0387\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0600-\u0603"
    r"\u0606-\u060a\u060c\u0614\u061b\u061e\u066a\u066d\u0703-\u070d\u07f6-\u07f8\u0964\u0965\u0e4f\u1fbd\u2016\u2017"
    r"\u2020-\u2023\u2030-\u2038\u203b\u203e-\u2042\u2044\u207a-\u207e\u208a-\u208e\u2100-\u214f\u2190-\u2bff\u3012"
    r"\u30fb\uff01-\uff0f\uff1a-\uff65"
)
_YOUNGER = (
    r"\u037f\u0528-\u052f\u0560\u0588\u05ef\u0860-\u0887\u0889-\u088e\u08a1\u08ad-\u08c9\u0978\u0980\u09fc\u0af9\u0c34"
    r"\u0c5a-\u0c5d\u0c80\u0cdd\u0d04\u0d54-\u0d56\u0d5f\u0de6-\u0def\u0e86\u0e89\u0e8c\u0e8e-\u0e93\u0e98\u0ea0"
    r"\u0ea8\u0ea9\u0eac\u13f5-\u13fd\u16f1-\u16f8\u170d\u171f\u1878\u191d\u191e\u19b0-\u19c0\u19c8\u19c9\u1b4c"
    r"\u1c80-\u1cbf\u1cf2\u1cf3\u1cfa\u2c2f\u2c5f\u312e\u312f\u31bb-\u31bf\u4db6-\u4dbf\u9fcd-\u9fff\ua698-\ua69d"
    r"\ua78f\ua794-\ua79f\ua7ab-\ua7f7\ua8fd\ua8fe\ua9e0-\ua9e4\ua9e6-\ua9fe\uaa7e\uaa7f\uab30-\uab5a\uab5c-\uab69"
    r"\uab70-\uabbf"
)
APOSTROPHE = "(?:['\x92\u2019]|(?i:&apos;))"
QUOTE_IN_WORD = "(?:['\x92\u2019`\x91\u2018\u201b]|(?i:&apos;))"
CURLY_QUOTE = "[`\u2018-\u201f\x91-\x94\u2039\u203a\xab\xbb]"
HYPHEN = "[-_\u058a\u2010\u2011]"

# Each of these keeps its period.
ABBREVIATIONS = (
    r"(?:Ed|Ph)\.D|al|Ala|Apr|Ariz|(?-i:A)rk|Assn|Aug|(?-i:A)z|Bancorp|Bhd|Bldg|Blvd|Bros|Calif|Colo|Conn|Corp|Cos?|"
    r"Ct|Dak|Dec|(?-i:D)el|Esq|est|etc|ext|Feb|Fla|Fri|Ga|(?-i:I)ll|Inc|Ind|Intl|Jan|Jr|Jul|Jun|Kans?|Ky|(?-i:L)a|Ltd|"
    r"Mar|(?-i:M)ass|Md|Mich|Minn|(?-i:M)iss|Mo|Mon|Mont|Neb|Nev|Nov|Oct|Okla|(?-i:O)re|(?-i:P)a|Penn|Plc|"
    r"Pp?t(?-i:[ye])s?|Rd|Rt|Sept?|seq|sq|Sr|Sys|tel|Tenn|(?-i:T)ex|Thu|Thurs|Tues?|Univ|Va|Vt|(?-i:W)ash|Wed|Wisc?|"
    r"Wyo"
)
TITLES = (
    r"a\.k\.a|Adj|Adm|Adv|Alex|Assoc|Asst|Attys?|Ave|Brig|Capt|cf|Cie|Co?mdr|Col|Cpl|Dept|Det|Drs?|Elec|Ens|Ft|Gen|"
    r"Govs?|Hon|Insp|Invt|Jos|Lieut|Lt|M(?-i:[ft])g|Maj|Messrs|Mlle|Mme|Mr|Mrs|Ms|Msgr|Mt|Natl|Pfc|Ph|Pres|Profs?|Pvt|"
    r"Reps?|Rev|Sens?|Sfc|Sgt|Spc|Ste?|Supts?|TREAS|vs|Wm"
)
# After these, the period behind a single letter ends a sentence ("vitamin C. The").
_OPENING_WORDS = (
    "About According Additionally After An A As At But Earlier He Her Here However If In It Last Many More Mr. Ms. Now "
    "Once One Other Our She Since So Some Such That The Their Then There These They This We When While What Yet You Its"
)
OPENINGS = "|".join(f"{word[0]}(?i:{re.escape(word[1:])})" for word in _OPENING_WORDS.split())
FILE_KINDS = (
    "bat|bmp|c|class|cgi|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|"
    "wav|x|xml|zip"
)
BEFORE_NUMBERS = "ca|figs?|prop|nos?|art|bldg|pp|op"
INITIALS = r"[A-Za-z](?:\.[A-Za-z])+"
ACRONYM = rf"(?:{INITIALS}|(?i:(?:Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(?:U\.K|U\.S\.S\.R)))"
_NAME = "[A-Za-z][A-Za-z0-9_:.-]*"
SPECIAL = (
    r"-(?i:RRB|LRB|RCB|LCB|RSB|LSB)-|(?i:C\.D\.s|pro-|anti-|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls)|"
    f"(?i:Cap{APOSTROPHE}n|c{APOSTROPHE}est)"
)
_VALUE = r"""(?:"[^"\r\n]*"|'[^'\r\n]*')"""
TAG = rf"<(?:[!?][A-Za-z-][^>\r\n]*|/{_NAME} *|{_NAME}(?: +{_NAME}(?: *= *{_VALUE})?)* *(?:/ *)?)>"
TELEPHONES = (
    r"\([0-9]{2,3}\)[ \xa0]?[0-9]{3,4}[- \xa0]?[0-9]{3,5}",
    r"(?:\+\+?)?(?:[0-9]{2,4}[- \xa0])?[0-9]{2,4}[- \xa0][0-9]{3,4}[- \xa0]?[0-9]{3,5}",
    r"(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}",
)


@cache
def letters_and_digits() -> tuple[str, str]:
    """Letters and digits of Unicode's basic plane, each as the inside of a character class."""
    ranges: dict[str, list[list[int]]] = {"L": [], "Nd": []}
    younger = re.compile(f"[{_YOUNGER}]")
    for code in range(0x10000):
        if younger.match(chr(code)):
            continue
        category = unicodedata.category(chr(code))
        kind = "Nd" if category == "Nd" else category[0]
        if kind in ranges:
            if ranges[kind] and ranges[kind][-1][1] == code - 1:
                ranges[kind][-1][1] = code
            else:
                ranges[kind].append([code, code])
    letters, digits = (
        "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in ranges[kind]) for kind in ("L", "Nd")
    )
    return letters, digits
