"""Situations that a demo and tests look for, placed in every thousand persons, so that they are in every population.

All stand in the first 200 of a thousand, at a place of the group whose age fits. Everyone here is known to PCSW A,
unless it says otherwise, so that somebody may ask about them.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

EVERY = 1000


class Scenario(Enum):
    """What is special about a person."""

    KNOWN_TO_PCSW_A_ONLY = auto()
    KNOWN_TO_PCSW_B_ONLY = auto()
    KNOWN_TO_TWO_PCSWS = auto()
    #: the hub has the person at 11-1, the sectoral repertory of 11-0 has not
    AT_NO_MUTUALITY = auto()
    AT_TWO_MUTUALITIES = auto()
    #: died, an old person with a pension
    DECEASED = auto()
    #: died while on living wage of PCSW A
    DECEASED_ON_LIVING_WAGE = auto()
    REPLACED_NUMBER = auto()
    #: PCSW A and DG HAN have registered the person provisionally (902), and nothing more
    PROVISIONAL_ONLY = auto()
    #: known at 17-1 as having been a file in examination, now closed
    PERIOD_OVER = auto()
    #: a mutuality has a dossier of incapacity in phase 1, before it is recognised
    PHASE_TOO_LOW = auto()
    #: ... in phase 2, recognised, after an accident at work
    OCCUPATIONAL_ACCIDENT = auto()
    PENSIONER = auto()
    GRAPA = auto()
    UNEMPLOYED = auto()
    CAREER_BREAK = auto()
    HANDICAPPED = auto()
    SELF_EMPLOYED = auto()
    CHILD = auto()
    BIS_NUMBER = auto()
    UNKNOWN_BIRTH_DATE = auto()
    #: allocataire, handicapped, and unemployed until last year: four branches have something to say
    SOCIAL_INQUIRY = auto()
    #: known to PCSW A, and to no pensions service, self-employed institute or payment institution
    EMPLOYEE = auto()


#: place in a thousand to situation
PLACES: Mapping[int, Scenario] = MappingProxyType(
    {
        4: Scenario.KNOWN_TO_PCSW_A_ONLY,
        15: Scenario.KNOWN_TO_PCSW_B_ONLY,
        24: Scenario.AT_NO_MUTUALITY,
        35: Scenario.AT_TWO_MUTUALITIES,
        49: Scenario.DECEASED,
        56: Scenario.DECEASED_ON_LIVING_WAGE,
        64: Scenario.REPLACED_NUMBER,
        75: Scenario.PROVISIONAL_ONLY,
        84: Scenario.PHASE_TOO_LOW,
        89: Scenario.GRAPA,
        99: Scenario.PENSIONER,
        105: Scenario.UNEMPLOYED,
        114: Scenario.HANDICAPPED,
        125: Scenario.SELF_EMPLOYED,
        134: Scenario.OCCUPATIONAL_ACCIDENT,
        141: Scenario.CHILD,
        146: Scenario.PERIOD_OVER,
        155: Scenario.BIS_NUMBER,
        164: Scenario.EMPLOYEE,
        169: Scenario.UNKNOWN_BIRTH_DATE,
        174: Scenario.SOCIAL_INQUIRY,
        185: Scenario.KNOWN_TO_TWO_PCSWS,
        195: Scenario.CAREER_BREAK,
    }
)


def scenario_of(index: int) -> Scenario | None:
    """The situation that is placed at this index, if one is."""
    return PLACES.get(index % EVERY)
