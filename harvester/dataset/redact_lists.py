"""Lists for redaction: first names (from Faker) and large places. Other names are found by the words around them."""

# ruff: noqa: E501, RUF001, SIM905  (lists of words; letters that look like others)

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import import_module, resources

from harvester.errors import UsageError

_LOCALES = (
    "en_US en_GB en_IN es_ES es_MX es_CO pt_BR pt_PT de_DE de_AT fr_FR fr_CA tr_TR pl_PL it_IT nl_NL sv_SE ja_JP"
).split()
_KATAKANA_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}

ORDINARY = frozenset(
    # First names and places that are ordinary words too: they count only with a capital in the middle of a sentence.
    "abel ace alba alma amber amor ander angel anna any april ari art ash august aurora autumn ay baris bath bella ben bill"
    " blanca blue bob brook buck bud can candy carol cat chance charity chase cheer christian ciel cielo clark clay cliff cole"
    " colt coral crystal daisy dale dana dawn dean deniz destiny dick diva don drew duke dulce dusty earl ece eden eli ella elle"
    " elmas elvis ender era ernest esen eva eve evren faith fatal flora fox frank garden garnet gaye gene genesis gift gil"
    " ginger glen glory gold grace grant guy gul hale happy harmony harvest hasan haven heath heather hero holly honey hope hunter"
    " ice ina iris iva ivory ivy jack jade jasmine jazz jean jet jewel jo job jordan joy june junior justice kay king kit"
    " kiz lance lane lark laurel leo leon levent liberty lily lin lion liz long lotus love luz mac mai major marin mark marina mar"
    " mars mason max may mehr melody mercy merry meta mia mil miles min mina misty mitch mobile mona moon morgan most mut myth nana"
    " nano nat nice nil noel nova nur ola olive omar opal orange oz pace page pat patience paz pearl penny perry pet petra"
    " phoenix pia piper poppy porter prince princess price queen rain raven ray reading red reed reese rex rich river rob robin roma"
    " rock rocky rod rosa rose royal ruby rusty sage sandy sara sevgi sevim sky sol soul star stella sterling stone storm su sue"
    " summer sun sunny sus tara tea teo terra tiger tim tina tom toni trinity true ty umut una van venus vera victor victory viola"
    " violet virginia vista wade wes west will willow winter wolf yagmur yaz york young zen chile turkey china darwin cord"
    " mercedes salvador granada cordoba santiago victoria guy ege ada asli aslan sultan sahin ates bulut deren dilek duygu ekin"
    " gunes irmak melek nisan pinar savas simge tan toprak yildiz zafer bir iki bana ali ayse eren onur yasa zeki arda peri naz"
    " mel dia mai dal else ever floor gun lot over per side darin mira pero nina nino abril alla alta america ante campo dan del"
    " domingo durante francia julio maximo nada salud segundo uno bas beau cas demi deviner fleur mari par roman sante signe vide"
    " ville amico aria che desiderio domenica donna eta greco lotta luce luna mare massimo mio pelle pietra sole tono verde ale ani"
    " dom lina maj norma oni sam stan tor anders dag klas veer guzel sanal arkadas genc deha yener gece".split()
)


def folded(text: str) -> str:
    """Return a word as lists have it: small, without accents."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ı", "i").replace("ß", "s"))
    return "".join(character for character in plain if not unicodedata.combining(character))


@cache
def first_names() -> frozenset[str]:
    """Return first names in Latin letters, folded.

    Raises:
        UsageError: Faker is not installed.
    """
    try:
        modules = [import_module(f"faker.providers.person.{locale}") for locale in _LOCALES]
    except ImportError:
        raise UsageError("redaction needs the extra `dataset`: pip install 'scratch-harvester[dataset]'") from None
    names = {part for one in modules for name in one.Provider.first_names for part in folded(name).split()}
    return frozenset(name for name in names if name.isascii() and len(name) > 2)


@cache
def kana_names() -> re.Pattern[str]:
    """Return Japanese first names in either kana, where one may stand."""
    provider = import_module("faker.providers.person.ja_JP").Provider
    kana = {name for name in provider.first_kana_names if len(name) > 1}
    names = (
        kana
        | {name.translate(_KATAKANA_TO_HIRAGANA) for name in kana}
        | {n for n in provider.first_names if len(n) > 1}
    )
    listed = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return re.compile(
        rf"(?<![ぁ-んァ-ヶー一-龯])(?P<name>{listed})(?=です|だよ|だ|より|ちゃん|くん|さん|と|は|って|$|[^ぁ-んァ-ヶー一-龯])"
    )


@cache
def places() -> frozenset[str]:
    """Return large places in Latin letters, folded; some are of several words."""
    return frozenset(place for place in _places() if place.isascii())


@cache
def places_in_han() -> re.Pattern[str]:
    """Return Japanese prefectures and cities."""
    listed = "|".join(sorted((place for place in _places() if not place.isascii()), key=len, reverse=True))
    return re.compile(f"(?:{listed})[都道府県市区]?")


@cache
def _places() -> tuple[str, ...]:
    text = resources.files("harvester.dataset").joinpath("places.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(place for line in lines for place in (line.split("|") if "|" in line else line.split()))
