"""Services that only these tests know, written into a folder as an operator would drop them in.

| service | suppliers | |
|---|---|---|
| Probe/1 | one | own fault, dataFilters, a period |
| Plain/1 | one | no fault of its own, no dataFilters |
| Gather/1 | several | `deceased = "refuse"` |
| Gather/2 | several | `deceased = "answer"`, no dataFilters |
| Change/1, Claim/1 | | mutations: flow M and Z; `benefit` (kind, amount?, account?) |
"""

from pathlib import Path

#: Long enough for a busy machine to answer, short enough to wait out.
DEADLINE_MS = 1_500


def namespace(name: str, version: str) -> str:
    return f"urn:test:{name}:v{version}"


def write(folder: Path) -> Path:
    """The four folders, in `folder`."""
    _write(folder, "Probe", "1", filters=True, own_fault=True)
    _write(folder, "Plain", "1")
    _write(folder, "Gather", "1", filters=True, own_fault=True, combine="part", deceased="refuse")
    _write(folder, "Gather", "2", combine="part")
    write_mutation(folder, "Change", "M")
    write_mutation(folder, "Claim", "Z")
    return folder


def write_mutation(folder: Path, name: str, flow: str) -> None:
    """A mutation, version 1."""
    place, uri = folder / f"{name}1", namespace(name, "1")
    place.mkdir(parents=True)
    (place / "service.toml").write_text(
        f'name = "{name}"\nversion = "1"\nschema = "{name}.xsd"\nrequest = "{{{uri}}}request"\n'
        f'response = "{{{uri}}}response"\nssin = "criteria/ssin"\nperiod = "criteria/period"\n'
        f'mode = "mutation"\nflow = "{flow}"\n'
    )
    (place / f"{name}.xsd").write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{uri}" targetNamespace="{uri}"
           xmlns:crossroads="urn:crossroads:v1">
  <xs:import namespace="urn:crossroads:v1"/>
  <xs:complexType name="BenefitType"><xs:sequence>
    <xs:element name="kind" type="xs:string"/>
    <xs:element name="amount" type="xs:string" minOccurs="0"/>
    <xs:element name="account" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:complexType>
  <xs:element name="request"><xs:complexType><xs:complexContent>
    <xs:extension base="crossroads:MutationRequestType">
      <xs:sequence><xs:element name="benefit" type="BenefitType" minOccurs="0"/></xs:sequence>
    </xs:extension>
  </xs:complexContent></xs:complexType></xs:element>
  <xs:element name="response" type="crossroads:MutationResponseType"/>
</xs:schema>
"""
    )


def write_later(folder: Path) -> Path:
    """Beside them: Later/1 of one supplier, Mixed/1 of several; some of theirs answer in their own time."""
    _write(folder, "Later", "1", filters=True, own_fault=True)
    _write(folder, "Mixed", "1", filters=True, combine="part")
    return folder


def _write(
    folder: Path,
    name: str,
    version: str,
    *,
    filters: bool = False,
    own_fault: bool = False,
    combine: str = "",
    deceased: str = "answer",
) -> None:
    place = folder / f"{name}{version}"
    place.mkdir(parents=True)
    uri = namespace(name, version)
    fault = f'fault = "{{{uri}}}fault"\n' if own_fault else ""
    (place / "service.toml").write_text(
        f'name = "{name}"\nversion = "{version}"\nschema = "{name}.xsd"\n'
        f'request = "{{{uri}}}request"\nresponse = "{{{uri}}}response"\n{fault}'
        f'ssin = "criteria/ssin"\nperiod = "criteria/period"\ndeadline_ms = {DEADLINE_MS}\n'
        f'combine = "{combine}"\ndeceased = "{deceased}"\n'
    )
    filters_element = '<xs:element name="dataFilters" type="common:DataFiltersType" minOccurs="0"/>' if filters else ""
    fault_element = '<xs:element name="fault" type="common:CBSSFaultType"/>' if own_fault else ""
    status = "crossroads:StatusType" if combine else "common:StatusType"
    (place / f"{name}.xsd").write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{uri}" targetNamespace="{uri}"
           xmlns:common="http://kszbcss.fgov.be/types/common/v3" xmlns:crossroads="urn:crossroads:v1">
  <xs:import namespace="http://kszbcss.fgov.be/types/common/v3"/>
  <xs:import namespace="urn:crossroads:v1"/>
  <xs:complexType name="CriteriaType"><xs:sequence>
    <xs:element name="ssin" type="common:SsinType"/>
    <xs:element name="period" type="common:OpenPeriodType" minOccurs="0"/>
  </xs:sequence></xs:complexType>
  <xs:complexType name="ItemType"><xs:sequence>
    <xs:element name="name" type="xs:string"/>
    <xs:element name="secret" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:complexType>
  <xs:element name="request"><xs:complexType><xs:complexContent><xs:extension base="common:BaseRequestType">
    <xs:sequence><xs:element name="criteria" type="CriteriaType"/></xs:sequence>
  </xs:extension></xs:complexContent></xs:complexType></xs:element>
  <xs:element name="response"><xs:complexType><xs:complexContent><xs:extension base="common:BaseResponseType">
    <xs:sequence>
      <xs:element name="criteria" type="CriteriaType"/>
      <xs:element name="status" type="{status}"/>
      {filters_element}
      {_PART if combine else _ITEMS}
    </xs:sequence>
  </xs:extension></xs:complexContent></xs:complexType></xs:element>
  {fault_element}
</xs:schema>
"""
    )


_ITEMS = '<xs:element name="item" type="ItemType" minOccurs="0" maxOccurs="unbounded"/>'
_PART = f"""<xs:element name="part" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
        <xs:complexContent><xs:extension base="crossroads:PartType"><xs:sequence>{_ITEMS}</xs:sequence></xs:extension>
      </xs:complexContent></xs:complexType></xs:element>"""
