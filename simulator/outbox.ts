// What one run has to tell OSA, in the order in which they should arrive: each agent's own lane, or shuffled windows.

import { createHash } from "node:crypto";
import type { AgentId } from "./agents.ts";
import { attemptPlainly, type Disturbance, deliver } from "./deliver.ts";
import { needsToken } from "./faults.ts";
import type { AgentPlan } from "./plan.ts";
import { drawFrom } from "./random.ts";
import type { Delivery, ExecutionStatus, Run } from "./records.ts";
import type { Settings } from "./settings.ts";
import type { Shipment } from "./shipment.ts";

const WINDOW_AGENTS = 3;

interface Letter {
  readonly plan: AgentPlan;
  readonly status: ExecutionStatus;
  readonly shipment: Shipment;
}

export interface Outbox {
  post(letter: Letter): void;
  /** Asks once, when everything that the agent has posted is settled; whatever the answer is, it is recorded. */
  ask(agentId: AgentId, shipment: Shipment): void;
  /** The agent will say nothing more, so its window need not wait for it. */
  agentDone(agentId: AgentId): void;
  /** Sends what is still held back and resolves when every delivery is settled. */
  finish(): Promise<void>;
  /** Resolves with the first answer, or failure to get one, that any delivery of the run meets. */
  readonly firstAnswer: Promise<void>;
}

export function createOutbox(run: Run, settings: Settings, signal: AbortSignal): Outbox {
  const { faults } = run;
  const lanes = new Map<string, Promise<void>>();
  const windows = new Map<number, { held: Letter[]; open: Set<AgentId> }>();
  const { promise: firstAnswer, resolve: answered } = Promise.withResolvers<void>();
  let leftBadSignatures = faults.badSignature ?? 0;
  let leftCuts = faults.dropConnection ?? 0;

  if (faults.outOfOrder) {
    run.agents.forEach(({ agentId }, index) => {
      const window = windows.get(windowOf(index)) ?? { held: [], open: new Set() };
      window.open.add(agentId);
      windows.set(windowOf(index), window);
    });
  }

  /** An agent that calls functions has not ended before its calls have, and the next one waits for it. */
  const laneOf = (agentId: AgentId) => (needsToken(faults) && run.order === "sequence" ? "chain" : agentId);

  /** A lane's next letter waits for the one before, so that an agent's start arrives before its end. */
  function enqueue(lane: string, work: () => Promise<void>): void {
    const before = lanes.get(lane) ?? Promise.resolve();
    lanes.set(lane, before.then(work));
  }

  async function send(letter: Letter): Promise<void> {
    if (isLost(letter)) {
      run.deliveries.push({ ...record(letter), outcome: "lost" });
      return;
    }
    const copies = letter.plan.fault.repeat ?? 1;
    for (let round = 0; round < (faults.reportTwice ? 2 : 1); round++) {
      await Promise.all(Array.from({ length: copies }, () => sendCopy(letter)));
    }
  }

  function isLost({ plan, status }: Letter): boolean {
    const isEndOfAll = plan.agentId === run.agents.at(-1)?.agentId && (status === "completed" || status === "failed");
    if (faults.neverOver && isEndOfAll) return true;
    // With the play, so that a fixed seed does not doom every re-run to the same loss.
    return drawFrom(run.seed, "lost", plan.agentId, status, plan.play).chance(faults.lostShare ?? 0);
  }

  function record({ plan, status, shipment: { via, body } }: Letter): Delivery {
    return {
      id: `${run.workflowId}/${run.deliveries.length + 1}`,
      agentId: plan.agentId,
      executionStatus: status,
      via,
      bodySha256: createHash("sha256").update(body).digest("hex"),
      bodyBytes: body.length,
      attempts: [],
      outcome: "pending",
    };
  }

  async function sendCopy(letter: Letter): Promise<void> {
    const delivery = record(letter);
    run.deliveries.push(delivery);
    await deliver(delivery, letter.shipment, disturb(letter.plan), {
      settings,
      draw: drawFrom(run.seed, "resend", run.deliveries.length),
      signal,
      onAnswer: answered,
    });
  }

  function disturb({ fault }: AgentPlan): Disturbance {
    const forged = fault.badSignature === true;
    return {
      signature: forged ? "wrong" : leftBadSignatures-- > 0 ? "wrong at first" : "valid",
      cut: leftCuts-- > 0,
      slowMs: faults.slowDeliveryMs ?? 0,
      resend: faults.resend ?? true,
    };
  }

  function flush(number: number): void {
    const held = windows.get(number)?.held ?? [];
    windows.delete(number);
    // One lane for all windows: the order drawn here is the order of arrival.
    for (const letter of shuffled(held, `${run.seed}/window/${number}`)) enqueue("windows", () => send(letter));
  }

  const windowOfAgent = (agentId: AgentId) => windowOf(run.agents.findIndex((agent) => agent.agentId === agentId));

  return {
    post(letter) {
      const window = windows.get(windowOfAgent(letter.plan.agentId));
      if (window) window.held.push(letter);
      else enqueue(laneOf(letter.plan.agentId), () => send(letter));
    },
    ask(agentId, shipment) {
      enqueue(laneOf(agentId), async () => {
        if (signal.aborted) return;
        run.questions.push({ agentId, function: shipment.via, attempt: await attemptPlainly(shipment, signal) });
      });
    },
    agentDone(agentId) {
      const number = windowOfAgent(agentId);
      const window = windows.get(number);
      window?.open.delete(agentId);
      if (window?.open.size === 0) flush(number);
    },
    async finish() {
      for (const number of [...windows.keys()]) flush(number);
      await Promise.all(lanes.values());
      answered();
    },
    firstAnswer,
  };
}

function windowOf(position: number): number {
  return Math.floor(position / WINDOW_AGENTS);
}

/** Chance may leave a short list as it was; out of order must mean out of order. */
function shuffled(letters: readonly Letter[], seed: string): Letter[] {
  const order = drawFrom(seed).shuffle(letters);
  const [first, ...others] = order;
  const unchanged = order.every((letter, index) => letter === letters[index]);
  return unchanged && first !== undefined ? [...others, first] : order;
}
