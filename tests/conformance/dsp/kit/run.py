"""Run the official Dataspace Protocol kit against this Hansa: `make conformance-dsp`.

Starts a node with the test profile, seeds it and runs all tests of the kit; then the tests of
metadata and catalogue against three of a hundred participants of one node. Writes
`build/conformance/dsp.json`. Exit status 0 only when exactly `PASSED` passed, the kit skipped
exactly `SKIPPED`, nothing failed, and all of the three passed; 3 when no JDK or Maven is here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests import jars
from tests.conformance.dsp.kit import parts
from tests.conformance.profile import Profile
from tests.ports import free_ports

import hansa
from hansa.catalogue import DatasetDraft, OfferDraft
from hansa.exchange import Role
from hansa.kernel.telemetry import configure_logging

HERE = Path(__file__).parent
REPORT = Path("build/conformance/dsp.json")
KIT = "org.eclipse.dataspacetck.dsp"
VERSION = "1.0.0-RC6"
COUNTERPARTY = "TCK_PARTICIPANT"
PASSED = 65
SKIPPED = frozenset({"TP:02-04", "TP_C:02-04"})
PARTICIPANTS = 100
THREE = ("city", "city-50", f"city-{PARTICIPANTS - 1}")
PUBLIC = "MET,CAT"
PUBLIC_PASSED = 4
_AUTHORIZATION = "Bearer kit"
_WAIT_S = 60
_PATIENCE_S = 900


class Result(msgspec.Struct, frozen=True):
    """What the kit says about one of its tests."""

    result: str
    id: str
    title: str
    ms: int
    reason: str


def seed(profile: Profile) -> None:
    """Publish, import agreements and set scripts, as an operator would."""
    names = ["cat-01-01", "cat-01-02"]
    names += [parts.name_of(test) for test in parts.PROVIDER_NEGOTIATIONS]
    profile.call(profile.participant.catalogue.publish_all([_draft(name) for name in names]))
    exchange = profile.participant.exchange
    for role, tests in (
        (Role.provider, parts.PROVIDER_TRANSFERS),
        (Role.consumer, parts.CONSUMER_TRANSFERS),
    ):
        ours, theirs = profile.did, COUNTERPARTY
        assigner, assignee = (ours, theirs) if role is Role.provider else (theirs, ours)
        for test in tests:
            policy = {
                "@id": parts.name_of(test),
                "@type": "Agreement",
                "assigner": assigner,
                "assignee": assignee,
                "target": names[0],
                "timestamp": "2026-01-01T00:00:00Z",
                **parts.USE,
            }
            profile.call(
                exchange.import_agreement(
                    policy, role=role, counterparty=theirs, dataset_id=names[0]
                )
            )
    for tests in (
        parts.PROVIDER_NEGOTIATIONS,
        parts.CONSUMER_NEGOTIATIONS,
        parts.PROVIDER_TRANSFERS,
        parts.CONSUMER_TRANSFERS,
    ):
        for test in tests:
            script = parts.script_of(test)
            profile.call(profile.participant.deciding.put_script(parts.name_of(test), script))


def _draft(name: str) -> DatasetDraft:
    offer = OfferDraft(id=f"offer:{name}", odrl=parts.USE)
    return DatasetDraft(id=name, name=name.lower(), title=name, offers=(offer,))


def triggers(profile: Profile) -> dict[str, str]:
    """Serve what the kit calls to make us begin; give the two URLs by the kit's names."""

    async def negotiate(request: Request) -> Response:
        asked = await request.json()
        begun = await profile.participant.exchange.negotiate(
            asked["providerId"],
            asked["datasetId"],
            {"@id": asked["offerId"], **parts.USE},
            callback=asked["connectorAddress"],
        )
        return JSONResponse({"id": begun.id})

    async def transfer(request: Request) -> Response:
        asked = await request.json()
        begun = await profile.participant.exchange.request_transfer(
            asked["agreementId"], asked["format"], callback=asked["connectorAddress"]
        )
        return JSONResponse({"id": begun.id})

    return {
        "negotiation.initiate.url": profile.shim("negotiations", negotiate),
        "transfer.initiate.url": profile.shim("transfers", transfer),
    }


def settings(profile: Profile) -> dict[str, str]:
    """Give the kit's settings for a running profile."""
    port = free_ports(1)[0]
    connector = {
        "agent.id": profile.did,
        "http.url": profile.dsp_url,
        "http.base.url": f"{profile.url}/{profile.participant.id}",
        "http.headers.authorization": _AUTHORIZATION,
        **triggers(profile),
    }
    return {
        "dataspacetck.launcher": "org.eclipse.dataspacetck.dsp.system.DspSystemLauncher",
        "dataspacetck.dsp.local.connector": "false",
        "dataspacetck.dsp.default.wait": str(_WAIT_S),
        "dataspacetck.callback.address": f"http://localhost:{port}",
        "dataspacetck.port": str(port),
        **{f"dataspacetck.dsp.connector.{name}": value for name, value in connector.items()},
        **parts.settings(),
    }


def play(only: str = "", log: Path | None = None) -> list[Result]:
    """Run the kit, all of it or the ids that begin with one of `only`, and give its results."""
    with Profile(callers={_AUTHORIZATION: COUNTERPARTY}) as profile:
        seed(profile)
        return _run(profile, only, log)


def play_three() -> dict[str, list[Result]]:
    """Run the tests of metadata and catalogue against three of a hundred in one node."""
    found: dict[str, list[Result]] = {}
    with Profile(callers={_AUTHORIZATION: COUNTERPARTY}, others=PARTICIPANTS - 1) as profile:
        for name in THREE:
            profile.acting = name
            drafts = [_draft("cat-01-01"), _draft("cat-01-02")]
            profile.call(profile.participant.catalogue.publish_all(drafts))
            found[name] = _run(profile, PUBLIC, None)
    return found


def _run(profile: Profile, only: str, log: Path | None) -> list[Result]:
    libraries = jars.resolve(HERE / "pom.xml")
    with tempfile.TemporaryDirectory(prefix="hansa-kit-") as made:
        folder = Path(made)
        given = folder / "kit.properties"
        given.write_text("".join(f"{k}={v}\n" for k, v in settings(profile).items()))
        lines = folder / "results.tsv"
        process = jars.start(
            ["-cp", f"{libraries}/*", str(HERE / "Kit.java"), str(given), str(lines)]
            + ([only] if only else []),
            log or folder / "kit.log",
        )
        try:
            process.wait(_PATIENCE_S)
        finally:
            jars.stop(process)
        return [read(line) for line in lines.read_text().splitlines()]


def read(line: str) -> Result:
    """Read one line of the launcher: result, id with title, milliseconds, reason."""
    result, name, ms, reason = line.split("\t", 3)
    test, _, title = name.partition(" ")
    return Result(result, test.rstrip(":"), title.strip(), int(ms), reason)


def verdict(results: list[Result]) -> str:
    """Say what is wrong with a whole run; empty when nothing is."""
    counts = Counter(each.result for each in results)
    skipped = {each.id for each in results if each.result == "skipped"}
    if counts["failed"]:
        return f"{counts['failed']} failed"
    if counts["passed"] != PASSED:
        return f"{counts['passed']} passed, not {PASSED}"
    if skipped != SKIPPED or counts["skipped"] != len(SKIPPED):
        return f"skipped are {sorted(skipped)}, not {sorted(SKIPPED)}"
    return ""


def verdict_of_three(found: dict[str, list[Result]]) -> str:
    """Say what is wrong with the runs against three participants; empty when nothing is."""
    for name, results in found.items():
        passed = [each.id for each in results if each.result == "passed"]
        if len(passed) != PUBLIC_PASSED or len(results) != PUBLIC_PASSED:
            return f"{name}: {len(passed)} of {len(results)} passed, not {PUBLIC_PASSED}"
    return "" if tuple(found) == THREE else f"{len(found)} participants, not {len(THREE)}"


def main() -> int:
    """Run, report, and give the exit status."""
    given = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    given.add_argument("--only", default="", help="ids that begin like this, divided by commas")
    given.add_argument("--log", type=Path, help="keep what the kit prints")
    options = given.parse_args()
    begun = time.monotonic()
    configure_logging("error")
    try:
        results = play(options.only, options.log)
        three = {} if options.only else play_three()
    except (jars.JavaUnavailableError, subprocess.TimeoutExpired) as error:
        print(f"the kit can't run: {error}", file=sys.stderr)
        return 3
    for each in (*results, *(item for items in three.values() for item in items)):
        if each.result == "failed":
            print(f"failed {each.id} ({each.ms} ms): {each.reason[:600]}")
    counts = Counter(each.result for each in results)
    seconds = round(time.monotonic() - begun, 1)
    print(
        f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped by the"
        f" kit, of {len(results)}, in {seconds} s"
    )
    if options.only:
        return 1 if counts["failed"] else 0
    wrong = verdict(results) or verdict_of_three(three)
    print(
        f"metadata and catalogue of {', '.join(three)} (of {PARTICIPANTS} in one node): "
        f"{sum(len(items) for items in three.values())} run"
    )
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "suite": KIT,
        "version": VERSION,
        "hansa": hansa.__version__,
        "seconds": seconds,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "skipped": counts["skipped"],
        "skipped_by_the_kit": sorted(SKIPPED),
        "exceptions": [],
        "tests": [msgspec.to_builtins(each) for each in results],
        "three_of_a_hundred": {
            name: [msgspec.to_builtins(each) for each in items] for name, items in three.items()
        },
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{wrong or 'as it should be'}: {REPORT}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
