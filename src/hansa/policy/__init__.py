"""ODRL policies: compile, decide, explain. One decision yields one immutable scope."""

from hansa.policy.compiler import CompiledPolicy, compile_policy
from hansa.policy.interpreter import evaluate
from hansa.policy.model import Area, Cut, Decision, Reason, Scope, Usage, Window
from hansa.policy.vocabulary import PROFILE_IRI

__all__ = [
    "PROFILE_IRI",
    "Area",
    "CompiledPolicy",
    "Cut",
    "Decision",
    "Reason",
    "Scope",
    "Usage",
    "Window",
    "compile_policy",
    "evaluate",
]
