"""What our side plays in each test of the kit: one script per dataset or agreement.

A script is an ordinary feature of Hansa ("rehearse a counterparty"). Where a test needs nothing but
what a participant does by itself, its list is empty. Every move waits half a second: the kit
listens for a message only after it has noted the answer to its own and looked at the state once.
"""

from __future__ import annotations

from typing import Any

Step = dict[str, Any]
PAUSE_S = 0.5
_OUR_MOVES = ("REQUESTED", "ACCEPTED", "VERIFIED", "AGREED")
USE: dict[str, Any] = {"permission": [{"action": "use"}]}

PROVIDER_NEGOTIATIONS: dict[str, list[Step]] = {}
CONSUMER_NEGOTIATIONS: dict[str, list[Step]] = {}
PROVIDER_TRANSFERS: dict[str, list[Step]] = {}
CONSUMER_TRANSFERS: dict[str, list[Step]] = {}


def _on(state: str, do: str) -> Step:
    step: Step = {"on": state, "do": do, "after_s": PAUSE_S}
    if do == "refuse":
        step |= {"code": "rehearsal", "reason": "The script ends it here."}
    if do in ("offer", "request"):
        step["terms"] = {"@id": "offer:rehearsal", **USE}
    return step


_OFFER = _on("REQUESTED", "offer")
_ACCEPT = _on("OFFERED", "accept")
_START = _on("REQUESTED", "start")

PROVIDER_NEGOTIATIONS |= {
    "CN:01-01": [_OFFER],
    "CN:01-02": [_OFFER, _on("REQUESTED", "refuse")],
    "CN:01-03": [_OFFER],
    "CN:01-04": [],
    "CN:02-01": [_on("REQUESTED", "refuse")],
    "CN:02-02": [_on("REQUESTED", "wait")],
    "CN:02-03": [],
    "CN:02-04": [_OFFER],
    "CN:02-05": [_OFFER, _on("OFFERED", "refuse")],
    "CN:02-06": [_OFFER, _on("ACCEPTED", "refuse")],
    "CN:02-07": [_on("VERIFIED", "refuse")],
    "CN:03-01": [],
    "CN:03-02": [_OFFER],
    "CN:03-03": [_OFFER, _on("ACCEPTED", "wait")],
    "CN:03-04": [_OFFER, _on("REQUESTED", "wait")],
}
CONSUMER_NEGOTIATIONS |= {
    "CN_C:01-01": [_ACCEPT],
    "CN_C:01-02": [_on("OFFERED", "request")],
    "CN_C:01-03": [_on("OFFERED", "refuse")],
    "CN_C:01-04": [],
    "CN_C:02-01": [],
    "CN_C:02-02": [_on("REQUESTED", "refuse")],
    "CN_C:02-03": [_on("AGREED", "refuse")],
    "CN_C:02-04": [],
    "CN_C:02-05": [_ACCEPT],
    "CN_C:02-06": [],
    "CN_C:03-01": [],
    "CN_C:03-02": [],
    "CN_C:03-03": [],
    "CN_C:03-04": [_ACCEPT],
    "CN_C:03-05": [_ACCEPT],
    "CN_C:03-06": [_ACCEPT, _on("AGREED", "wait")],
}
PROVIDER_TRANSFERS |= {
    "TP:01-01": [_START, _on("STARTED", "refuse")],
    "TP:01-02": [_START, _on("STARTED", "complete")],
    "TP:01-03": [
        _START,
        _on("STARTED", "suspend"),
        _on("SUSPENDED", "refuse"),
    ],
    "TP:01-04": [
        _START,
        _on("STARTED", "suspend"),
        _on("SUSPENDED", "resume"),
        _on("STARTED", "complete"),
    ],
    "TP:01-05": [_on("REQUESTED", "refuse")],
    "TP:02-01": [],
    "TP:02-02": [],
    "TP:02-03": [],
    "TP:02-04": [],
    "TP:02-05": [_on("REQUESTED", "wait")],
    "TP:03-01": [_on("REQUESTED", "wait")],
    "TP:03-02": [_on("REQUESTED", "wait")],
    "TP:03-03": [],
    "TP:03-04": [],
    "TP:03-05": [],
    "TP:03-06": [],
}
CONSUMER_TRANSFERS |= {
    "TP_C:01-01": [],
    "TP_C:01-02": [],
    "TP_C:01-03": [],
    "TP_C:01-04": [],
    "TP_C:01-05": [],
    "TP_C:02-01": [_on("STARTED", "refuse")],
    "TP_C:02-02": [_on("STARTED", "complete")],
    "TP_C:02-03": [_on("STARTED", "suspend"), _on("SUSPENDED", "refuse")],
    "TP_C:02-04": [],
    "TP_C:02-05": [_on("REQUESTED", "refuse")],
    "TP_C:03-01": [],
    "TP_C:03-02": [],
    "TP_C:03-03": [],
    "TP_C:03-04": [],
    "TP_C:03-05": [],
    "TP_C:03-06": [],
}


def script_of(test: str) -> list[Step]:
    """Give the script of a test: its own steps, then the usual course, no faster than the kit."""
    tests = PROVIDER_NEGOTIATIONS | CONSUMER_NEGOTIATIONS | PROVIDER_TRANSFERS | CONSUMER_TRANSFERS
    usual = ("REQUESTED",) if test.startswith("TP") else _OUR_MOVES
    return [*tests[test], *(_on(state, "follow") for state in usual)]


def name_of(test: str) -> str:
    """Give the id of the dataset or agreement that a test is played on: `cn-c-01-01`.

    The counter-offer of CN:01-02 names a dataset that the kit has fixed.
    """
    if test == "CN:01-02":
        return "ACN0102"
    return test.lower().replace(":", "-").replace("_", "-")


def settings() -> dict[str, str]:
    """Give the kit's settings that name what each test is played on."""
    found = {"CAT_01_01_DATASETID": "cat-01-01", "CAT_01_02_DATASETID": "cat-01-02"}
    for test in (*PROVIDER_NEGOTIATIONS, *CONSUMER_NEGOTIATIONS):
        found[f"{_key(test)}_DATASETID"] = name_of(test)
    for test in PROVIDER_NEGOTIATIONS:
        found[f"{_key(test)}_OFFERID"] = f"offer:{name_of(test)}"
    for test in (*PROVIDER_TRANSFERS, *CONSUMER_TRANSFERS):
        found[f"{_key(test)}_AGREEMENTID"] = name_of(test)
        found[f"{_key(test)}_FORMAT"] = "HttpData-PULL"
    return found


def _key(test: str) -> str:
    return test.replace(":", "_").replace("-", "_")
