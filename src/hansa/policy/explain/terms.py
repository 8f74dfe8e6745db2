"""Put a policy into words: one summary, sentences, and the slip's fields.

Reads leniently, because a foreign offer must be shown even when it holds terms that this node
can't enforce; those are named as such. Deciding is another matter and is strict.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.policy.explain import clauses, sentences, slip
from hansa.policy.explain.model import AttributeInfo, PlainTerms
from hansa.policy.explain.summary import summary
from hansa.policy.explain.view import view_of
from hansa.policy.operands import NameExpander
from hansa.policy.wire_odrl_2_2 import read_policy
from hansa.policy.words import _

_NOT_SHOWN = ("@id", "uid", "timestamp")
"""Texts that no sentence shows. What is no text there is a fault, and a sentence says so."""
_KEPT_MAX = 256
_KEY_BYTES_MAX = 16 * 1024
_KEPT: OrderedDict[bytes, PlainTerms] = OrderedDict()
"""What was explained lately: one negotiation shows the same terms a dozen times."""


def explain(
    odrl: Mapping[str, Any],
    *,
    attributes: Sequence[AttributeInfo] = (),
    names: Mapping[str, str] | None = None,
    zone: tzinfo = UTC,
    expand: NameExpander = expand_ngsi_ld_name,
) -> PlainTerms:
    """Give the terms of an Offer or Agreement in plain words.

    `attributes` are those of the dataset, so that the withheld ones can be named; `names` gives
    titles for DIDs and dataset ids; times are written in `zone`, with the zone. HansaError
    `policy_invalid` only when `odrl` is no policy at all.
    """
    key = _key(odrl, attributes, names or {}, zone) if expand is expand_ngsi_ld_name else None
    if key is not None and key in _KEPT:
        _KEPT.move_to_end(key)
        return _KEPT[key]
    plain = _explained(odrl, attributes, names or {}, zone, expand)
    if key is not None:
        _KEPT[key] = plain
        if len(_KEPT) > _KEPT_MAX:
            _KEPT.popitem(last=False)
    return plain


def _key(
    odrl: Mapping[str, Any],
    attributes: Sequence[AttributeInfo],
    names: Mapping[str, str],
    zone: tzinfo,
) -> bytes | None:
    """Give what the words depend on; None when it is too long to be kept."""
    if not isinstance(odrl, Mapping):
        return None  # what it is instead is refused where it is read
    terms = {
        name: value
        for name, value in odrl.items()
        if name not in _NOT_SHOWN or not isinstance(value, str)
    }
    try:
        key = msgspec.json.encode((terms, list(attributes), names, str(zone)))
    except (TypeError, ValueError, RecursionError):
        return None
    return key if len(key) <= _KEY_BYTES_MAX else None


def _explained(
    odrl: Mapping[str, Any],
    attributes: Sequence[AttributeInfo],
    names: Mapping[str, str],
    zone: tzinfo,
    expand: NameExpander,
) -> PlainTerms:
    titles = {info.name: info.title for info in attributes}
    policy = read_policy(odrl, expand=expand, lenient=True)
    view = view_of(policy, zone, names, titles)
    shown = slip.attributes(view, attributes, expand)
    who = view.name(view.policy.assigner) if view.policy.assigner else _("the provider")
    what = view.name(view.policy.target) if view.policy.target else _("this dataset")
    whom = slip.whom(view)
    conditions = [node for _rule, part in view.permits for node in part.conditions]
    return PlainTerms(
        summary=summary(view, what, whom, shown),
        sentences=tuple(sentences.sentences(view, who, what, whom, shown)),
        who=who,
        what=what,
        whom=whom,
        where=slip.where(view),
        when=slip.when(view),
        purpose=clauses.purpose_text(conditions),
        attributes=shown,
        limits=tuple(sentences.limits(view)),
        until=slip.until(view),
    )
