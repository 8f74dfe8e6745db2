"""The templates themselves. Texts are marked for translation, and translated where shown."""

from __future__ import annotations

import msgspec

from hansa.kernel import Code, HansaError
from hansa.policy.templates.model import Parameter, Template
from hansa.policy.words import _

PURPOSE = Parameter(
    name="purpose",
    title=_("Purpose"),
    kind="text",
    required=True,
    help=_("What the data may be used for, in a word or two; several separated by commas."),
)
AREA = Parameter(
    name="area",
    title=_("Area"),
    kind="area",
    required=True,
    help=_("Draw it on the map, or write a polygon in WKT with longitude before latitude."),
)
PERIOD = Parameter(
    name="period",
    title=_("Observed in the period"),
    kind="period",
    required=True,
    help=_("First and last day, both included, or exact instants. One side may stay open."),
)
ATTRIBUTES = Parameter(
    name="attributes",
    title=_("Attributes"),
    kind="attributes",
    required=True,
    help=_("The attributes that may be seen. Name `location` too if places may be seen."),
)
MAX_AGE = Parameter(
    name="max_age",
    title=_("Not older than"),
    kind="duration",
    required=True,
    help=_("As an ISO 8601 duration: P7D is seven days, PT1H one hour, P1Y a year."),
)
MIN_AGE = Parameter(
    name="min_age",
    title=_("Not younger than"),
    kind="duration",
    required=True,
    help=_("As an ISO 8601 duration: PT15M is fifteen minutes, P1D one day."),
)
UNTIL = Parameter(
    name="until",
    title=_("Use ends on"),
    kind="date",
    required=True,
    help=_("The last day of use, or the exact instant at which use ends."),
)
COUNT = Parameter(
    name="count",
    title=_("Number of requests"),
    kind="number",
    required=True,
    help=_("How many requests may be answered in all under one contract: a whole number."),
)
TIME_ZONE = Parameter(
    name="time_zone",
    title=_("Time zone of the days"),
    kind="text",
    required=False,
    help=_("Where the days begin, such as Europe/Amsterdam. UTC when left out."),
)


def _optional(parameter: Parameter) -> Parameter:
    return msgspec.structs.replace(parameter, required=False)


TEMPLATES: tuple[Template, ...] = (
    Template(
        id="members",
        title=_("Open to members"),
        sentence=_("Every member of the data space may use all of it."),
        parameters=(),
        allows=(_("A city that is a member reads every value, old and new."),),
        denies=(_("A company that is not a member, or is suspended, gets nothing."),),
    ),
    Template(
        id="purpose",
        title=_("Members, for a purpose"),
        sentence=_("Members may use all of it for the purpose that you name."),
        parameters=(PURPOSE,),
        allows=(_("A member that declares the purpose reads every value."),),
        denies=(_("A member that declares another purpose, or none, gets nothing."),),
    ),
    Template(
        id="area",
        title=_("Only an area"),
        sentence=_("Members may use what lies in the area that you draw."),
        parameters=(AREA,),
        allows=(_("A building inside the area, or touching its edge from inside, is visible."),),
        denies=(
            _("A building across the edge is not visible, not even in a count."),
            _("What has no place is not visible."),
        ),
    ),
    Template(
        id="period",
        title=_("Only a period"),
        sentence=_("Members may use what was observed in the period that you set."),
        parameters=(PERIOD, TIME_ZONE),
        allows=(
            _("A value observed in the first second of the period is visible."),
            _("Facts without an observation time, such as an address, stay visible."),
        ),
        denies=(_("A value observed after the period is not visible."),),
    ),
    Template(
        id="attributes",
        title=_("Only some attributes"),
        sentence=_("Members may use the attributes that you name, and no others."),
        parameters=(ATTRIBUTES,),
        allows=(_("The named attributes of every thing are visible, with their history."),),
        denies=(_("All other attributes do not exist for the member, not even in a filter."),),
    ),
    Template(
        id="recent",
        title=_("Only recent data"),
        sentence=_("Members may use what was observed lately, no older than you set."),
        parameters=(MAX_AGE,),
        allows=(_("With seven days, a value of this morning is visible."),),
        denies=(_("With seven days, a value of last month is not visible."),),
    ),
    Template(
        id="delayed",
        title=_("No live data"),
        sentence=_("Members may use values once they have reached the age that you set."),
        parameters=(MIN_AGE,),
        allows=(_("With one day, yesterday's values of this hour are visible."),),
        denies=(_("With one day, a value of this morning is not visible yet."),),
    ),
    Template(
        id="until",
        title=_("Until an end date"),
        sentence=_("Members may use all of it until the day that you set."),
        parameters=(UNTIL, TIME_ZONE),
        allows=(_("A request on the last day is answered."),),
        denies=(_("The first request after the last day is refused."),),
    ),
    Template(
        id="count",
        title=_("A number of requests"),
        sentence=_("Members may use all of it, but only as many times as you set."),
        parameters=(COUNT,),
        allows=(_("With a hundred, the hundredth request is answered in full."),),
        denies=(_("With a hundred, the next request is refused, whoever makes it."),),
    ),
    Template(
        id="tailored",
        title=_("Tailored"),
        sentence=_(
            "Members may use part of it: an area, a period, some attributes, until a day, "
            "a number of times. "
            "Fill in what you want to limit."
        ),
        parameters=(
            *(_optional(AREA), _optional(PERIOD), _optional(ATTRIBUTES), _optional(UNTIL)),
            *(_optional(PURPOSE), _optional(MAX_AGE), _optional(MIN_AGE), _optional(COUNT)),
            TIME_ZONE,
        ),
        allows=(_("What meets every limit at once is visible."),),
        denies=(_("What fails one limit is not visible; after the last day nothing is."),),
        any_of=True,
    ),
)


def template_of(template_id: str) -> Template:
    """Give a template by id; HansaError `invalid_field` with the ids that exist."""
    for template in TEMPLATES:
        if template.id == template_id:
            return template
    known = ", ".join(template.id for template in TEMPLATES)
    raise HansaError(
        Code.invalid_field,
        "There is no such template.",
        f"Choose one of: {known}.",
        field="template",
        next=f"Choose one of: {known}.",
    )
