// What the simulator remembers and shows under /simulator/runs and /simulator/ledger: plain data, times as ISO 8601.

import type { AgentId } from "./agents.ts";
import type { Trouble } from "./fault-book.ts";
import type { Faults, TriggerFault } from "./faults.ts";

/** What a trigger's `input_data` asks for besides the run itself; what is absent or unusable is null or false. */
export interface Asked {
  readonly agentFilter: readonly string[] | null;
  /** Id of the run or attempt that this one repeats. */
  readonly retryOf: string | null;
  /** The agents work on less. */
  readonly reducedScope: boolean;
  /** Recorded, and nothing else. */
  readonly timeoutOverrideMs: number | null;
}

export const NOTHING_ASKED: Asked = { agentFilter: null, retryOf: null, reducedScope: false, timeoutOverrideMs: null };

export type ExecutionStatus = "started" | "running" | "completed" | "failed";

export interface Attempt {
  readonly at: string;
  readonly tookMs: number;
  /** Or of the bearer token, where a function was called. */
  readonly signature: "valid" | "wrong";
  /** HTTP status; null when no answer came. */
  readonly status: number | null;
  /** The start of the answer's body, or why there was none. */
  readonly answer: string;
}

export interface Delivery {
  readonly id: string;
  readonly agentId: AgentId;
  readonly executionStatus: ExecutionStatus;
  /** `webhook`, or the function of OSA's that was called. */
  readonly via: string;
  readonly bodySha256: string;
  readonly bodyBytes: number;
  readonly attempts: Attempt[];
  /**
   * Refused: an answer that is not worth repeating. Given up: tries used up. Stopped: ended from outside. Lost: a fault
   * kept it from being sent at all.
   */
  outcome: "pending" | "acknowledged" | "refused" | "given up" | "stopped" | "lost";
}

/** A call of a function of OSA's that only reads. */
export interface Question {
  readonly agentId: AgentId;
  readonly function: string;
  readonly attempt: Attempt;
}

export interface AgentRecord {
  readonly agentId: AgentId;
  readonly spelling: string;
  readonly plannedMs: number;
  /** 1 for the first time that the agent plays in this run and in what it repeats. */
  readonly play: number;
  state: "waiting" | "running" | "completed" | "failed" | "silent" | "stalled";
  startedAt: string | null;
  endedAt: string | null;
}

export interface Run {
  readonly workflowId: string;
  /** The first workflow of the run that this one belongs to or repeats; often its own id. */
  readonly origin: string;
  /** Nobody triggered it here. */
  readonly foreign: boolean;
  readonly correlationId: string | null;
  readonly sessionId: string | null;
  readonly idempotencyKey: string | null;
  readonly asked: Asked;
  readonly seed: string;
  readonly order: "sequence" | "parallel";
  readonly faults: Faults;
  readonly startedAt: string;
  endedAt: string | null;
  /** Playing ends when the last agent does; deliveries may still be under way. Died: the fault stopAfterAgents. */
  state: "playing" | "ended" | "died" | "stopped";
  readonly agents: AgentRecord[];
  readonly deliveries: Delivery[];
  readonly questions: Question[];
}

export interface TriggerCall {
  readonly at: string;
  readonly idempotencyKey: string | null;
  readonly correlationId: string | null;
  readonly sessionId: string | null;
  /** From the body, whatever the answer is; nothing when the body was not read. */
  asked: Asked;
  /** A workflow belongs to this call, whether or not the caller could learn it. */
  accepted: boolean;
  /** It was started by an earlier call with the same idempotency key. */
  repeated: boolean;
  /** The body is not the one that came first with this key. */
  bodyDiffers: boolean;
  workflowId: string | null;
  fault: TriggerFault["kind"] | Trouble["kind"] | null;
  /** HTTP status, or how the caller was left without one. */
  answered: number | "pending" | "connection destroyed" | "never";
  reason: string | null;
}
