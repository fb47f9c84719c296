// The events of a run's log that say that something went wrong with an agent, or what was done about it.
import type { EventBody } from "./events.ts";

export type TroubleLevel = "error" | "warning";

const LEVELS = {
  agent_failed: "error",
  agent_timed_out: "error",
  agent_gave_no_result: "error",
  result_quarantined: "error",
  agent_corrected: "warning",
  fallback_used: "warning",
  rerun_requested: "warning",
  escalated: "error",
  credential_refused: "error",
} as const satisfies Partial<Record<EventBody["type"], TroubleLevel>>;

export type TroubleType = keyof typeof LEVELS;

/** In the order in which D1's index of them names them. */
export const TROUBLE_TYPES: readonly TroubleType[] = Object.keys(LEVELS).filter(isTrouble);

export function isTrouble(type: string): type is TroubleType {
  return Object.hasOwn(LEVELS, type);
}

export function levelOf(type: TroubleType): TroubleLevel {
  return LEVELS[type];
}
