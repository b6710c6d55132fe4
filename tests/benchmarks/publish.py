"""A file of Dimonas published: the local check beside bare lxml, and the whole way to the NSSO and back, by stages.

The check is the publisher's own (cut, schema, check digits, what is right written through and kept) beside
`lxml.etree.iterparse` with validation of the same file, in turn, in one run. The whole way: broker, database and 12-0
in processes of this measurement, the publisher a process of its own.

  python -m tests.benchmarks.publish --forms 20000
"""

import argparse
import asyncio
import json
import logging
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import Any

import structlog
from lxml import etree

from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from institutions.payroll.publisher import Publication, Wanted
from schemas.declarations.forms import Forms
from schemas.errors import CrossroadsError
from tests.benchmarks.machine import machine, sentence
from tests.benchmarks.progress import say
from tests.institutions.payroll.certificates import write
from tests.institutions.payroll.dimona_file import Plan
from tests.institutions.payroll.ground import OTHERS, OWN, SECOND, SIGNER, A, opened
from tests.institutions.payroll.publishing import publish

_RELEASE = "Dimona_20231"


def bare(file: Path) -> int:
    """What nobody can do without: each form parsed and validated, and let go."""
    release = Forms.from_environment().named(_RELEASE)
    schema = etree.XMLSchema(etree.parse(str(release.folder / release.schema)))
    count = 0
    for _, form in etree.iterparse(str(file), tag="Form"):
        root = form.getparent()
        shell = etree.Element(root.tag, root.attrib)
        shell.append(form)
        if not schema.validate(shell):
            raise CrossroadsError("a form of the generator is wrong")
        count += 1
    return count


async def checked(file: Path) -> int:
    """The publisher's first phase, kept."""
    publication = Publication(file, A, Wanted("S", again=True))
    try:
        await publication.check()
        return publication.forms
    finally:
        publication.close()


async def check(file: Path, runs: int) -> Mapping[str, Any]:
    """CPU seconds of each, the least of all runs; the greatest ratio is not taken: that of the least."""
    of_bare, of_check = list[float](), list[float]()
    for _ in range(runs):
        begun = process_time()
        count = bare(file)
        of_bare.append(process_time() - begun)
        begun = process_time()
        if await checked(file) != count:
            raise CrossroadsError("the check saw another number of forms")
        of_check.append(process_time() - begun)
        say(f"bare {of_bare[-1] / count * 1e6:.1f} us a form, check {of_check[-1] / count * 1e6:.1f}")
    return {"forms": count, "bare": min(of_bare), "check": min(of_check), "ratio": min(of_bare) / min(of_check)}


async def end_to_end(file: Path, folder: Path, environment: str, count: int) -> Mapping[str, Any]:
    """The command, as a process, against a 12-0 in this one."""
    signed = map(str, write(SIGNER, folder))
    words = [word for pair in zip(("--key", "--certificate"), signed, strict=True) for word in pair]
    with PrivateRabbitMQ() as rabbitmq, PrivatePostgreSQL() as postgresql:
        async with opened(rabbitmq, postgresql) as ground:
            begun = process_time()
            ended = await publish(file, A, ground.url(f"sender-{A}"), folder, "--env", environment, *words,
                                  patience=count / 20 + 60)  # fmt: skip
            of_12_0 = process_time() - begun
    if ended.status != 0:
        raise CrossroadsError(f"the publisher ended with {ended.status}: {ended.err[-500:]}")
    rates = {what: int(told[-1]) for what in ("checked", "answered")
             if (told := re.findall(rf"{what} .*?([0-9]+) a second", ended.err))}  # fmt: skip
    return {
        "forms": count,
        "seconds": ended.seconds,
        "a_second": count / ended.seconds,
        "checked_a_second": rates.get("checked"),
        "answered_a_second": rates.get("answered"),
        "publisher_cpu_us": ended.cpu / count * 1e6,
        "nsso_cpu_us": of_12_0 / count * 1e6,
        "publisher_peak_mib": ended.peak,
    }


async def measure(told: argparse.Namespace) -> Mapping[str, Any]:
    """Both."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="crossroads-publish-") as directory:
        folder = Path(directory)
        file = Plan(told.forms, (OWN, SECOND), OTHERS, wrong={}).write(folder / "many.xml")
        say(f"{told.forms} forms, {file.stat().st_size / 1e6:.1f} MB")
        found: dict[str, Any] = {"check": await check(file, told.runs)}
        if not told.check_only:
            found["end_to_end"] = await end_to_end(file, folder, told.env, told.forms)
    return found


def page(found: Mapping[str, Any]) -> str:
    """Markdown."""
    one = found["check"]
    lines = [
        "| check | CPU us a form | forms a second |",
        "|---|---|---|",
        *(
            f"| {name} | {one[key] / one['forms'] * 1e6:.1f} | {one['forms'] / one[key]:,.0f} |"
            for name, key in (("bare iterparse and validate", "bare"), ("the publisher's", "check"))
        ),
        f"\nThe check is {one['ratio']:.2f} of bare.\n",
    ]
    if (whole := found.get("end_to_end")) is not None:
        lines += [
            "| end to end | seconds | forms a second | checked a second | answered a second | publisher CPU us a form |"
            " 12-0 CPU us a form | publisher's peak MiB |",
            "|---|---|---|---|---|---|---|---|",
            f"| {whole['forms']} | {whole['seconds']:.1f} | {whole['a_second']:.0f} | {whole['checked_a_second']} |"
            f" {whole['answered_a_second']} | {whole['publisher_cpu_us']:.0f} | {whole['nsso_cpu_us']:.0f} |"
            f" {whole['publisher_peak_mib']:.0f} |",
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.publish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--forms", type=int, default=20_000, help="forms of the file (default 20000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of the check, in turn with bare (default 3)")
    parser.add_argument("--env", choices=("R", "T", "S"), default="R", help="environment of the whole way (default R)")
    parser.add_argument("--check-only", action="store_true", help="the check alone, without servers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    told = parser.parse_args()
    where = machine()
    try:
        found = asyncio.run(measure(told))
    except (CrossroadsError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if told.json is not None:
        told.json.write_text(json.dumps({"machine": where, **found}) + "\n")
    sys.stdout.write(f"{sentence(where)}.\n\n{page(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
