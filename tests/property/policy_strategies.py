"""Random policies, questions and entities for the property tests of room `policy`.

Small vocabularies on purpose: few instants, parties, names and areas, so that they meet often.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from hansa.kernel import HansaError
from hansa.policy import PROFILE_IRI, CompiledPolicy, Cut, Usage, compile_policy

HANSA = PROFILE_IRI + "#"
DATASET = "urn:uuid:dataset"
PARTIES = ("did:web:a", "did:web:b")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 4
TICK = timedelta(microseconds=1)
SQUARES = {
    "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))": (0, 2),
    "POLYGON ((1 1, 3 1, 3 3, 1 3, 1 1))": (1, 3),
    "POLYGON ((5 5, 6 5, 6 6, 5 6, 5 5))": (5, 6),
}
ORDERED = ("lt", "lteq", "gt", "gteq")

moments = st.integers(0, DAYS).map(lambda day: EPOCH + timedelta(days=day))
near_moments = st.builds(lambda at, ticks: at + ticks * TICK, moments, st.integers(-1, 1))
words = st.sampled_from((["x"], ["y"], ["x", "z"]))


def compiled(odrl: dict[str, Any], selection: Cut) -> CompiledPolicy:
    """Compile; a policy beyond a bound is passed over."""
    try:
        return compile_policy(odrl, target=DATASET, selection=selection)
    except HansaError as error:
        assume("more than" not in error.detail)
        raise


def atom(left: str, operators: tuple[str, ...], right: st.SearchStrategy[Any]) -> Any:
    """Write constraints with one left operand."""
    return st.builds(
        lambda operator, value: {
            "leftOperand": left,
            "operator": operator,
            "rightOperand": value,
        },
        st.sampled_from(operators),
        right,
    )


def logic(kinds: tuple[str, ...], inner: st.SearchStrategy[Any]) -> Any:
    """Write a logical constraint over others."""
    return st.builds(
        lambda kind, parts: {kind: parts},
        st.sampled_from(kinds),
        st.lists(inner, min_size=1, max_size=3),
    )


_instants = moments.map(lambda at: at.isoformat())
conditions = st.one_of(
    atom("odrl:dateTime", (*ORDERED, "eq", "neq"), _instants),
    atom("odrl:purpose", ("isAnyOf", "isNoneOf"), words),
    atom("odrl:recipient", ("isAnyOf",), st.just(list(PARTIES[:1]))),
    atom(HANSA + "role", ("isAnyOf",), words),
)
counts = atom("odrl:count", ("lteq", "lt"), st.integers(1, 4).map(str))
data_terms = st.one_of(
    atom(HANSA + "observationTime", (*ORDERED, "eq"), _instants),
    atom(HANSA + "area", ("isPartOf",), st.sampled_from(sorted(SQUARES))),
    atom(HANSA + "attribute", ("isAnyOf",), words),
    atom(HANSA + "entityType", ("isAnyOf",), words),
    atom(HANSA + "dataAge", ORDERED, st.sampled_from(("P1D", "P2D"))),
)
constraints = st.one_of(
    conditions,
    data_terms,
    logic(("and", "or", "xone", "andSequence"), conditions),
    logic(("and", "or"), st.one_of(conditions, data_terms)),
    logic(("and", "or"), logic(("and", "or"), st.one_of(conditions, data_terms))),
)
counted = st.one_of(counts, logic(("and", "or"), st.one_of(counts, conditions, data_terms)))
permissions = st.fixed_dictionaries(
    {
        "action": st.sampled_from(("use", "read", "sell", ["read", "sell"])),
        "constraint": st.lists(st.one_of(constraints, constraints, counted), max_size=3),
    },
    optional={"assignee": st.sampled_from(PARTIES)},
)
prohibitions = st.fixed_dictionaries(
    {
        "action": st.sampled_from(("use", "read")),
        "constraint": st.lists(constraints, min_size=1, max_size=2),
    }
)
policies = st.fixed_dictionaries(
    {
        "@type": st.sampled_from(("Set",) * 9 + ("Offer",)),
        "permission": st.lists(permissions, min_size=1, max_size=3),
        "prohibition": st.lists(prohibitions, max_size=2),
        "conflict": st.sampled_from(("perm", "prohibit", "invalid")),
    }
)
usages = st.builds(
    Usage,
    action=st.sampled_from(("use", "read", "read", "sell")),
    target=st.sampled_from((DATASET,) * 9 + ("urn:uuid:other",)),
    assignee=st.sampled_from(PARTIES),
    now=near_moments,
    purpose=st.sampled_from((None, "x", "y")),
    member=st.sampled_from((True,) * 9 + (False,)),
    roles=st.frozensets(st.sampled_from(("x", "y"))),
    count=st.one_of(st.none(), st.integers(1, 5)),
)
selections = st.sampled_from(
    (
        Cut(),
        Cut(types=frozenset({"https://uri.etsi.org/ngsi-ld/default-context/x"})),
        Cut(id_prefix="urn:x:1"),
    )
)


def _entity(
    number: int, kind: str, place: list[float] | None, history: dict[str, list[datetime | None]]
) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": place}
    return {
        "id": f"urn:x:{number}",
        "type": kind,
        **({"location": {"type": "GeoProperty", "value": point}} if place else {}),
        **{
            name: [
                {"type": "Property", "value": 1, **({"observedAt": at.isoformat()} if at else {})}
                for at in times
            ]
            for name, times in history.items()
        },
    }


entities = st.builds(
    _entity,
    st.integers(1, 3),
    st.sampled_from(("x", "y")),
    st.sampled_from((None, [0.5, 0.5], [1.5, 1.5], [2.0, 1.0], [2.5, 2.5], [5.5, 5.5])),
    st.dictionaries(
        st.sampled_from(("x", "y", "z")),
        st.lists(st.one_of(st.none(), near_moments), min_size=1, max_size=3),
        max_size=3,
    ),
)
