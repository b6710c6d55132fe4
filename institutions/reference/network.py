"""Who is in the reference network: the same as in `deploy/network/institutions.toml`; a test holds both together.

Enterprise numbers are invented: 19, sector, type, ordinal, check number. No enterprise has one that high.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from schemas.address import Address

_MODULUS = 97


@dataclass(frozen=True, slots=True)
class Member:
    """An institution of the reference network."""

    address: Address
    #: enterprise number, 10 digits
    cbe: str
    name: str
    #: who manages the secondary network it belongs to; None: connected to the hub itself
    managed_by: Address | None = None
    active: bool = True


def enterprise_number(sector: int, type_: int, ordinal: int) -> str:
    """An invented enterprise number with its right check number; `ordinal` 0 is a directly connected institution's."""
    eight = f"19{sector:02d}{type_:02d}{ordinal:02d}"
    return f"{eight}{_MODULUS - int(eight) % _MODULUS:02d}"


def _direct(sector: int, type_: int, name: str, *, active: bool = True) -> Member:
    return Member(Address(sector, type_), enterprise_number(sector, type_, 0), name, active=active)


def _cooperating(sector: int, type_: int, ordinal: int, name: str, *, active: bool = True, cbe: str = "") -> Member:
    number = cbe or enterprise_number(sector, type_, ordinal)
    return Member(Address(sector, type_, number), number, name, Address(sector, 0), active)


#: Two services of 18-0 share this number: who speaks for "it" cannot be told apart (CRB00007).
SHARED_CBE = enterprise_number(18, 2, 1)

MEMBERS: tuple[Member, ...] = (
    _direct(0, 0, "National Register"),
    _direct(1, 0, "FEDRIS, accidents at work"),
    _cooperating(1, 1, 1, "Accident insurer Alba (synthetic)"),
    _cooperating(1, 1, 2, "Accident insurer Borea (synthetic)"),
    _direct(5, 0, "Federal Pensions Service"),
    _direct(6, 0, "FEDRIS, occupational diseases"),
    _direct(7, 0, "Family allowances, register of all funds"),
    _cooperating(7, 1, 1, "Family allowances fund Cigno (synthetic)"),
    _cooperating(7, 1, 2, "Family allowances fund Delfine (synthetic)"),
    _direct(10, 0, "National Office for Annual Holidays"),
    _cooperating(10, 1, 1, "Holiday fund of the building trade (synthetic)"),
    _cooperating(10, 1, 2, "Holiday fund of the metal industry (synthetic)"),
    _direct(11, 0, "National Intermutualist College"),
    _cooperating(11, 1, 1, "Mutuality Edera (synthetic)"),
    _cooperating(11, 1, 2, "Mutuality Fontana (synthetic)"),
    _cooperating(11, 1, 3, "Mutuality Ginestra (synthetic)"),
    _direct(12, 0, "National Social Security Office"),
    _direct(13, 0, "Social security of local authorities (merged into 12-0)", active=False),
    _direct(15, 0, "National Institute for the Social Security of the Self-employed"),
    _cooperating(15, 1, 1, "Social insurance fund Harpa (synthetic)"),
    _cooperating(15, 1, 2, "Social insurance fund Iris (synthetic)"),
    _direct(16, 0, "DG HAN, persons with a handicap"),
    _direct(17, 0, "Managing institution of the PCSWs"),
    _cooperating(17, 1, 1, "PCSW of Sterrebroek (synthetic)"),
    _cooperating(17, 1, 2, "PCSW of Val-des-Ormes (synthetic)"),
    _cooperating(17, 1, 3, "PCSW of Wiesenfurt (synthetic)"),
    _cooperating(17, 1, 4, "PCSW of Kruisdonk (synthetic)"),
    _cooperating(17, 1, 5, "PCSW of Oudedonk (synthetic, merged into Kruisdonk)", active=False),
    _direct(18, 0, "National Employment Office"),
    _cooperating(18, 1, 1, "Payment institution Lanterna (synthetic)"),
    _cooperating(18, 1, 2, "Payment institution Mirto (synthetic)"),
    _cooperating(18, 1, 3, "Payment institution Nido (synthetic)"),
    _cooperating(18, 2, 1, "Employment Office, social inspection (synthetic)"),
    _cooperating(18, 5, 1, "Employment Office, human resources (synthetic)", cbe=SHARED_CBE),
    _direct(25, 0, "Crossroads registers of persons whom the National Register does not hold"),
    _direct(25, 1, "Buffer of harmonised social statuses"),
    _direct(64, 0, "De Lijn, free passes"),
    _direct(70, 3, "Social tariff for gas and electricity"),
)

#: Who keeps registers of persons whom the National Register does not hold.
REGISTERS = Address(25, 0)
#: The buffer of harmonised social statuses (docs/statuses.md).
STATUSES = Address(25, 1)
#: Who takes what employers declare (docs/declarations.md).
NSSO = Address(12, 0)
#: Who answers from a database of its own, and tells nothing of the invented lives.
KEEPERS = frozenset((REGISTERS, STATUSES, NSSO))

INSTITUTIONS = MappingProxyType({member.address: member for member in MEMBERS})


def members_of(kind: Address) -> tuple[Address, ...]:
    """The active cooperating institutions of this sector and type, in the order of their addresses."""
    return tuple(m.address for m in MEMBERS if m.managed_by is not None and m.active and m.address.kind == kind)


def managing() -> tuple[Address, ...]:
    """The institutions that manage a secondary network, in the order of their addresses."""
    return tuple(dict.fromkeys(m.managed_by for m in MEMBERS if m.managed_by is not None))


def suppliers() -> Iterator[tuple[str, Address]]:
    """Which service is answered by which sector and type, as `availability.toml` says."""
    for service, kinds in HOLDERS.items():
        for kind in kinds:
            yield service, kind


#: Service to the sectors and types that hold its data.
HOLDERS: MappingProxyType[str, tuple[Address, ...]] = MappingProxyType(
    {
        "CurrentSsin/1": (Address(0, 0), REGISTERS),
        "DmfaAttestation/1": (NSSO,),
        "FamilyAllowances/1": (Address(7, 0),),
        "HandicapRecognition/1": (Address(16, 0),),
        "HealthInsurance/1": (Address(11, 1),),
        "IdentifyPerson/1": (Address(0, 0), REGISTERS),
        "LivingWages/1": (Address(17, 1),),
        "OccupationalAccident/1": (Address(1, 0),),
        "Pension/1": (Address(5, 0),),
        "RegisterPerson/1": (REGISTERS,),
        "RelatedSsins/1": (Address(0, 0), REGISTERS),
        "RetrieveTIGroups/2": (Address(0, 0),),
        "SearchPerson/1": (Address(0, 0), REGISTERS),
        "SelfEmployed/1": (Address(15, 0),),
        "SocialStatus/1": (STATUSES,),
        "SocialInquiry/1": (Address(5, 0), Address(7, 0), Address(11, 1), Address(16, 0), Address(18, 1)),
        "UnemploymentData/1": (Address(18, 1),),
    }
)

PCSW_A, PCSW_B, PCSW_C, PCSW_D = members_of(Address(17, 1))
MUTUALITIES = members_of(Address(11, 1))
PAYMENT_INSTITUTIONS = members_of(Address(18, 1))
FAMILY_FUNDS = members_of(Address(7, 1))
HOLIDAY_FUNDS = members_of(Address(10, 1))
SELF_EMPLOYED_FUNDS = members_of(Address(15, 1))
INSURERS = members_of(Address(1, 1))
