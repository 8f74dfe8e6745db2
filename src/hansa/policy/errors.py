"""How a policy is refused: always with the path of the member at fault and the next step."""

from __future__ import annotations

from collections.abc import Iterable

from hansa.kernel import Code, HansaError

_SHOWN_CHARS_MAX = 120


def shorten(text: str) -> str:
    """Give the text, cut when it is long: a message never repeats a whole polygon."""
    return text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"


def unsupported(
    path: str, term: str, why: str, *, supported: Iterable[str] = (), next_step: str = ""
) -> HansaError:
    """Refuse a term that is well-formed but that Hansa can't enforce (`policy_unsupported`)."""
    term = shorten(term)
    offered = list(supported)
    advice = next_step or (f"Use one of: {', '.join(offered)}." if offered else "Leave it out.")
    return HansaError(
        Code.policy_unsupported,
        f"`{term}` at {path or 'the policy'} can't be enforced.",
        f"{why} {advice}",
        path=path,
        field=path,
        term=term,
        supported=offered,
        next=advice,
    )


def invalid(path: str, why: str, next_step: str) -> HansaError:
    """Refuse what is not ODRL at all, or contradicts itself (`policy_invalid`)."""
    return HansaError(
        Code.policy_invalid,
        f"The policy is wrong at {path or 'its root'}.",
        f"{why} {next_step}",
        path=path,
        field=path,
        next=next_step,
    )


def too_large(path: str, what: str, bound: int) -> HansaError:
    """Refuse what passes a bound (`policy_invalid`, 422), naming the bound."""
    return invalid(path, f"There are more than {bound:,} {what}.", f"Use at most {bound:,}.")


def only_as_a_whole(path: str) -> HansaError:
    """Refuse terms that cut data for bytes, which nobody can filter (`policy_unsupported`)."""
    return unsupported(
        path,
        "a term that cuts the data",
        "These data are bytes: they are given as a whole or not at all.",
        next_step="Leave the term out; members, purpose, roles and an end can be agreed.",
    )


def conflicting(path: str) -> HansaError:
    """Refuse a policy that forbids what it permits (`policy_conflict`), ODRL 2.2 IM 2.10."""
    next_step = "Narrow the prohibition, or set `conflict` to `prohibit` or `perm`."
    return HansaError(
        Code.policy_conflict,
        "The policy always forbids what it permits.",
        f"{path} holds whenever a permission does, which makes the whole policy void. {next_step}",
        path=path,
        field=path,
        next=next_step,
    )
