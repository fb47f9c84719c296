// What an administrator or operator does to the workspace and to agents, each as a named act with one request.
import { signal } from "@preact/signals";
import { perform } from "./acts.ts";
import { ask } from "./session.ts";

export const SWITCH = "switch";
export const BREAKER = "breaker";

export function withdrawal(sessionId: string): string {
  return `withdraw ${sessionId}`;
}

export function agentRerun(sessionId: string, agentId: string): string {
  return `rerun ${sessionId} ${agentId}`;
}

export const isSwitchDialogOpen = signal(false);

export function switchOff(reason: string): Promise<boolean> {
  return perform(SWITCH, () => ask("PUT", "/api/force-sync/switch", { body: { enabled: false, reason } }));
}

export function switchOn(): Promise<boolean> {
  return perform(SWITCH, () => ask("PUT", "/api/force-sync/switch", { body: { enabled: true } }));
}

export function resetBreaker(): Promise<boolean> {
  return perform(BREAKER, () => ask("POST", "/api/force-sync/breaker/reset", { body: {} }));
}

/** Takes the run that waits for its turn out of the queue. */
export function withdraw(sessionId: string): Promise<boolean> {
  const path = `/api/force-sync/status/${encodeURIComponent(sessionId)}`;
  return perform(withdrawal(sessionId), () => ask("DELETE", path));
}

/** One agent of a run under way once more. However often it has to be sent, it is one request. */
export function runAgentAgain(sessionId: string, agentId: string): Promise<boolean> {
  const path = `/api/force-sync/retry/${encodeURIComponent(sessionId)}`;
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  return perform(agentRerun(sessionId, agentId), () => ask("POST", path, { body: { agents: [agentId] }, headers }));
}
