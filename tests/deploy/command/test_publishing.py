"""`crossroads payroll publish` and `listen`, as docs/examples/declarations has them."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from deploy.demo.examples import FOLDER
from schemas.declarations.signature import fingerprint
from schemas.period import today
from tests.deploy.command.network import Network, until
from tests.institutions.payroll.certificates import signer, write

SENDER = "100011"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The example, as of today."""
    text = (FOLDER / "declarations" / "DimonaFile.xml").read_text()
    text = re.sub(r"(?<=<FormCreationDate>).*?(?=<)", str(today()), text)
    path = tmp_path / "DimonaFile.xml"
    path.write_text(text)
    return path


def rows(report: Path) -> list[tuple[str, str]]:
    with report.open(newline="", encoding="utf-8") as opened:
        return [(row["outcome"], row["errorId"]) for row in csv.DictReader(opened)]


ENDS = [
    ("accepted", ""),
    ("accepted", ""),
    ("accepted with warning", "90373-460"),
    ("not sent", "00024-004"),
    ("refused", "90256-155"),
    ("refused", "00911-014"),
]


def test_a_file_ends_as_its_example_says_and_is_told_again(network: Network, file: Path) -> None:
    words = ("payroll", "publish", file, "--as", "100001", "--env", "T")
    said = network.here(*words)
    assert (said.status, said.out) == (1, b""), said
    report = file.with_name("DimonaFile.xml.T.report.csv")
    assert rows(report) == ENDS
    assert "DimonaFile.xml: checked 6 forms, 1 wrong" in said.err
    assert "DimonaFile.xml: answered 5 of 5, 2 refused" in said.err
    counts = "6 forms: 3 accepted, 1 of them with a warning, 2 refused, 1 not sent, ticket 350"
    assert counts in said.err
    assert str(report) in said.err
    again = network.here(*words)
    assert (again.status, counts in again.err, "answered" in again.err) == (1, True, False)
    file.write_text(file.read_text() + "\n")
    changed = network.here(*words)
    assert (changed.status, "--again" in changed.err, changed.err.count("\n")) == (2, True, 1)
    listed = network.here("nsso", "files", "--all")
    assert listed.out.count(b".T.1") == 1


def test_what_is_real_is_signed_with_a_certificate_that_the_nsso_has(network: Network, file: Path) -> None:
    one = signer()
    key, certificate = write(one, file.parent)
    register: Path = network.root / "signing.toml"
    register.write_text(
        f'[[sender]]\nnumber = "{SENDER}"\nname = "Signs (synthetic)"\n'
        f'certificates = ["{fingerprint(one.certificate)}"]\n\n'
        f'[[mandate]]\nsender = "{SENDER}"\nemployer = "190000204"\nfrom = 2010-01-01\n'
    )
    assert network.here("nsso", "load", register).status == 0
    until(lambda: f"sender-{SENDER}" in network.access["passwords"])
    text = file.read_text().replace("190000010", "190000204").replace("190000107", "190000204")
    forms = text.partition("  <!-- 4.")
    file.write_text(forms[0] + "</Dimona>\n")
    copy = shutil.copy(file, file.with_name("other.xml"))
    words = ("payroll", "publish", file, "--as", SENDER)
    unsigned = network.here(*words)
    assert (unsigned.status, "must be signed" in unsigned.err) == (2, True)
    said = network.here(*words, "--key", key, "--certificate", certificate)
    assert said.status == 0, said
    assert rows(file.with_name("DimonaFile.xml.report.csv")) == ENDS[:3]
    # Signed by another's key: refused as a whole, in words.
    key, certificate = write(signer(), file.parent)
    Path(copy).write_text(text.partition("  <!-- 3.")[0] + "</Dimona>\n")
    said = network.here("payroll", "publish", copy, "--as", SENDER, "--key", key, "--certificate", certificate)
    assert (said.status, "ACRF-153: " in said.err, "2 file refused" in said.err) == (1, True, True), said


def test_listening_ends_where_nothing_comes(network: Network) -> None:
    said = network.here("payroll", "listen", "--as", "100002", "--for", "1")
    assert (said.status, said.out, said.err) == (0, b"", "")


@pytest.mark.parametrize(
    "words",
    [
        ["none.xml", "--as", "100001", "--env", "T"],
        ["{file}", "--as", "1", "--env", "T"],
        ["{file}", "--as", "100001", "--env", "X"],
        ["{file}", "{file}", "--as", "100001", "--env", "T"],
        ["{file}", "--as", "100001", "--key", "none.pem"],
        ["{file}", "--as", "100001", "--key", "none.pem", "--certificate", "none.pem"],
        ["{file}", "--as", "100001", "--key", "{file}", "--certificate", "{file}"],
        ["{file}", "--as", "100001", "--env", "T", "--employers", "{file}"],
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_status_2(network: Network, file: Path, words: list[str]) -> None:
    said = network.here("payroll", "publish", *(word.format(file=file) for word in words))
    assert (said.status, said.out) == (2, b""), said
    assert said.err.startswith("crossroads: ")
    assert said.err.count("\n") == 1
