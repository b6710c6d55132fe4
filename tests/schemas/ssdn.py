"""SSDN messages as real clients write them."""

from lxml import etree

SERVICE = "http://www.ksz-bcss.fgov.be/XSD/SSDN/Service"
COMMON = "http://www.ksz-bcss.fgov.be/XSD/SSDN/Common"
MANAGE = "http://www.ksz-bcss.fgov.be/XSD/SSDN/OCMW_CPAS/ManageAccess"
IDENTIFY = "http://www.ksz-bcss.fgov.be/XSD/SSDN/OCMW_CPAS/IdentifyPerson"
REFERENCES = "http://www.ksz-bcss.fgov.be/XSD/SSDN/ReferenceManagerFacade"
NAMES = {"s": SERVICE, "c": COMMON, "m": MANAGE, "i": IDENTIFY, "r": REFERENCES}

USER = "00901234567"
PROOF = "<PersonData><LastName>DHERTOGE</LastName><BirthDate>1985-01-01</BirthDate></PersonData>"


def envelope(
    *services: str,
    matrix: str = "<MatrixID>64</MatrixID><MatrixSubID>0</MatrixSubID>",
    org_unit: str = "<OrgUnit/>",
    message: str = "<TimeRequest>20991231T235959</TimeRequest><Language>fr</Language>",
    reference: str | None = None,
) -> bytes:
    """An SSDNRequest; its clock is ahead of everybody's."""
    told = f"<Reference>{reference}</Reference>" if reference is not None else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<SSDNRequest xmlns="{SERVICE}">\n  <RequestContext>\n'
        f"    <AuthorizedUser><UserID>{USER}</UserID><Email>info@example.be</Email>{org_unit}{matrix}"
        f"</AuthorizedUser>\n    <Message>{told}{message}</Message>\n  </RequestContext>\n"
        + "".join(services)
        + "</SSDNRequest>"
    ).encode()


def service(service_id: str, version: str, business: str) -> str:
    return (
        f"  <ServiceRequest>\n    <ServiceId>{service_id}</ServiceId>\n    <Version>{version}</Version>\n"
        f"    {business}\n  </ServiceRequest>\n"
    )


def manage(
    ssin: str,
    action: str,
    *,
    purpose: str = "<mar:Purpose>000</mar:Purpose>",
    end: str = "<common:EndDate/>",
    begin: str = "2026-01-01",
    more: str = "<mar:Sector/><mar:QueryRegister/>",
    proof: str = "<mar:SISCardNumber/><mar:IdentityCardNumber/>" + PROOF,
) -> str:
    """ManageAccess with prefixes of its own, empty elements, and a quality with leading zeros."""
    proof = proof.replace("<P", "<mar:P").replace("</P", "</mar:P")
    for name in ("LastName", "FirstName", "BirthDate"):
        proof = proof.replace(f"<{name}", f"<mar:{name}").replace(f"</{name}", f"</mar:{name}")
    return service(
        "OCMWCPASManageAccess",
        "20050930",
        f'<mar:ManageAccessRequest xmlns:mar="{MANAGE}" xmlns:common="{COMMON}"><mar:SSIN>{ssin}</mar:SSIN>{purpose}'
        f"<mar:Period><common:StartDate>{begin}</common:StartDate>{end}</mar:Period><mar:Action>{action}</mar:Action>"
        f"{more}<mar:ProofOfAuthentication>{proof}</mar:ProofOfAuthentication></mar:ManageAccessRequest>",
    )


def identify(ssin: str = "", *, phonetic: str = "", verification: str = "") -> str:
    return service(
        "OCMWCPASIdentifyPerson",
        "20050930",
        f'<IdentifyPersonRequest xmlns="{IDENTIFY}"><SearchCriteria><SSIN>{ssin}</SSIN>{phonetic}</SearchCriteria>'
        f"<VerificationData><SISCardNumber/>{verification}</VerificationData></IdentifyPersonRequest>",
    )


def phonetic(birth_date: str, more: str = "") -> str:
    return (
        "<PhoneticCriteria><LastName>DHERTOGE</LastName><FirstName/><MiddleName/>"
        f"<BirthDate>{birth_date}</BirthDate>{more}</PhoneticCriteria>"
    )


def consult(
    ssin: str,
    quality: int,
    integrated: tuple[str, str],
    requested: tuple[str, str],
    descriptions: str = "<q1:FetchDescriptions>true</q1:FetchDescriptions>",
) -> str:
    def days(name: str, period: tuple[str, str]) -> str:
        begin, end = period
        return f"<q1:{name}><q1:StartDate>{begin}</q1:StartDate><q1:EndDate>{end}</q1:EndDate></q1:{name}>"

    return service(
        "ReferenceManager.consult",
        "20050525",
        f'<q1:ReferenceManagerRequest xmlns:q1="{REFERENCES}"><q1:ConsultOtherSectorsCriteria>'
        f"<q1:QualityCodeRequestor>{quality}</q1:QualityCodeRequestor><q1:RequestedSsin>{ssin}</q1:RequestedSsin>"
        f"{days('IntegratedPeriod', integrated)}{days('RequestedPeriod', requested)}{descriptions}"
        "</q1:ConsultOtherSectorsCriteria></q1:ReferenceManagerRequest>",
    )


def text(root: etree._Element, path: str) -> str | None:
    return root.findtext(path, namespaces=NAMES)


def summary(element: etree._Element) -> tuple[str | None, str | None, list[str]]:
    """ok, return code, reason codes."""
    found = element.find("c:ResultSummary", NAMES)
    assert found is not None
    reasons = [one.text or "" for one in found.iterfind("c:Detail/c:ReasonCode", NAMES)]
    return found.get("ok"), text(found, "c:ReturnCode"), reasons


def context(root: etree._Element) -> tuple[str | None, str | None, list[str]]:
    return summary(root.find("s:ReplyContext", NAMES))


def replies(root: etree._Element) -> list[etree._Element]:
    return list(root.iterfind("s:ServiceReply", NAMES))
