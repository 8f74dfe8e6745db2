"""ODRL policies: compile, decide, explain. One decision yields one immutable scope."""

from hansa.policy.model import Area, Cut, Decision, Reason, Scope, Usage, Window

__all__ = ["Area", "Cut", "Decision", "Reason", "Scope", "Usage", "Window"]
