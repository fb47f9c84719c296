// The flood's oracle finds what it is there to find: of facts in which all promises are kept, each is broken once.
import { expect, test } from "vitest";
import type { Told } from "../../scripts/flood-answers.ts";
import { allot, eventOf, type FloodPlan, parcels, type Receiver } from "../../scripts/flood-events.ts";
import { type FloodFacts, judge } from "../../scripts/flood-oracle.ts";
import type { D1State, Owner, State } from "../../scripts/flood-state.ts";
import { judgeUnsigned, type UnsignedFacts } from "../../scripts/flood-unsigned.ts";

const RUN = "sync-1767603600000-aaaaa";
const KEPT = { id: "whd_1", sha256: "body-1", repeats: 1 };
const LEDGER = { received: 2, processed: 1, duplicate: 1, late: 0, ignored: 0, quarantined: 0 };

const RECEIVER: Receiver = {
  ...{ path: "/api/webhooks/opal-workflow", workspace: "default", secret: "secret", says: "both ids", owner: RUN },
  ...{ correlationId: "force-sync-1767603600000-aaaaa", weight: 1, most: 10_000 },
};

function told(change: Partial<Told> = {}): Told {
  return {
    number: 0,
    receiver: 0,
    sha256: "body-1",
    taken: 1,
    duplicates: 1,
    lost: 0,
    putOff: 0,
    ids: ["whd_1"],
    ...change,
  };
}

function owner(change: Partial<Owner> = {}): Owner {
  return {
    ...{ workspace: "default", owner: RUN, ledger: LEDGER, kept: [KEPT], verdicts: { processed: 1 } },
    ...{ logged: ["whd_1"], logEvents: 5, lastSeq: 5, bodies: new Map([["whd_1", "body-1"]]) },
    ...{ rejections: 0, rejectionTotals: [] },
    ...change,
  };
}

function d1(change: Partial<D1State> = {}): D1State {
  return {
    rows: [{ workspace: "default", owner: RUN, id: "whd_1", sha256: "body-1" }],
    ledgers: [{ workspace: "default", owner: RUN, ...LEDGER }],
    stats: [
      { workspace: "default", outcome: "processed", n: 1 },
      { workspace: "default", outcome: "duplicate", n: 1 },
    ],
    timed: new Map([["default", 2]]),
    bodies: new Map([["whd_1", "body-1"]]),
    logEvents: new Map([[`default:${RUN}`, 5]]),
    ...{ searchable: 1, bytes: 4_096 },
    ...change,
  };
}

function state(change: Partial<State> = {}): State {
  return { owners: [owner()], d1: d1(), untold: 0, held: 0, ...change };
}

function facts(
  change: { readonly told?: readonly Told[]; readonly odd?: readonly string[]; readonly state?: State } = {},
): FloodFacts {
  const sent = { told: change.told ?? [told()], odd: change.odd ?? [] };
  return { receivers: [RECEIVER], sent, state: change.state ?? state() };
}

test("finds nothing when every promise is kept", () => {
  expect(judge(facts())).toEqual([]);
});

test("finds nothing wrong with an event that is stored although its answer was lost", () => {
  const lost = told({ taken: 0, duplicates: 0, lost: 2, ids: [] });
  expect(judge(facts({ told: [lost] }))).toEqual([]);
});

const SECOND = { id: "whd_2", sha256: "body-2", repeats: 0 };
const TWICE = owner({ owner: "inbox-opal", kept: [KEPT], logEvents: 0, lastSeq: 0 });

const BROKEN: readonly (readonly [promise: string, facts: FloodFacts, found: RegExp])[] = [
  ["an answer that nobody expects", facts({ odd: ["event 3: 500 oops"] }), /is no answer/],
  ["one event with two ids", facts({ told: [told({ ids: ["whd_1", "whd_2"] })] }), /acknowledged as whd_1 and whd_2/],
  ["an event that was taken in twice", facts({ told: [told({ taken: 2, duplicates: 0 })] }), /taken in 2 times/],
  [
    "a first event that is called a duplicate",
    facts({ told: [told({ taken: 0, duplicates: 2 })] }),
    /no other request/,
  ],
  [
    "an acknowledged event that is nowhere",
    facts({ told: [told(), told({ number: 1, sha256: "body-2", ids: ["whd_2"] })] }),
    /is nowhere/,
  ],
  ["an event that is kept twice", facts({ state: state({ owners: [owner(), TWICE] }) }), /is kept 2 times/],
  [
    "an event in another object",
    facts({ state: state({ owners: [owner({ owner: "sync-1767603700000-bbbbb" })] }) }),
    /is kept in default:sync-1767603700000-bbbbb/,
  ],
  ["an event under another id", facts({ told: [told({ ids: ["whd_9"] })] }), /as whd_9, and is kept as whd_1/],
  [
    "another body",
    facts({ state: state({ owners: [owner({ bodies: new Map([["whd_1", "other"]]) })] }) }),
    /another body in sync/,
  ],
  [
    "an event that nobody sent",
    facts({ state: state({ owners: [owner({ kept: [KEPT, SECOND] })] }) }),
    /nobody sent it/,
  ],
  [
    "an event that was refused and is stored",
    facts({ told: [told({ taken: 0, duplicates: 0, ids: [] })] }),
    /every answer said otherwise/,
  ],
  ["a repeat that is not counted", facts({ told: [told({ duplicates: 2 })] }), /came 3 times, and is counted 2 times/],
  ["a repeat that nobody sent", facts({ told: [told({ duplicates: 0 })] }), /came 1 times, and is counted 2 times/],
  [
    "a ledger that does not add up",
    facts({ state: state({ owners: [owner({ ledger: { ...LEDGER, processed: 2 } })] }) }),
    /received 2, and accounts for 3/,
  ],
  [
    "a ledger that says otherwise than the receipts",
    facts({ state: state({ owners: [owner({ ledger: { ...LEDGER, received: 3, duplicate: 2 } })] }) }),
    /its receipts say 2 and 1/,
  ],
  [
    "a ledger that says otherwise than the log",
    facts({ state: state({ owners: [owner({ verdicts: { late: 1 } })] }) }),
    /1 processed, its log says 0/,
  ],
  [
    "a receipt without a log entry",
    facts({ state: state({ owners: [owner({ logged: [] })] }) }),
    /different deliveries/,
  ],
  [
    "a gap in a log",
    facts({ state: state({ owners: [owner({ lastSeq: 6 })] }) }),
    /5 events in its log, numbered up to 6/,
  ],
  ["a row that is not in D1", facts({ state: state({ d1: d1({ rows: [] }) }) }), /is not in D1/],
  [
    "a row that is in D1 twice",
    facts({ state: state({ d1: d1({ rows: [...d1().rows, ...d1().rows], searchable: 2 }) }) }),
    /in D1 2 times/,
  ],
  [
    "a row that no object has",
    facts({
      state: state({
        d1: d1({ rows: [...d1().rows, { workspace: "default", owner: RUN, ...SECOND }], searchable: 2 }),
      }),
    }),
    /in no object/,
  ],
  [
    "a row with another hash",
    facts({ state: state({ d1: d1({ rows: [{ workspace: "default", owner: RUN, id: "whd_1", sha256: "other" }] }) }) }),
    /another hash in D1/,
  ],
  [
    "a body that is not in D1",
    facts({ state: state({ d1: d1({ bodies: new Map() }) }) }),
    /another body in D1, or none/,
  ],
  [
    "a log that D1 has in part",
    facts({ state: state({ d1: d1({ logEvents: new Map() }) }) }),
    /5 events in its log, D1 0/,
  ],
  [
    "a ledger in D1 that says otherwise",
    facts({ state: state({ d1: d1({ ledgers: [{ workspace: "default", owner: RUN, ...LEDGER, processed: 0 }] }) }) }),
    /D1 says 2 received, 0 processed/,
  ],
  [
    "a ledger in D1 of nobody",
    facts({
      state: state({ d1: d1({ ledgers: [...d1().ledgers, { workspace: "default", owner: "nobody", ...LEDGER }] }) }),
    }),
    /has a ledger in D1, and no storage/,
  ],
  [
    "a statistic that counted twice",
    facts({
      state: state({ d1: d1({ stats: [...d1().stats, { workspace: "default", outcome: "processed", n: 1 }] }) }),
    }),
    /the statistics say 2 processed, the objects 1/,
  ],
  [
    "times of something else",
    facts({ state: state({ d1: d1({ timed: new Map([["default", 3]]) }) }) }),
    /3 times are in the statistics/,
  ],
  [
    "an event that cannot be found",
    facts({ state: state({ d1: d1({ searchable: 0 }) }) }),
    /1 events, and the search knows 0/,
  ],
  ["a message that nobody was told", facts({ state: state({ untold: 1 }) }), /1 messages and 0 held/],
];

test.each(BROKEN)("finds %s", (_promise, broken, found) => {
  expect(judge(broken).map(({ about, what }) => `${about} ${what}`)).toContainEqual(expect.stringMatching(found));
});

const REFUSED: UnsignedFacts = {
  signed: { sent: 1, statuses: { 200: 1 } },
  forged: {
    sent: 5,
    tookMs: 1,
    refusals: { "401 signature_invalid": 4, "429 rate_limited": 1 },
    broken: 0,
    takenIn: [],
  },
  state: state(),
  counted: new Map([["signature_invalid", 4]]),
  kept: 4,
};

test("finds nothing when signed events are taken in and forged ones are refused and counted", () => {
  expect(judgeUnsigned(REFUSED)).toEqual([]);
});

test.each<readonly [string, Partial<UnsignedFacts>, RegExp]>([
  ["a signed event that was refused", { signed: { sent: 2, statuses: { 200: 1, 503: 1 } } }, /of 2, answered/],
  [
    "a forged event that is stored",
    { state: state({ owners: [owner({ kept: [KEPT, SECOND] })] }) },
    /1 were accepted, 2 are stored/,
  ],
  [
    "a forged event that was taken in",
    { forged: { ...REFUSED.forged, takenIn: ["an old time"] } },
    /taken in: an old time/,
  ],
  [
    "an answer that blames us",
    { forged: { ...REFUSED.forged, refusals: { ...REFUSED.forged.refusals, "503 service_unavailable": 1 } } },
    /answered 503/,
  ],
  [
    "a rejection too many",
    { counted: new Map([["signature_invalid", 5]]) },
    /5 are counted as signature_invalid, 4 were sent/,
  ],
  ["no rejection at all", { counted: new Map() }, /none was counted/],
  ["a ring that has grown", { kept: 1_001 }, /1001 are kept/],
])("finds %s", (_promise, change, found) => {
  expect(judgeUnsigned({ ...REFUSED, ...change }).map(({ what }) => what)).toContainEqual(expect.stringMatching(found));
});

const PLAN: FloodPlan = {
  ...{ seed: 7, events: 2_000, firstAt: Date.UTC(2026, 0, 5) },
  receivers: [RECEIVER, { ...RECEIVER, says: "ga4", weight: 1, most: 100 }],
};

test("a seed stands for the same events in the same order, each of another body, some of them sent twice", () => {
  const receivers = allot(PLAN);
  expect(allot(PLAN)).toEqual(receivers);
  expect(parcels(PLAN)).toEqual(parcels(PLAN));
  const order = parcels(PLAN).map(({ number }) => number);
  expect(new Set(order).size).toBe(PLAN.events);
  expect(order.length).toBeGreaterThan(PLAN.events * 1.02);
  expect(order).not.toEqual(order.toSorted((one, other) => one - other));
  const bodies = receivers.map((receiver, number) => eventOf(PLAN, number, receiver).sha256);
  expect(new Set(bodies).size).toBe(PLAN.events);
  expect(receivers.filter((receiver) => receiver === 1)).toHaveLength(100);
});
