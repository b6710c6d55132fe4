"""A file of Dimonas of any size, from a seed: written as a stream, what must become of each form known beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from schemas.declarations.writing import head, opening
from schemas.period import today
from schemas.ssin import check_digits

#: Of a thousand forms, how many of each kind; the others are right.
WRONG = {"schema": 5, "digits": 5, "mandate": 10, "end": 10}
#: By kind: whether the publisher finds it, and the ErrorID.
TOLD = {
    "schema": (True, "00910-003"),
    "digits": (True, "00024-004"),
    "mandate": (False, "90256-155"),
    "end": (False, "00911-014"),
}


@dataclass(frozen=True)
class Plan:
    """INs of as many workers as there are forms, nobody twice."""

    count: int
    #: NSSO numbers that the sender may declare for, and one that it may not.
    employers: Sequence[str]
    foreign: str
    seed: int = 1
    #: Of a thousand forms, how many of each kind.
    wrong: Mapping[str, int] = field(default_factory=lambda: WRONG)
    #: Two digits of the year in which all are born: files with different ones have nobody in common.
    born: int = 61
    starts: date = today() + timedelta(days=10)

    def kind(self, n: int) -> str:
        """What is wrong with form n (from 1); empty: nothing."""
        lot = (n * 2_654_435_761 + self.seed * 40_503) % 1000
        for kind, of_1000 in self.wrong.items():
            lot -= of_1000
            if lot < 0:
                return kind
        return ""

    def ssin(self, n: int) -> str:
        """Of the worker of form n."""
        n -= 1
        nine = f"{self.born:02d}{1 + n // 800 % 12:02d}{1 + n // 9600:02d}{1 + n % 800:03d}"
        return nine + check_digits(nine, born_2000=False)

    def form(self, n: int) -> str:
        kind, ssin, start = self.kind(n), self.ssin(n), str(self.starts)
        employer = self.employers[n % len(self.employers)]
        ending = ""
        if kind == "schema":
            start = "soon"
        elif kind == "digits":
            ssin = ssin[:9] + f"{int(ssin[9:]) % 97 + 1:02d}"
        elif kind == "mandate":
            employer = self.foreign
        elif kind == "end":
            ending = f"\n      <EndingDate>{self.starts - timedelta(days=1)}</EndingDate>"
        return f"""  <Form>
    {self._head}
    <DimonaIn>
      <StartingDate>{start}</StartingDate>{ending}
      <EmployerId>
        <NOSSRegistrationNbr>{employer}</NOSSRegistrationNbr>
      </EmployerId>
      <NaturalPerson>
        <INSS>{ssin}</INSS>
      </NaturalPerson>
      <DimonaFeatures>
        <JointCommissionNbr>XXX</JointCommissionNbr>
        <WorkerType>OTH</WorkerType>
      </DimonaFeatures>
    </DimonaIn>
  </Form>
"""

    @property
    def _head(self) -> str:
        return head("DIMONA", datetime.now(UTC), "SU").replace("><", ">\n    <")

    def forms(self) -> Iterator[str]:
        return (self.form(n) for n in range(1, self.count + 1))

    def write(self, path: Path) -> Path:
        with path.open("w", encoding="utf-8") as file:
            file.write(f"{opening('Dimona_20231')}\n<!-- synthetic -->\n")
            file.writelines(self.forms())
            file.write("</Dimona>\n")
        return path

    def outcome(self, n: int) -> tuple[bool, str]:
        """Whether form n is sent, and the ErrorID that it is told; empty: accepted."""
        kind = self.kind(n)
        if not kind:
            return True, ""
        here, error_id = TOLD[kind]
        return not here, error_id
