// A run driven the way its object drives it, by steps that chance picks: for the properties that hold whatever comes.
import fc from "fast-check";
import { AGENT_IDS } from "../../../src/opal/agents.ts";
import type { Command, Report } from "../../../src/sync/run/commands.ts";
import { deadlines, nextWakeUp } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import type { PostponedBecause, RunEvent } from "../../../src/sync/run/events.ts";
import type { AgentPast, RunRequest } from "../../../src/sync/run/request.ts";
import { NO_RUN, openAttempt, type Run } from "../../../src/sync/run/state.ts";
import { storedDeliveries } from "../../../src/sync/stored.ts";
import {
  at,
  CREDENTIAL,
  delivery,
  hadResult,
  knowing,
  PARALLEL,
  PLAN,
  result,
  START,
} from "../../support/node/given.ts";

/**
 * `pass` moves the clock while nobody is awake, `next` to the alarm that is set, `crash` loses the call under way, `no_leave` is an alarm whose call has
 * to wait, `read_again` reads one of the stored deliveries anew; everything else is a command of the run's own.
 */
export type Step =
  | { readonly does: "pass"; readonly ms: number }
  | { readonly does: "crash" }
  | { readonly does: "alarm" }
  | { readonly does: "next" }
  | { readonly does: "no_leave"; readonly forMs: number; readonly because: PostponedBecause }
  | { readonly does: "deliver"; readonly ids: DeliveryIds; readonly reports: readonly Report[] }
  | { readonly does: "read_again"; readonly which: number; readonly reports: readonly Report[] }
  | { readonly does: "cancel" }
  | { readonly does: "command"; readonly command: Command };

interface DeliveryIds {
  readonly remoteId: string | null;
  readonly correlated: boolean;
}

export interface Beginning {
  readonly request: RunRequest;
  readonly isForeign: boolean;
}

const remoteId = fc.constantFrom(null, "opal-1", "opal-2", "opal-3", "opal-4");
const jitter = fc.constantFrom(0, 0.5, 0.999);

const resultReference = fc
  .record({
    family: fc.constantFrom("shared", "execution_results", "unrecognised", "none"),
    sha256: fc.constantFrom("aa", "bb", "cc"),
    reportedAt: fc.constantFrom(null, at(1), at(2), at(9_999)),
  })
  .map((change) => result(change));

const agentReport = fc.record({
  about: fc.constant("agent" as const),
  agentId: fc.constantFrom(...AGENT_IDS),
  outcome: fc.constantFrom("started", "completed", "completed", "failed", "timed_out"),
  isCredentialRefused: fc.constant(false),
  result: resultReference,
});

const report: fc.Arbitrary<Report> = fc.oneof(
  { weight: 80, arbitrary: agentReport },
  // Rare, because it is the end of the story.
  {
    weight: 1,
    arbitrary: agentReport.map((said): Report => ({ ...said, outcome: "failed", isCredentialRefused: true })),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      about: fc.constant("workflow"),
      outcome: fc.constantFrom("under_way", "completed", "failed", "timed_out"),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      about: fc.constant("nothing"),
      verdict: fc.constantFrom("ignored", "quarantined"),
      reason: fc.constant("odd"),
    }),
  },
);

const reports = fc.array(report, { minLength: 1, maxLength: 3 });

const delivered: fc.Arbitrary<Step> = fc.record({
  does: fc.constant("deliver"),
  ids: fc.record({ remoteId, correlated: fc.boolean() }),
  reports,
});

const RETRIABLE = ["network_error", "timeout_error", "http_5xx", "http_408", "http_429"] as const;
const FINAL = ["http_auth", "http_4xx", "not_configured", "redirected", "aborted"] as const;

const callOutcome: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("call_answered"), httpStatus: fc.constantFrom(200, 202), remoteId }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("call_failed"),
      failure: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...RETRIABLE) }, fc.constantFrom(...FINAL)),
      httpStatus: fc.constantFrom(null, 503),
      retryAfterMs: fc.constantFrom(0, 7_000, 3_600_000),
      credential: fc.constantFrom(CREDENTIAL, null),
      jitter,
    }),
  },
);

const agents = fc.subarray([...AGENT_IDS], { minLength: 1, maxLength: 3 });

const asked: fc.Arbitrary<Command> = fc.oneof(
  remoteId.map((id): Command => ({ type: "claim_remote", remoteId: id ?? "opal-5", since: Number.MAX_SAFE_INTEGER })),
  fc.constant<Command>(START),
  fc.constant<Command>({ type: "adopt", request: PLAN, remoteId: "opal-9" }),
  fc.option(agents).map((ids): Command => ({ type: "rerun", agents: ids, actor: "operator" })),
  fc.option(agents).map((ids): Command => ({ type: "rerun", agents: ids, actor: "operator" })),
  fc.constant<Command>({ type: "end_wait" }),
  fc.constantFrom("sync-2", "sync-3").map((bySessionId): Command => {
    return { type: "mark_retried", bySessionId, attempt: 2, how: "retry", actor: "operator" };
  }),
);

const asStep = (command: Command): Step => ({ does: "command", command });

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .oneof(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 0, max: 3_000_000 }))
      .map((ms): Step => ({ does: "pass", ms })),
  },
  { weight: 12, arbitrary: delivered },
  { weight: 5, arbitrary: fc.constant<Step>({ does: "alarm" }) },
  { weight: 4, arbitrary: fc.constant<Step>({ does: "next" }) },
  { weight: 5, arbitrary: callOutcome.map(asStep) },
  { weight: 2, arbitrary: asked.map(asStep) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("no_leave"),
      forMs: fc.integer({ min: 1, max: 120_000 }),
      because: fc.constantFrom(
        ...(["breaker_open", "breaker_probing", "switched_off", "lease_lost", "workspace_unreachable"] as const),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("read_again"), which: fc.nat(), reports }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: "crash" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: "cancel" }) },
);

const fewer = fc.subarray([...PLAN.workflow.agents], { minLength: 1 });
const few = fc.subarray([...PLAN.workflow.agents], { minLength: 2, maxLength: 3 });

/** What earlier runs know of some agents: a result of two hours or of two days ago, limits passed before. */
const agentPasts: fc.Arbitrary<readonly AgentPast[]> = fc.array(
  fc
    .tuple(fc.constantFrom(...AGENT_IDS), fc.constantFrom(2, 48), fc.boolean(), fc.nat({ max: 3 }))
    .map(([agentId, hoursAgo, hasResult, timeoutsInARow]): AgentPast => {
      const had = hadResult(agentId, hoursAgo);
      return { ...had, timeoutsInARow, lastValid: hasResult ? had.lastValid : null };
    }),
  { maxLength: 5 },
);

export const beginning: fc.Arbitrary<Beginning> = fc.record({
  request: fc
    .tuple(
      fc.oneof(
        fc.constantFrom(PLAN, PARALLEL),
        fewer.map((some): RunRequest => ({ ...PLAN, workflow: { order: "sequence", agents: some } })),
        fewer.map((some): RunRequest => ({ ...PLAN, workflow: { order: "parallel", agents: some } })),
        few.map((some): RunRequest => ({ ...PLAN, workflow: { order: "sequence", agents: some } })),
      ),
      agentPasts,
    )
    .map(([request, pasts]) => knowing(request, ...pasts)),
  isForeign: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
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
    this.tell(isForeign ? { type: "adopt", request, remoteId: "opal-1" } : { ...START, request });
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
      case "next":
        this.now = Math.max(this.now, nextWakeUp(this.run) ?? 0);
        this.alarm();
        break;
      case "no_leave":
        this.wake();
        this.tell({ type: "postpone", until: this.now + step.forMs, because: step.because });
        break;
      case "deliver":
        this.#deliver(step.ids, step.reports);
        break;
      case "read_again":
        this.#readAgain(step.which, step.reports);
        break;
      case "cancel":
        this.tell({ type: "cancel", actor: "operator", callInFlight: this.isCalling, jitter: 0.5 });
        break;
      case "command":
        this.#takeCommand(step.command);
    }
    this.wake();
  }

  #deliver(ids: DeliveryIds, said: readonly Report[]): void {
    const deliveryId = `whd_${this.log.length}`;
    this.tell({ type: "deliver", delivery: delivery({ ...ids, deliveryId }), reports: inBody(deliveryId, said) });
  }

  #readAgain(which: number, said: readonly Report[]): void {
    const stored = storedDeliveries(this.log);
    const one = stored[which % Math.max(1, stored.length)];
    if (one === undefined) return;
    const { deliveryId, remoteId: from, verdict: was } = one;
    const again = { deliveryId, remoteId: from, was, reports: inBody(deliveryId, said) };
    this.tell({ type: "reprocess", deliveries: [again], actor: "operator" });
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

/** Each result where the session keeps it: beside the delivery that it came in. */
function inBody(deliveryId: string, said: readonly Report[]): Report[] {
  return said.map((each) =>
    each.about === "agent" ? { ...each, result: { ...each.result, bodyId: `${deliveryId}.result` } } : each,
  );
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
