import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, bundled, curves, type Flow, shorten } from "../src/flow_layout";

const me = { did: "did:a", title: "A", role: "city" };
function flow(from: string, to: string, state = "STARTED"): Flow {
  return {
    transfer_id: `${from}${to}`,
    from: { did: from, title: from },
    to: { did: to, title: to },
    title: "t",
    state,
    items_per_min: 1,
    last_at: null,
  };
}

test("everybody who takes part in a flow has a place on the sheet", () => {
  const flows = [flow("did:a", "did:b"), flow("did:c", "did:a")];
  for (const wide of [320, 800, 1400]) {
    const spots = arrange(me, { did: "did:z" }, flows, wide);
    assert.equal(spots.length, 4);
    for (const spot of spots)
      assert.ok(spot.x > 40 && spot.x < wide - 40 && spot.y > 30, JSON.stringify(spot));
  }
});

test("there and back are two different curves", () => {
  const flows = [flow("did:a", "did:b"), flow("did:b", "did:a", "dspace:TERMINATED")];
  const found = curves(arrange(me, null, flows, 800), flows);
  assert.equal(found.length, 2);
  assert.notEqual(found[0]?.path, found[1]?.path);
  assert.deepEqual(
    found.map((c) => c.tone),
    ["good", "stop"],
  );
});

test("a long name is cut with an ellipsis", () => {
  assert.equal(shorten("abcdef", 4), "abc\u2026");
  assert.equal(shorten("abc", 4), "abc");
});

test("many transfers between two towns are drawn as one for each direction", () => {
  const many = [1, 2, 3].map((n) => ({ ...flow("did:a", "did:b"), transfer_id: `t${n}` }));
  const found = bundled([...many, flow("did:b", "did:a"), flow("did:a", "did:c")]);
  assert.deepEqual(
    found.map((f) => [f.to.did, f.title]),
    [
      ["did:b", "3 transfers"],
      ["did:a", "t"],
      ["did:c", "t"],
    ],
  );
  assert.equal(found[0]?.items_per_min, 3);
  assert.equal(bundled(many.slice(0, 2)).length, 2);
});

test("a flow that can't deliver waits, and of many only when none can", () => {
  const failing = { ...flow("did:a", "did:b"), error: "refused" };
  const spots = arrange(me, null, [failing], 800);
  assert.equal(curves(spots, [failing])[0]?.tone, "wait");
  const others = [failing, { ...failing, transfer_id: "x" }];
  assert.equal(bundled([...others, flow("did:a", "did:b")])[0]?.error, null);
  assert.equal(bundled([...others, { ...failing, transfer_id: "y" }])[0]?.error, "refused");
});
