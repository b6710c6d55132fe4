"""What changed between two schemas, and whom it hits: for an operator or a payroll team to read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.declarations.form import Form, Release
from schemas.difference import Change, differences
from schemas.grammar import Grammar


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """Who sends the messages of a form to whom, in words."""

    form: str
    sender: str
    receiver: str

    @classmethod
    def of(cls, form: Form) -> "Flow":
        return cls(form.name, form.sender, form.receiver)

    def __str__(self) -> str:
        return f"{self.form}: {self.sender} -> {self.receiver}"


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """The changes from one schema to another."""

    old: str
    new: str
    changes: tuple[Change, ...]
    #: for each change, the flows it hits
    flows: tuple[tuple[Flow, ...], ...]

    @property
    def hit(self) -> tuple[Flow, ...]:
        """All flows that anything hits."""
        return tuple(sorted({flow for flows in self.flows for flow in flows}))

    @property
    def rows(self) -> list[dict[str, object]]:
        """As JSON tells it: `{change, path, zone, old, new, flows}`."""
        return [
            {
                "change": change.change,
                "path": change.path,
                "zone": change.zone,
                "old": change.old,
                "new": change.new,
                "flows": [{"form": f.form, "sender": f.sender, "receiver": f.receiver} for f in flows],
            }
            for change, flows in zip(self.changes, self.flows, strict=True)
        ]

    @property
    def lines(self) -> list[str]:
        """As text; none where nothing changed."""
        return [*map(str, self.changes), *(f"hits {flow}" for flow in self.hit)]


def between_releases(old: Release, new: Release, forms: Iterable[Form]) -> ReleaseNotes:
    """Of two releases of one form or of two. Raises `GrammarError`."""
    changes = differences(old.grammar, new.grammar, (old.root, new.root) if old.form == new.form else None)
    flows = tuple(Flow.of(form) for form in forms if form.name in (old.form, new.form))
    return ReleaseNotes(old.label, new.label, changes, tuple(flows for _ in changes))


def between_schemas(
    names: tuple[str, str], old: Grammar, new: Grammar, forms: Sequence[Form], others: Sequence[tuple[str, Flow]] = ()
) -> ReleaseNotes:
    """Of any two schemas. The flows hit are those of the forms that have a changed message's root element, and of
    `others`, pairs of a root element and a flow."""
    roots = [(release.root, Flow.of(form)) for form in forms for release in form.releases]
    of_root: dict[str, set[Flow]] = {}
    for root, flow in (*roots, *others):
        if root in (*old.roots, *new.roots):
            of_root.setdefault(root.rpartition("}")[2], set()).add(flow)
    changes = differences(old, new)
    flows = (tuple(sorted(of_root.get(change.path.split("/")[1], ()))) for change in changes)
    return ReleaseNotes(*names, changes, tuple(flows))
