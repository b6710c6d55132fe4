"""docs/examples, made from `deploy.demo.messages`.

`python -m deploy.demo.examples` writes the folder; a test keeps it true.
"""

import shutil
from pathlib import Path

from deploy.demo.messages import CODES, SSDN, Example, envelopes, examples, message
from institutions.reference import network
from institutions.reference.population import Population
from schemas.service import Service

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
#: A service that does not ship, to drop in while the network runs.
OWN_SERVICE = FOLDER / "own-service"


#: The person of whom the service of one's own has an answer.
PERSON_WITH_A_PASS = Population().examples.handicapped.ssin


def own_example() -> Example:
    """The request to the service of one's own."""
    service = Service.read(OWN_SERVICE / "FreePass")
    file, says = f"{OWN_SERVICE.name}/FreePass.xml", "Does this person have a free pass?"
    body = message(service, PERSON_WITH_A_PASS, ticket="example-FreePass", comment=f"{says} Sent as {network.PCSW_A}.")
    return Example(file, network.PCSW_A, "MSG00000", says, body)


def page() -> str:
    """docs/examples/README.md."""
    return _PAGE.format(
        found="\n".join(f"| [{e.file}]({e.file}) | `{e.sender}` | {e.says} |" for e in examples() if "/" not in e.file),
        codes="\n".join(
            f"| {e.code} | [{e.file}]({e.file}){f', after {e.after}' if e.after else ''} | `{e.sender}` | {e.says} |"
            for e in examples()
            if "/" in e.file
        ),
        envelopes="\n".join(f"| [{e.file}]({e.file}) | `{e.sender}` | {e.says} |" for e in envelopes()),
        a=network.PCSW_A,
    )


_PAGE = r"""# Messages to send

Made by `python -m deploy.demo.examples` for the default population (seed 2026); every person, enterprise number and
deliberation is synthetic. With `./crossroads up` in one terminal, in another:

```sh
./crossroads send docs/examples/RetrieveTIGroups.xml --as {a}
```

prints the answer, and ends with exit status 0: DATA_FOUND. The same ticket is the same exchange: a message that is
changed, or judged anew after a right was given, is sent with `--new-ticket`.

## Each service

| message | `--as` | shows |
|---|---|---|
{found}

## The older envelope

SSDNRequests, as clients in the field still send them (`docs/ssdn.md`). Exit status 0: the SSDNReply says `ok="YES"`.
`--new-ticket` gives them a new `Reference`.

| message | `--as` | shows |
|---|---|---|
{envelopes}

## Each code

Exit status 1: an answer, and another than DATA_FOUND.

| code | message | `--as` | why |
|---|---|---|---|
{codes}

These take more than a message:

- CRB00001, too large:
  `(cat docs/examples/Pension.xml; head -c 1100000 /dev/zero | tr '\0' ' ') | ./crossroads send - --as {a}`
- CRB00005, not in the register: load the register (`./crossroads repertory load` of a copy of
  `deploy/network/institutions.toml`, under the same name) without `70-3`, then send anything `--as 70-3`.
- MSG00003, a failure: `./crossroads up --without 1-0`, then
  `./crossroads simulate OccupationalAccident --as 1-0 --answers DIR` with a file that breaks the schema, then
  `OccupationalAccident.xml`.
- CRB00010, the supplier is silent: `./crossroads up --without 1-0`, then `OccupationalAccident.xml`.
- CRB00021, paused: `./crossroads pause Pension`, then `Pension.xml`; `./crossroads resume Pension` ends it.
- CRB00022, maintenance: `./crossroads maintenance on --until 5m`, then anything; `off` ends it.
- HAN20200, one of several is silent: `./crossroads up --without 16-0`, then `SocialInquiry.xml`.

CRB00011 to CRB00014 (a late or invalid answer, one of another sender, a busy hub) need a supplier or a load that the
reference network does not have; `tests/hub` has them.

## A service of your own

[own-service/](own-service) is a service that does not ship: a folder `FreePass/` (`service.toml` and its XSD), one
authorisation, one file of answers, one request. With `CROSSROADS_SERVICES=$PWD/services ./crossroads up` in one
terminal (the folder `services` may be empty), in another:

```sh
cp -r docs/examples/own-service/FreePass services/                  # served from now on; nothing is restarted
./crossroads repertory load docs/examples/own-service/free-pass.toml
./crossroads simulate FreePass --as 64-0 --answers docs/examples/own-service/answers &
./crossroads send docs/examples/own-service/FreePass.xml --as {a}
```
"""


def main() -> None:
    """Write the folder anew; the service of one's own, its authorisation and its answer stay as somebody wrote them."""
    for folder in (CODES, SSDN):
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
        (FOLDER / folder).mkdir(parents=True)
    for file in FOLDER.glob("*.xml"):
        file.unlink()
    for example in (*examples(), *envelopes()):
        (FOLDER / example.file).write_bytes(example.body)
    own = own_example()
    (FOLDER / own.file).write_bytes(own.body)
    [answer] = (OWN_SERVICE / "answers").glob("*.xml")
    answer.rename(answer.with_name(f"{PERSON_WITH_A_PASS.digits}.xml"))
    (FOLDER / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
