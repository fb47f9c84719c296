// A run driven the way its object drives it, by steps that chance picks: for the properties that hold whatever comes.
import fc from "fast-check";
import { AGENT_IDS } from "../../../src/opal/agents.ts";
import type { Command, Report } from "../../../src/sync/run/commands.ts";
import { deadlines, nextWakeUp } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import type { RunEvent, RunRequest } from "../../../src/sync/run/events.ts";
import { NO_RUN, openAttempt, type Run } from "../../../src/sync/run/state.ts";
import { at, delivery, PARALLEL, PLAN, result } from "../../support/node/given.ts";

/** `pass` moves the clock while nobody is awake, `crash` loses the call under way; everything else is a command of the run's own. */
export type Step =
  | { readonly does: "pass"; readonly ms: number }
  | { readonly does: "crash" }
  | { readonly does: "alarm" }
  | { readonly does: "cancel" }
  | { readonly does: "command"; readonly command: Command };

export interface Beginning {
  readonly request: RunRequest;
  readonly isForeign: boolean;
}

const remoteId = fc.constantFrom(null, "opal-1", "opal-2");
const jitter = fc.constantFrom(0, 0.5, 0.999);

const resultReference = fc
  .record({
    family: fc.constantFrom("shared", "execution_results", "unrecognised", "none"),
    sha256: fc.constantFrom("aa", "bb", "cc"),
    reportedAt: fc.constantFrom(null, at(1), at(2), at(9_999)),
  })
  .map((change) => result(change));

const report: fc.Arbitrary<Report> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      about: fc.constant("agent"),
      agentId: fc.constantFrom(...AGENT_IDS),
      outcome: fc.constantFrom("started", "completed", "completed", "failed", "timed_out"),
      result: resultReference,
    }),
  },
  fc.record({
    about: fc.constant("workflow"),
    outcome: fc.constantFrom("under_way", "completed", "failed", "timed_out"),
  }),
  fc.record({
    about: fc.constant("nothing"),
    verdict: fc.constantFrom("ignored", "quarantined"),
    reason: fc.constant("odd"),
  }),
);

const delivered: fc.Arbitrary<Command> = fc
  .record({ remoteId, correlated: fc.boolean(), reports: fc.array(report, { minLength: 1, maxLength: 3 }) })
  .map(({ reports, ...ids }) => ({ type: "deliver", delivery: delivery(ids), reports }));

const callOutcome: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant("call_answered"), httpStatus: fc.constantFrom(200, 202), remoteId }),
  fc.record({
    type: fc.constant("call_failed"),
    failure: fc.constantFrom(
      "network_error",
      "timeout_error",
      "http_5xx",
      "http_408",
      "http_429",
      "http_auth",
      "http_4xx",
      "redirected",
      "aborted",
    ),
    httpStatus: fc.constantFrom(null, 503),
    retryAfterMs: fc.constantFrom(0, 7_000, 3_600_000),
    jitter,
  }),
);

const again: fc.Arbitrary<Command> = fc.oneof(
  remoteId.map((id): Command => ({ type: "claim_remote", remoteId: id ?? "opal-3", since: Number.MAX_SAFE_INTEGER })),
  fc.constant<Command>({ type: "start", request: PLAN }),
  fc.constant<Command>({ type: "adopt", request: PLAN, remoteId: "opal-9" }),
);

const asStep = (command: Command): Step => ({ does: "command", command });

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .oneof(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 0, max: 3_000_000 }))
      .map((ms): Step => ({ does: "pass", ms })),
  },
  { weight: 12, arbitrary: delivered.map(asStep) },
  { weight: 4, arbitrary: fc.constant<Step>({ does: "alarm" }) },
  { weight: 4, arbitrary: callOutcome.map(asStep) },
  { weight: 1, arbitrary: again.map(asStep) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: "crash" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: "cancel" }) },
);

const fewer = fc.subarray([...PLAN.workflow.agents], { minLength: 1 });

export const beginning: fc.Arbitrary<Beginning> = fc.record({
  request: fc.oneof(
    fc.constantFrom(PLAN, PARALLEL),
    fewer.map((agents): RunRequest => ({ ...PLAN, workflow: { order: "sequence", agents } })),
    fewer.map((agents): RunRequest => ({ ...PLAN, workflow: { order: "parallel", agents } })),
  ),
  isForeign: fc.boolean(),
});

/** Keeps what a session object keeps: the run, its log, the time, and whether this instance is making a call. */
export class Story {
  run: Run = NO_RUN;
  now = at(0);
  isCalling = false;
  readonly log: RunEvent[] = [];
  /** The run after each event, folded step by step. */
  readonly runs: Run[] = [];

  constructor({ request, isForeign }: Beginning) {
    this.tell(isForeign ? { type: "adopt", request, remoteId: "opal-1" } : { type: "start", request });
  }

  take(step: Step): void {
    switch (step.does) {
      case "pass":
        this.now += step.ms;
        return;
      case "crash":
        this.isCalling = false;
        break;
      case "alarm":
        this.alarm();
        break;
      case "cancel":
        this.tell({ type: "cancel", actor: "operator", callInFlight: this.isCalling, jitter: 0.5 });
        break;
      case "command":
        this.#takeCommand(step.command);
    }
    this.wake();
  }

  /** A call ends once, and only if there is one. */
  #takeCommand(command: Command): void {
    const isOutcome = command.type === "call_answered" || command.type === "call_failed";
    if (isOutcome && !this.isCalling) return;
    if (isOutcome) this.isCalling = false;
    this.tell(command);
  }

  alarm(): void {
    this.wake();
    this.tell({ type: "begin_attempt" });
    if (this.run.status !== "absent" && openAttempt(this.run)) this.isCalling = true;
  }

  wake(): void {
    this.tell({ type: "wake", callInFlight: this.isCalling, jitter: 0.5 });
  }

  tell(command: Command): void {
    const before = deepFreeze(this.run);
    const decision = decide(before, command, this.now);
    if (!decision.ok) return;
    this.run = decision.run;
    for (const event of decision.events) this.log.push(event);
    this.runs.push(decision.run);
  }

  /** Leaves the run alone, awake only when it asked to be; a call that is open is never answered. Returns the wakes. */
  leaveAlone(limit: number): number {
    for (let wakes = 0; wakes < limit; wakes++) {
      const next = nextWakeUp(this.run);
      if (next === undefined) return wakes;
      this.now = Math.max(this.now, next);
      const isCallOverdue = deadlines(this.run).some((deadline) => deadline.what === "call" && deadline.at <= this.now);
      if (isCallOverdue) this.isCalling = false;
      this.alarm();
    }
    return limit;
  }
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
