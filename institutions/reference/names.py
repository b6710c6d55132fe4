"""Invented names and places. Any likeness to a name somebody bears is chance."""

from dataclasses import dataclass

from institutions.reference import network
from schemas.address import Address

_FIRST_SYLLABLES = (
    "Aldo", "Brun", "Corve", "Dall", "Elster", "Fero", "Gran", "Hove", "Ilmo", "Jar", "Kest", "Lomba", "Mersch", "Nor",
    "Oster", "Pellen", "Quar", "Roma", "Stel", "Tervu", "Umber", "Vall", "Wester", "Zand",
)  # fmt: skip
_LAST_SYLLABLES = (
    "aert", "baix", "court", "donck", "eghem", "feld", "gaerde", "hoven", "ines", "kamp", "lier", "mont", "nay", "oul",
    "puits", "rade", "stra", "tin", "velde", "wyck",
)  # fmt: skip

LAST_NAMES = tuple(first + last for first in _FIRST_SYLLABLES for last in _LAST_SYLLABLES)

FEMALE_NAMES = (
    "Adela", "Brisa", "Celme", "Dorine", "Elvane", "Fiora", "Gwenda", "Hesta", "Ilvy", "Jorina", "Kalma", "Lioba",
    "Maurane", "Nelda", "Odila", "Perrine", "Quella", "Rosane", "Silke", "Tamsin", "Ursa", "Vianne", "Wiebe", "Yselle",
)  # fmt: skip
MALE_NAMES = (
    "Arne", "Baldo", "Corin", "Dries", "Elmo", "Florin", "Gaspar", "Hilmar", "Ivo", "Jolan", "Kasper", "Lander",
    "Mattis", "Noldo", "Oskar", "Pirmin", "Quint", "Roel", "Sander", "Tibo", "Urban", "Valto", "Wolf", "Yannis",
)  # fmt: skip

STREETS = {
    "nl": ("Lindelaan", "Molenstraat", "Kruispunt", "Beukendreef", "Veldweg", "Oude Markt"),
    "fr": (
        "Rue des Ormes",
        "Allée du Moulin",
        "Place du Carrefour",
        "Chemin Vert",
        "Avenue des Tilleuls",
        "Vieux Marché",
    ),
    "de": ("Lindenallee", "Mühlenweg", "Am Kreuz", "Buchenstraße", "Feldweg", "Alter Markt"),
}


@dataclass(frozen=True, slots=True)
class Municipality:
    """A place that does not exist, with codes that nobody else has."""

    #: as the statistics office numbers municipalities
    nis: str
    zip: str
    name: str
    language: str
    pcsw: Address


MUNICIPALITIES = (
    Municipality("99001", "9996", "Sterrebroek", "nl", network.PCSW_A),
    Municipality("99002", "9997", "Val-des-Ormes", "fr", network.PCSW_B),
    Municipality("99003", "9998", "Wiesenfurt", "de", network.PCSW_C),
    Municipality("99004", "9999", "Kruisdonk", "nl", network.PCSW_D),
)
