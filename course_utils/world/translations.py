"""English sentences with their French: gender, number, elision, negation and three tenses agree."""

from __future__ import annotations

from .draw import RecordDraw
from .lexicon import ADJECTIVES, BUILDINGS, DAYS, GOODS, PEOPLE, VERBS, Adjective, Noun, Verb, a, capitalised

_TIMES = (
    ("today", "aujourd'hui"),
    ("this week", "cette semaine"),
    ("in the evening", "le soir"),
    ("every morning", "chaque matin"),
    ("at noon", "à midi"),
    ("in winter", "en hiver"),
    ("at night", "la nuit"),
    ("without a word", "sans un mot"),
    ("", ""),
    ("", ""),
    ("", ""),
)
_FRENCH_DAYS = dict(zip(DAYS, "lundi mardi mercredi jeudi vendredi samedi dimanche".split(), strict=True))
_PLACES = (("in", "dans"), ("near", "près"), ("behind", "derrière"), ("in front of", "devant"))
_VOWELS = "aeiouyéèêâîôûœh"  # no noun of the lexicon begins with an aspirated h

_BE = {  # tense: (English singular, English plural, French singular, French plural)
    "present": ("is", "are", "est", "sont"),
    "past": ("was", "were", "était", "étaient"),
    "future": ("will be", "will be", "sera", "seront"),
}
_TENSES = tuple(_BE)
_ENDINGS = {"present": ("e", "ent"), "past": ("ait", "aient"), "future": ("era", "eront")}


def _agreed(adjective: Adjective, gender: str, plural: bool) -> str:
    form = adjective.masculine if gender == "m" else adjective.feminine
    return form + "s" if plural and form[-1] not in "sx" else form


def _elided(article: str, word: str) -> str:
    return f"{article[:-1]}'{word}" if word[0] in _VOWELS else f"{article} {word}"


def _definite(word: str, gender: str, plural: bool) -> str:
    if plural:
        return f"les {word}"
    return _elided("le" if gender == "m" else "la", word)


def _phrase(noun: Noun, adjective: Adjective | None, plural: bool) -> tuple[str, str, str]:
    """(English, French, French core without article) of "the ... noun"."""
    english, french = (noun.plural, noun.french_plural) if plural else (noun.english, noun.french)
    if adjective is None:
        return f"the {english}", _definite(french, noun.gender, plural), french
    agreed = _agreed(adjective, noun.gender, plural)
    core = f"{agreed} {french}" if adjective.before_noun else f"{french} {agreed}"
    return f"the {adjective.english} {english}", _definite(core, noun.gender, plural), core


def _of(french: str) -> str:
    """ "de" joined with the singular article that follows: de + le = du."""
    return "du " + french[3:] if french.startswith("le ") else "de " + french


def _place(draw: RecordDraw, noun: Noun) -> tuple[str, str]:
    english, french = draw.choice(_PLACES)
    where_english, where_french, _ = _phrase(noun, None, False)
    return f"{english} {where_english}", f"{french} {_of(where_french) if french == 'près' else where_french}"


def _owner(draw: RecordDraw, noun: Noun) -> tuple[str, str]:
    english, french, _ = _phrase(draw.partner(noun.english, PEOPLE), None, False)
    return f"of {english}", _of(french)


def _conjugated(verb: Verb, tense: str, plural: bool, negative: bool) -> tuple[str, str]:
    french = verb.french_stem + _ENDINGS[tense][plural]
    if negative:
        french = f"{_elided('ne', french)} pas"
    if tense == "past":
        english = f"{_BE['past'][plural]} {'not ' * negative}{verb.participle}"
    elif tense == "future":
        english = f"will {'not ' * negative}{verb.base}"
    elif negative:
        english = f"{'do' if plural else 'does'} not {verb.base}"
    else:
        english = verb.base if plural else verb.third
    return english, french


def _doing(draw: RecordDraw) -> tuple[str, str]:
    person, plural = draw.choice(PEOPLE), draw.chance(0.3)
    verb = draw.partner(person.english, VERBS)
    thing = draw.partner(verb.base, GOODS)
    who = _phrase(person, None, plural)
    adjective = draw.partner(thing.english, ADJECTIVES) if draw.chance(0.5) else None
    what = _phrase(thing, adjective, draw.chance(0.3))
    does = _conjugated(verb, draw.choice(_TENSES), plural, draw.chance(0.3))
    when = draw.choice(_TIMES)
    return (
        f"{who[0]} {does[0]} {what[0]} {when[0]}".strip(),
        f"{who[1]} {does[1]} {what[1]} {when[1]}".strip(),
    )


def _being(draw: RecordDraw) -> tuple[str, str]:
    noun, plural, tense = draw.choice(GOODS + BUILDINGS), draw.chance(0.3), draw.choice(_TENSES)
    adjective = draw.partner(noun.english, ADJECTIVES)
    english, french, _ = _phrase(noun, None, plural)
    if draw.chance(0.6):
        owner_english, owner_french = _owner(draw, noun)
        english, french = f"{english} {owner_english}", f"{french} {owner_french}"
    is_english, is_french = _BE[tense][plural], _BE[tense][2 + plural]
    if draw.chance(0.3):
        is_english = (
            is_english.replace("will be", "will not be") if tense == "future" else f"{is_english} not"
        )
        is_french = f"{_elided('ne', is_french)} pas"
    day = draw.choice(DAYS)
    when = draw.choice((("", ""), (f"on {day}", _FRENCH_DAYS[day])))
    agreed = _agreed(adjective, noun.gender, plural)
    return (
        f"{english} {is_english} {adjective.english} {when[0]}".strip(),
        f"{french} {is_french} {agreed} {when[1]}".strip(),
    )


def _standing(draw: RecordDraw) -> tuple[str, str]:
    noun = draw.choice(GOODS)
    adjective = draw.partner(noun.english, ADJECTIVES)
    _, _, core = _phrase(noun, adjective, False)
    where = _place(draw, draw.partner(noun.english, BUILDINGS))
    english = a(f"{adjective.english} {noun.english}")
    return (
        f"there is {english} {where[0]}",
        f"il y a {'un' if noun.gender == 'm' else 'une'} {core} {where[1]}",
    )


def _asking(draw: RecordDraw) -> tuple[str, str]:
    noun, plural = draw.choice(GOODS + BUILDINGS), draw.chance(0.3)
    adjective = draw.partner(noun.english, ADJECTIVES) if draw.chance(0.7) else None
    english, french, _ = _phrase(noun, adjective, plural)
    owner_english, owner_french = _owner(draw, noun)
    return (
        f"where {'are' if plural else 'is'} {english} {owner_english}",
        f"où {'sont' if plural else 'est'} {french} {owner_french}",
    )


_FORMS = ((_doing, "."), (_doing, "."), (_doing, "."), (_being, "."), (_standing, "."), (_asking, "?"))


def record(draw: RecordDraw) -> dict:
    """One sentence as `{"en", "fr"}`."""
    form, mark = draw.choice(_FORMS)
    english, french = form(draw)
    return {"en": capitalised(english) + mark, "fr": capitalised(french) + (" ?" if mark == "?" else mark)}
