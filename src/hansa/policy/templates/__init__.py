"""Terms in plain language: choose a template, fill a form, get an ODRL Offer, and back."""

from hansa.policy.templates.catalogue import TEMPLATES, template_of
from hansa.policy.templates.form import Filled, read_template
from hansa.policy.templates.model import Parameter, Template
from hansa.policy.templates.offer import offer_from_template

__all__ = [
    "TEMPLATES",
    "Filled",
    "Parameter",
    "Template",
    "offer_from_template",
    "read_template",
    "template_of",
]
