"""From a headline to tokens: what a number is matters, which number it is does not; names of tickers say nothing."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

#: beyond this a headline with its abstract says nothing new
LONGEST_TEXT = 1_000
LONGEST_WORD = 40

_NUMBER = r"\d+(?:,\d{2,3})*(?:\.\d+)?"
_LINK = re.compile(r"(?:https?://|www\.)\S*|\S+…$")
_MENTION = re.compile(r"@\w+")
_TICKER = re.compile(
    r"\$[A-Za-z]{1,5}(?:\.[A-Za-z]{1,3})?\b"
    r"|\((?:NYSE|NASDAQ|Nasdaq|OTC\w{0,6}|AMEX|NSE|BSE)[:\s]{1,3}[A-Z.]{1,12}\)"
    r"|\([A-Z]{2,5}\)"
)
_TOKEN = re.compile(
    rf"[+\-–~]?[$€£₹]?{_NUMBER}(?:%|bn|mn|m|b|k|x|pc|bps|cr|c|st|nd|rd|th)?(?![A-Za-z])"
    r"|[^\W\d_]+(?:'[^\W\d_]+)?(?:&[^\W\d_]+)*|[!?;:,]|\d+[^\W_]*",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_CURRENCIES = frozenset({"rs", "usd", "inr", "eur", "re"})
_SCALES = frozenset(
    {"crore", "crores", "lakh", "lakhs", "cr", "million", "billion", "trillion", "mln", "bln", "mn", "bn", "m", "b"}
    | {"c", "cents"}
)
_PERCENT = frozenset({"percent", "pc", "pct", "bps", "percentage"})
_NEGATIONS = frozenset({"not", "no", "never", "without", "cannot", "nor", "neither"})
#: a negation reaches over this many words, and never over a mark
_REACH = 3
_MARKS = frozenset(",;:!?")
TICKER = "<tick>"
NEGATED = "NOT_"


def cleaned(text: str) -> str:
    """Return the beginning of ``text`` without entities, and with one kind of quotation marks."""
    beginning = html.unescape(unicodedata.normalize("NFKC", text[:LONGEST_TEXT]))[:LONGEST_TEXT]
    return beginning.replace("’", "'").replace("‘", "'")


def tokens(text: str) -> list[str]:
    """Return the tokens of a :func:`cleaned` text: words in lower case, classes of numbers, marks."""
    text = _MENTION.sub(" ", _LINK.sub(" ", text))
    text = _TICKER.sub(" tickersymbol ", text).replace("#", " ")
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        raw = match.group()
        if any(char.isdigit() for char in raw):
            found.append(_number(raw))
        else:
            _add_word(found, raw.lower()[:LONGEST_WORD])
    return found


def _number(raw: str) -> str:
    sign = {"+": "up", "-": "dn", "–": "dn"}.get(raw[0], "")
    bare = raw.lstrip("+-–~").lower()
    if bare.endswith(("%", "pc", "bps")):
        return f"{sign}<pct>"
    if bare[0] in "$€£₹":
        return f"{sign}<money>"
    if _YEAR.fullmatch(bare):
        return "<year>"
    if _ORDINAL.fullmatch(bare):
        return "<ord>"
    return "<mult>" if bare.endswith("x") else f"{sign}<num>"


def _add_word(found: list[str], word: str) -> None:
    """Add a word, or let it change what stands before it: ``5 per cent`` and ``3 crore`` are one token each."""
    before = found[-1] if found else ""
    if word == "tickersymbol":
        found += [TICKER] if before != TICKER else []
    elif word in _CURRENCIES:
        return
    elif word in _PERCENT and before.endswith("<num>"):
        found[-1] = before.replace("<num>", "<pct>")
    elif word in _SCALES and before.endswith(("<num>", "<money>")):
        found[-1] = before.replace("<num>", "<money>")
    elif word == "cent" and before == "per":
        found.pop()
        if found and found[-1].endswith("<num>"):
            found[-1] = found[-1].replace("<num>", "<pct>")
    elif word.endswith("n't"):
        found += [word[:-3], "not"]
    else:
        found.append(word.removesuffix("'s"))


def negated(found: list[str]) -> list[str]:
    """Return the words, without marks but the question mark; those that a negation reaches carry ``NOT_``."""
    return list(_negated(found))


def _negated(found: list[str]) -> Iterator[str]:
    left = 0
    for token in found:
        if token in _NEGATIONS:
            left = _REACH
            yield token
            continue
        if token in _MARKS:
            left = 0
        if token in _MARKS - {"?"}:
            continue
        yield f"{NEGATED}{token}" if left > 0 and token[0] != "<" else token
        left -= 1
