// The crash test's oracle finds what it is there to find: of facts in which all promises are kept, each is broken once.
import { expect, test } from "vitest";
import type { Call, Facts, LoggedEvent, Session, Workflow } from "../../scripts/chaos-facts.ts";
import { addCounts, count, judge } from "../../scripts/chaos-oracle.ts";

const T0 = Date.UTC(2026, 0, 5, 9);
const RUN = "sync-1767603600000-aaaaa";
const OTHER = "sync-1767603700000-bbbbb";
const AGENT = "geo_audit";

type EventBody = Omit<LoggedEvent, "seq" | "at">;

/** One event a second. */
function log(...events: readonly EventBody[]): LoggedEvent[] {
  return events.map((event, index) => ({ ...event, seq: index + 1, at: T0 + index * 1_000 }));
}

const REQUESTED: EventBody = { type: "requested", limits: { startMs: 36_000, runMs: 36_000 } };
const CALLED: EventBody = { type: "attempt_started", attempt: 1, rerun: null };
const ACCEPTED: EventBody = { type: "attempt_accepted", attempt: 1 };
const RECORDED: EventBody = { type: "delivery_recorded", deliveryId: "whd_1", sha256: "body-1", agentId: AGENT };
const DONE: EventBody = { type: "agent_completed", deliveryId: "whd_1", agentId: AGENT };
const ENDED: EventBody = { type: "ended", status: "completed", reason: "all_agents_completed" };

function session(
  change: Partial<Session["status"]> = {},
  events = log(REQUESTED, CALLED, ACCEPTED, RECORDED, DONE, ENDED),
) {
  const status: Session["status"] = {
    ...{ session_id: RUN, state: "completed", origin: "ours", completed_at: "2026-01-05T09:00:05.000Z" },
    ...{ expected_agents: 1, double_starts: 0, deliveries: { duplicate: 0 } },
    agents: [{ agent_id: AGENT, status: "completed" }],
    ...change,
  };
  return { sessionId: status.session_id, status, events } satisfies Session;
}

type Sent = Workflow["deliveries"][number];

function sent(change: Partial<Sent> = {}): Sent {
  const answer = '{"status":"processed","webhook_id":"whd_1"}';
  const attempts = [{ signature: "valid", status: 200, answer }];
  return {
    agentId: AGENT,
    executionStatus: "completed",
    bodySha256: "body-1",
    outcome: "acknowledged",
    attempts,
    ...change,
  };
}

function workflow(change: Partial<Workflow> = {}): Workflow {
  const ids = { workflowId: "opal-wf-1", sessionId: RUN, idempotencyKey: RUN };
  const agents = [{ agentId: AGENT, play: 1 } as const];
  return { ...ids, foreign: false, state: "ended", faults: {}, agents, deliveries: [sent()], ...change };
}

function call(change: Partial<Call> = {}): Call {
  const ids = { idempotencyKey: RUN, sessionId: RUN, workflowId: "opal-wf-1" };
  return { at: T0 + 1_100, ...ids, fault: null, answered: 200, ...change };
}

function facts(change: Partial<Facts> = {}): Facts {
  return {
    told: { started: [{ key: "key-1", sessionId: RUN }], cancelled: [] },
    sessions: [session()],
    workflows: [workflow()],
    calls: [call()],
    held: [],
    ...{ active: null, queued: null },
    consistency: [{ session_id: RUN, consistent: true, state_is_fold: true, differences: [] }],
    ...change,
  };
}

const CANCELLED = log(
  REQUESTED,
  CALLED,
  ACCEPTED,
  RECORDED,
  { type: "cancel_requested" },
  {
    type: "ended",
    status: "cancelled",
  },
);

test("finds nothing when every promise is kept", () => {
  expect(judge(facts())).toEqual([]);
});

const BROKEN: readonly (readonly [promise: string, facts: Facts, found: RegExp])[] = [
  [
    "an acknowledged webhook that is in no log",
    facts({ workflows: [workflow({ deliveries: [sent(), sent({ bodySha256: "body-2" })] })] }),
    /acknowledged, and is in no log/,
  ],
  [
    "a webhook that is in two logs",
    facts({
      told: {
        started: [
          { key: "key-1", sessionId: RUN },
          { key: "key-2", sessionId: OTHER },
        ],
        cancelled: [],
      },
      sessions: [
        session(),
        session(
          { session_id: OTHER, state: "failed", agents: [] },
          log(REQUESTED, RECORDED, { type: "ended", status: "failed" }).map((event) => ({
            ...event,
            at: event.at + 60_000,
          })),
        ),
      ],
    }),
    /in the logs 2 times/,
  ],
  [
    "a webhook in another run's log",
    facts({ workflows: [workflow({ sessionId: OTHER })] }),
    /is in the log of sync-1767603600000-aaaaa/,
  ],
  [
    "a workflow that belongs to no run of ours",
    facts({ workflows: [workflow(), workflow({ workflowId: "opal-wf-2", sessionId: OTHER, idempotencyKey: OTHER })] }),
    /started for no run of ours/,
  ],
  [
    "a body in a log that nobody sent",
    facts({ workflows: [workflow({ deliveries: [sent({ bodySha256: "body-2", outcome: "lost", attempts: [] })] })] }),
    /nobody sent it/,
  ],
  [
    "a forged webhook that was acknowledged",
    facts({
      workflows: [workflow({ deliveries: [sent({ attempts: [{ signature: "wrong", status: 200, answer: "" }] })] })],
    }),
    /wrong signature/,
  ],
  [
    "a duplicate that is not counted",
    facts({
      workflows: [
        workflow({
          deliveries: [
            sent(),
            sent({ attempts: [{ signature: "valid", status: 200, answer: '{"status":"duplicate"' }] }),
          ],
        }),
      ],
    }),
    /1 copies were answered as duplicates, 0 are counted/,
  ],
  ["a call that is no attempt in the log", facts({ calls: [call(), call()] }), /2 calls .* 1 attempts/],
  [
    "a call for a re-run that nobody asked for",
    facts({ calls: [call({ idempotencyKey: `${RUN}.rerun-1` })] }),
    /0 attempts/,
  ],
  [
    "a call for a run that does not exist",
    facts({ calls: [call(), call({ sessionId: OTHER })] }),
    /belongs to no run|calls with/,
  ],
  [
    "two open attempts",
    facts({
      sessions: [
        session(
          {},
          log(REQUESTED, CALLED, { ...CALLED, attempt: 2 }, { ...ACCEPTED, attempt: 2 }, RECORDED, DONE, ENDED),
        ),
      ],
    }),
    /1 and 2 are both open/,
  ],
  [
    "an attempt that was made before it was due",
    facts({
      sessions: [
        session(
          {},
          log(
            REQUESTED,
            CALLED,
            { type: "attempt_failed", attempt: 1, failure: "http_429", retryAt: T0 + 60_000 },
            { ...CALLED, attempt: 2 },
            { ...ACCEPTED, attempt: 2 },
            RECORDED,
            DONE,
            ENDED,
          ),
        ),
      ],
    }),
    /attempt 2 was made too early/,
  ],
  [
    "two workflows for one key",
    facts({ workflows: [workflow(), workflow({ workflowId: "opal-wf-2", deliveries: [] })] }),
    /1 workflows beyond one/,
  ],
  [
    "a double start that nobody noticed",
    facts({
      sessions: [
        session({}, log(REQUESTED, CALLED, ACCEPTED, RECORDED, DONE, { ...RECORDED, sha256: "body-2" }, ENDED)),
      ],
      workflows: [
        workflow({ faults: { ignoreIdempotencyKey: true } }),
        workflow({
          ...{ workflowId: "opal-wf-2", faults: { ignoreIdempotencyKey: true } },
          deliveries: [sent({ bodySha256: "body-2" })],
        }),
      ],
    }),
    /1 double starts were made, 0 are noticed/,
  ],
  [
    "a double start that was none",
    facts({ sessions: [session({ double_starts: 1 })] }),
    /0 double starts were made, 1/,
  ],
  [
    "a call after a confirmed cancel",
    facts({ sessions: [session({ state: "cancelled" }, CANCELLED)], calls: [call(), call({ at: T0 + 9_000 })] }),
    /4000 ms after the confirmed cancel/,
  ],
  [
    "an attempt after a cancel",
    facts({
      sessions: [session({ state: "cancelled" }, log(...CANCELLED, { ...CALLED, attempt: 2 }))],
    }),
    /attempt 2 began after the cancel/,
  ],
  [
    "a cancelled run that ended otherwise",
    facts({
      sessions: [session({}, log(REQUESTED, CALLED, { type: "cancel_requested" }, ACCEPTED, RECORDED, DONE, ENDED))],
    }),
    /was cancelled, and is completed/,
  ],
  [
    "an acknowledged trigger without a run",
    facts({
      told: {
        started: [
          { key: "key-2", sessionId: OTHER },
          { key: "key-1", sessionId: RUN },
        ],
        cancelled: [],
      },
    }),
    /acknowledged for key-2 and does not exist/,
  ],
  [
    "one key with two runs",
    facts({
      told: {
        started: [
          { key: "key-1", sessionId: OTHER },
          { key: "key-1", sessionId: RUN },
        ],
        cancelled: [],
      },
    }),
    /key-1 names several runs/,
  ],
  ["a run that nobody was told of", facts({ told: { started: [], cancelled: [] } }), /nobody was told of/],
  ["a lease without a run", facts({ active: OTHER }), /holds the lease and does not exist/],
  [
    "a run that is still active",
    facts({ sessions: [session({ state: "running", completed_at: null })] }),
    /still running/,
  ],
  [
    "a run that ended long after its limit",
    facts({
      sessions: [
        session(
          {},
          session().events.map((event) => (event.type === "ended" ? { ...event, at: T0 + 99_000 } : event)),
        ),
      ],
    }),
    /61000 ms after its limit/,
  ],
  ["a queued run left behind", facts({ queued: OTHER }), /still waits/],
  [
    "a gap in a log",
    facts({
      sessions: [
        session(
          {},
          session().events.filter(({ seq }) => seq !== 3),
        ),
      ],
    }),
    /gap/,
  ],
  [
    "a run that says something else than its log",
    facts({ sessions: [session({ state: "failed" })] }),
    /its log says completed/,
  ],
  [
    "two runs at once",
    facts({
      told: {
        started: [
          { key: "key-1", sessionId: RUN },
          { key: "key-2", sessionId: OTHER },
        ],
        cancelled: [],
      },
      sessions: [
        session(),
        session(
          { session_id: OTHER, state: "failed", agents: [] },
          log(REQUESTED, { type: "ended", status: "failed" }),
        ),
      ],
    }),
    /began while .* was active/,
  ],
  [
    "an agent that is completed without having delivered",
    facts({ sessions: [session({}, log(REQUESTED, CALLED, ACCEPTED, RECORDED, ENDED))] }),
    /has not delivered/,
  ],
  [
    "an agent that is completed by an invalid result",
    facts({ workflows: [workflow({ faults: { agents: { geo_audit: { outcome: "invalid" } } } })] }),
    /has not delivered/,
  ],
  [
    "a completed run with an agent left",
    facts({ sessions: [session({ agents: [{ agent_id: AGENT, status: "failed" }] })] }),
    /is completed without geo_audit/,
  ],
  [
    "a difference between log and D1",
    facts({
      consistency: [
        { session_id: RUN, consistent: false, state_is_fold: true, differences: [{ table: "run_events" }] },
      ],
    }),
    /run_events/,
  ],
];

test.each(BROKEN)("finds %s", (_promise, broken, found) => {
  expect(judge(broken).map(({ what }) => what)).toContainEqual(expect.stringMatching(found));
});

test("takes a webhook that is held for one that is kept", () => {
  const answer = '{"status":"stored","webhook_id":"whd_9"}';
  const waiting = sent({ bodySha256: "body-2", attempts: [{ signature: "valid", status: 202, answer }] });
  expect(judge(facts({ workflows: [workflow({ deliveries: [sent(), waiting] })], held: ["whd_9"] }))).toEqual([]);
});

test("counts runs, webhooks without their copies, and calls after the first", () => {
  const once = count(facts({ workflows: [workflow({ deliveries: [sent(), sent()] })] }));
  expect(once).toMatchObject({ runs: 1, eventsSent: 1, eventsAccepted: 1, eventsLost: 0, retries: 0 });
  expect(addCounts([once, once])).toMatchObject({ runs: 2, eventsSent: 2, duplicatedEffects: 0 });
});
