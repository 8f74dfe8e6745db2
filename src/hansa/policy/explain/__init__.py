"""The plain-language view of a policy: the contract slip's content and its sentences."""

from hansa.policy.explain.model import AttributeInfo, PlainTerms, Shown, When, Where
from hansa.policy.explain.terms import explain

__all__ = ["AttributeInfo", "PlainTerms", "Shown", "When", "Where", "explain"]
