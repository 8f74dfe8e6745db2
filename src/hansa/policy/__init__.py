"""ODRL policies: compile, decide, explain. One decision yields one immutable scope."""

from hansa.policy.compiler import CompiledPolicy, compile_policy, count_limit
from hansa.policy.errors import only_as_a_whole
from hansa.policy.explain import AttributeInfo, PlainTerms, explain
from hansa.policy.interpreter import evaluate
from hansa.policy.model import Area, Cut, Decision, Reason, Scope, Usage, Window
from hansa.policy.oracle import filter_copy
from hansa.policy.profile import profile_document
from hansa.policy.report import COUNT_EXHAUSTED
from hansa.policy.templates import (
    TEMPLATES,
    Filled,
    Parameter,
    Template,
    offer_from_template,
    read_template,
)
from hansa.policy.validation import Phase, validate_policy
from hansa.policy.vocabulary import PROFILE_IRI
from hansa.policy.wire_dsp_2025_1 import merge_offer_into_agreement

__all__ = [
    "COUNT_EXHAUSTED",
    "PROFILE_IRI",
    "TEMPLATES",
    "Area",
    "AttributeInfo",
    "CompiledPolicy",
    "Cut",
    "Decision",
    "Filled",
    "Parameter",
    "Phase",
    "PlainTerms",
    "Reason",
    "Scope",
    "Template",
    "Usage",
    "Window",
    "compile_policy",
    "count_limit",
    "evaluate",
    "explain",
    "filter_copy",
    "merge_offer_into_agreement",
    "offer_from_template",
    "only_as_a_whole",
    "profile_document",
    "read_template",
    "validate_policy",
]
