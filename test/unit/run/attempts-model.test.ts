// Attempts against a model of their own that knows nothing of runs: how often, when, and when never again.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import type { Command } from "../../../src/sync/run/commands.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import type { FailureClass, RunEvent } from "../../../src/sync/run/events.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import type { RunRequest } from "../../../src/sync/run/request.ts";
import type { Run } from "../../../src/sync/run/state.ts";
import {
  agentFailed,
  at,
  BEGIN_ATTEMPT,
  bound,
  callAnswered,
  callFailed,
  deliver,
  deliverFrom,
  given,
  minutes,
  only,
  type Past,
  PLAN,
  requested,
  rerunAgents,
  running,
  says,
} from "../../support/node/given.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const MOST_ATTEMPTS = 4;
/** The longest wait after the first, second and third failure, in ms. */
const CEILINGS_MS = [2_000, 4_000, 8_000] as const;
const LONGEST_RETRY_AFTER_MS = 1_800_000;
const TRIED_AGAIN: readonly FailureClass[] = [
  ...(["network_error", "timeout_error", "http_5xx", "http_408", "http_429", "interrupted"] as const),
];
const FINAL: readonly FailureClass[] = ["http_4xx", "not_configured", "redirected", "aborted", "http_auth"];

/** The attempts at one thing: the start of the workflow, or one re-run. */
interface Model {
  nowMs: number;
  made: number;
  isOpen: boolean;
  /** Null when no further attempt will be made. */
  dueAtMs: number | null;
  waitsUntilMs: number;
  cancel: "no" | "asked" | "confirmed";
  isAccepted: boolean;
  /** When waiting for acceptance is given up, unless an attempt is open then. */
  givenUpAtMs: number;
}

function isDue(model: Model): boolean {
  if (model.isOpen || model.cancel !== "no" || model.isAccepted || model.dueAtMs === null) return false;
  return Math.max(model.dueAtMs, model.waitsUntilMs) <= model.nowMs;
}

function attemptEnded(model: Model): void {
  model.isOpen = false;
  if (model.cancel === "asked") model.cancel = "confirmed";
}

function attemptFailed(model: Model, waitMs: number | null): void {
  const mayGoOn = waitMs !== null && model.made < MOST_ATTEMPTS && model.cancel === "no" && !model.isAccepted;
  model.dueAtMs = mayGoOn ? model.nowMs + waitMs : null;
  attemptEnded(model);
}

function waitMs(made: number, jitter: number, retryAfterMs: number): number {
  const ceiling = CEILINGS_MS[made - 1] ?? 0;
  return Math.max(Math.round(ceiling * jitter), Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS));
}

/** The run, and what its log says since the model began. */
class Real {
  run: Run;
  readonly events: RunEvent[] = [];

  constructor(log: readonly RunEvent[]) {
    this.run = fold(log);
  }

  tell(command: Command, nowMs: number): readonly RunEvent[] {
    const decision = decide(this.run, command, nowMs);
    if (!decision.ok) return [];
    this.run = decision.run;
    this.events.push(...decision.events);
    return decision.events;
  }

  /** Ended, and not because somebody cancelled it. */
  hasEnded(): boolean {
    return !["requested", "running", "cancelled"].includes(this.run.status);
  }
}

type Step = fc.Command<Model, Real>;

/** A step of both, after which they must agree. The object of a run wakes it after every change. */
function step(
  name: string,
  check: (model: Readonly<Model>) => boolean,
  take: (model: Model, real: Real) => void,
): Step {
  return {
    check,
    run: (model, real) => {
      take(model, real);
      if (!model.isOpen && !model.isAccepted && model.nowMs >= model.givenUpAtMs) model.dueAtMs = null;
      real.tell({ type: "wake", callInFlight: model.isOpen, jitter: 0.5 }, model.nowMs);
      const started = real.events.filter((event) => event.type === "attempt_started").length;
      const ended = real.events.filter(({ type }) => type === "attempt_failed" || type === "attempt_accepted").length;
      const isCancelled = real.run.status === "cancelled";
      expect({ started, ended, isCancelled }).toEqual({
        started: model.made,
        ended: model.made - (model.isOpen ? 1 : 0),
        isCancelled: model.cancel === "confirmed",
      });
    },
    toString: () => name,
  };
}

const always = () => true;
const whileOpen = (model: Readonly<Model>) => model.isOpen;

const pass = (ms: number) =>
  step(`pass ${ms}`, always, (model) => {
    model.nowMs += ms;
  });

const begin = step("begin", always, (model, real) => {
  const isExpected = isDue(model);
  if (isExpected) Object.assign(model, { made: model.made + 1, isOpen: true, waitsUntilMs: 0 });
  const events = real.tell(BEGIN_ATTEMPT, model.nowMs);
  expect(events.map(({ type }) => type)).toEqual(isExpected ? ["attempt_started"] : []);
});

const noLeave = (ms: number) =>
  step(`no leave for ${ms}`, always, (model, real) => {
    const until = model.nowMs + ms;
    const isExpected = isDue(model) && ms > 0;
    if (isExpected) model.waitsUntilMs = until;
    const events = real.tell({ type: "postpone", until, because: "breaker_open" }, model.nowMs);
    expect(events.map(({ type }) => type)).toEqual(isExpected ? ["attempt_postponed"] : []);
  });

/** What stood in the way is gone before its time. */
const endWait = step("end of the wait", always, (model, real) => {
  const isWanted = model.dueAtMs !== null && !model.isAccepted && model.cancel === "no";
  const isExpected = isWanted && model.waitsUntilMs > 0;
  if (isExpected) model.waitsUntilMs = 0;
  const events = real.tell({ type: "end_wait" }, model.nowMs);
  expect(events.map(({ type }) => type)).toEqual(isExpected ? ["wait_ended"] : []);
});

const answer = step("answer", whileOpen, (model, real) => {
  model.isAccepted = true;
  attemptEnded(model);
  real.tell(callAnswered(), model.nowMs);
});

const fail = (failure: FailureClass, jitter: number, retryAfterMs: number) =>
  step(`fail ${failure} ${jitter} ${retryAfterMs}`, whileOpen, (model, real) => {
    attemptFailed(model, TRIED_AGAIN.includes(failure) ? waitMs(model.made, jitter, retryAfterMs) : null);
    const [failed] = real.tell(callFailed(failure, { jitter, retryAfterMs }), model.nowMs);
    expect(failed).toMatchObject({ type: "attempt_failed", failure, retryAt: model.dueAtMs });
  });

/** The instance that made the call is gone; the wake-up finds that out. */
const crash = step("crash", whileOpen, (model) => attemptFailed(model, waitMs(model.made, 0.5, 0)));

const cancel = step("cancel", always, (model, real) => {
  if (model.cancel === "no" && !real.hasEnded()) model.cancel = model.isOpen ? "asked" : "confirmed";
  real.tell({ type: "cancel", actor: "operator", callInFlight: model.isOpen, jitter: 0.5 }, model.nowMs);
});

/** A delivery that can only come of a call that was made, though its outcome may be unknown. */
const heardOf = (delivered: Command) =>
  step(
    "heard of",
    (model) => model.made > 0,
    (model, real) => {
      const isAwaited = model.isOpen || model.dueAtMs !== null;
      if (isAwaited && model.cancel !== "confirmed" && !real.hasEnded()) model.isAccepted = true;
      real.tell(delivered, model.nowMs);
    },
  );

function steps(delivered: Command) {
  const failure = fc.constantFrom(...TRIED_AGAIN, ...TRIED_AGAIN, ...FINAL);
  const often = [
    fc.integer({ min: 0, max: 10_000 }).map(pass),
    fc.integer({ min: 0, max: 600_000 }).map(pass),
    fc.constant(begin),
    fc.constant(begin),
    fc.constant(begin),
    fc.integer({ min: 0, max: 60_000 }).map(noLeave),
    fc
      .tuple(failure, fc.constantFrom(0, 0.25, 0.5, 0.999), fc.constantFrom(0, 0, 7_000, 3_600_000))
      .map(([what, jitter, retryAfterMs]) => fail(what, jitter, retryAfterMs)),
    fc.constant(crash),
    fc.constant(endWait),
  ];
  const rarely = [fc.constant(answer), fc.constant(cancel), fc.constant(heardOf(delivered))];
  return fc.commands([...often, ...often, ...often, ...often, ...rarely], { maxCommands: 50, size: "max" });
}

const FRESH: Model = {
  ...{ nowMs: at(0), made: 0, isOpen: false, dueAtMs: at(0), waitsUntilMs: 0 },
  ...{ cancel: "no", isAccepted: false, givenUpAtMs: Number.POSITIVE_INFINITY },
};

const FOR_EVER_MS = 1e12;

/** Nothing but its calls can end this run: its agents and itself have all the time in the world. */
const LEISURELY: RunRequest = {
  ...PLAN,
  workflow: {
    order: "parallel",
    agents: only("geo_audit", "cmp_organizer").workflow.agents.map((agent) => ({ ...agent, limitMs: FOR_EVER_MS })),
  },
  limits: { ...PLAN.limits, runMs: FOR_EVER_MS, inactivityMs: FOR_EVER_MS },
};

test("the start is tried as the model says", () => {
  const { log } = given([0, requested(LEISURELY)]);
  fc.assert(
    fc.property(steps(deliver(says("geo_audit", "started"))), (commands) => {
      const model = { ...FRESH, givenUpAtMs: at(minutes(35)) };
      fc.modelRun(() => ({ model, real: new Real(log) }), commands);
    }),
    { numRuns: 2_000 },
  );
});

test("a re-run is tried as the model says, whatever the start needed", () => {
  const failed: Past = [1, agentFailed("geo_audit")];
  const { log } = given(...running(LEISURELY), [0, bound("opal-1")], failed).and([10, rerunAgents("geo_audit")]);
  fc.assert(
    fc.property(steps(deliverFrom("opal-2", true, says("geo_audit", "started"))), (commands) => {
      const model = { ...FRESH, nowMs: at(10), dueAtMs: at(10) };
      fc.modelRun(() => ({ model, real: new Real(log) }), commands);
    }),
    { numRuns: 2_000 },
  );
});

test("the model itself allows four attempts and no fifth", () => {
  const model = { ...FRESH };
  for (let made = 1; made <= MOST_ATTEMPTS; made++) {
    expect(isDue(model)).toBe(true);
    Object.assign(model, { made, isOpen: true });
    attemptFailed(model, 0);
  }
  expect(isDue(model)).toBe(false);
});
