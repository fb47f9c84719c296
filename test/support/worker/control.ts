// Run control in the tests' hands: a clock that no alarm follows by itself, callers of both roles, what OPAL was sent.
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import worker from "../../../src/index.ts";
import { Workspace } from "../../../src/workspace/object.ts";
import {
  type Answer,
  agentEvent,
  CHAIN,
  call,
  eventually,
  ORIGIN,
  opalLedger,
  type RunNames,
  send,
  status,
  webhook,
} from "./client.ts";
import { advanceClock, stopClock } from "./faults.ts";
import { ring, sessionObject, workspaceObject } from "./objects.ts";

export type Body = Answer["body"];
type Fields = Readonly<Record<string, unknown>>;
type HeaderFields = Readonly<Record<string, string>>;

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

export const OPERATOR = "development key";
export const ADMIN = "operator@osa.localhost";

/** Stops the clock an hour ahead of the real one: alarms are set, and ring only when the test rings them. */
export function takeOverClock(): void {
  stopClock();
  advanceClock(HOUR_MS);
}

/** As an operator. */
export function post(path: string, body: unknown = {}, headers: HeaderFields = {}): Promise<Answer> {
  return call("POST", path, { body, headers });
}

export async function get(path: string): Promise<Body> {
  return (await call("GET", path)).body;
}

/** A trigger whose OPAL behaves as `opal` says. */
export function start(opal = "ok", fields: Fields = {}, headers: HeaderFields = {}): Promise<Answer> {
  return post("/api/force-sync/trigger", { client_context: { client_name: opal }, ...fields }, headers);
}

export function retry(id: string, fields: Fields = {}, headers: HeaderFields = {}): Promise<Answer> {
  return post(`/api/force-sync/retry/${id}`, fields, headers);
}

export function resume(id: string, fields: Fields = {}, headers: HeaderFields = {}): Promise<Answer> {
  return post(`/api/force-sync/resume/${id}`, fields, headers);
}

/** As an administrator, from the dashboard's own page. */
export function asAdmin(method: string, path: string, body?: unknown): Promise<Answer> {
  return asAdminWith({}, method, path, body);
}

export async function asAdminWith(more: HeaderFields, method: string, path: string, body?: unknown): Promise<Answer> {
  const signIn = await send("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: ADMIN, password: "test-password" }),
  });
  const [cookie] = signIn.headers.get("Set-Cookie")?.split(";") ?? [];
  const headers = { Cookie: cookie ?? "", Origin: ORIGIN, "Content-Type": "application/json", ...more };
  return send(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
}

export function switchOff(reason = "OPAL is being moved"): Promise<Answer> {
  return asAdmin("PUT", "/api/force-sync/switch", { enabled: false, reason });
}

export function switchOn(): Promise<Answer> {
  return asAdmin("PUT", "/api/force-sync/switch", { enabled: true });
}

/** The session's alarm rings: a call that is due is made. */
export async function ringSession(id: string): Promise<Body> {
  await ring(sessionObject(id));
  return status(id);
}

/** Rings without waiting for the call that this makes; resolves when it has ended, however that was. */
export async function ringMeanwhile(id: string): Promise<void> {
  await ring(sessionObject(id)).catch(() => undefined);
}

/** Time passes, and the session's alarm rings at the end of it. */
export async function pass(id: string, ms: number): Promise<Body> {
  advanceClock(ms);
  return ringSession(id);
}

/** A run that was started and whose first call was made. */
export async function startedRun(opal = "ok", fields: Fields = {}): Promise<Body> {
  const { status: code, body } = await start(opal, fields);
  if (code !== 200) throw new Error(`not started: ${JSON.stringify(body)}`);
  return ringSession(body.session_id);
}

/** Agents report their end, in the order given. */
export async function report(run: RunNames, agents: readonly string[] = CHAIN, outcome = "completed"): Promise<Body> {
  for (const agent of agents) await webhook(agentEvent(run, agent, outcome));
  return status(run.session_id);
}

/** A result of a shape that nobody knows. */
export function oddResult(run: RunNames, agent: string, more: Fields = {}): Promise<Answer> {
  return webhook(agentEvent(run, agent, "completed", { agent_data: { nobody: "knows this" }, ...more }));
}

export const othersThan = (...agents: readonly string[]) => CHAIN.filter((agent) => !agents.includes(agent));

/** A run that has ended with these agents failed and all others completed. */
export async function runWithout(agents: readonly string[], opal = "ok", fields: Fields = {}): Promise<Body> {
  const run = await startedRun(opal, fields);
  await report(run, agents, "failed");
  await report(run, othersThan(...agents));
  await holderIs(null);
  return status(run.session_id);
}

export async function agentOf(id: string, agent: string): Promise<Body> {
  const run = await status(id);
  return run.agents.find((candidate: Body) => candidate.agent_id === agent);
}

/** Waits until this session holds the workspace's lease, or nobody does. */
export async function holderIs(id: string | null): Promise<void> {
  await eventually(
    async () => (await workspaceObject().overview()).activeSessionId,
    (holder) => holder === id,
  );
}

/** Bodies of the calls that OPAL received under an idempotency key. */
export async function sentUnder(key: string): Promise<Body[]> {
  return (await opalLedger(key)).map((entry) => JSON.parse(entry.body));
}

export async function callsOf(id: string): Promise<number> {
  return (await opalLedger(id)).length;
}

/** Waits until OPAL has received so many calls of a run. */
export async function called(id: string, times = 1): Promise<void> {
  await eventually(
    () => callsOf(id),
    (calls) => calls === times,
  );
}

/** What our next call to OPAL gets in place of its answer, whether or not anybody still waits for it then. */
export function nextCallGets(answer: Promise<Response>): void {
  const fetchNow = globalThis.fetch;
  const spy = vi.spyOn(globalThis, "fetch").mockImplementation((...request) => {
    if (request[1]?.method !== "POST") return fetchNow(...request);
    spy.mockImplementation(fetchNow);
    return answer;
  });
}

export interface StuckRun {
  readonly id: string;
  /** Ends the call, and waits until the run has taken that in. */
  readonly letGo: () => Promise<void>;
}

/** A run whose call to OPAL nobody can end. */
export async function stuckRun(fields: Fields = {}): Promise<StuckRun> {
  let answerNow: (answer: Response) => void = () => {};
  const answer = new Promise<Response>((resolve) => {
    answerNow = resolve;
  });
  nextCallGets(answer);
  const { body } = await start("ok", fields);
  const ringing = ringMeanwhile(body.session_id);
  await eventually(
    () => status(body.session_id),
    (run) => run.attempts.length === 1,
  );
  const letGo = () => {
    answerNow(new Response(null, { status: 200 }));
    return ringing;
  };
  return { id: body.session_id, letGo };
}

/** What sessions say of themselves does not reach the workspace until called off. */
export function breakReports(): () => void {
  const spy = vi.spyOn(Workspace.prototype, "report").mockRejectedValue(new Error("the workspace does not answer"));
  return () => spy.mockRestore();
}

/** The workspace's own log, newest first. */
export async function logOf(...types: readonly string[]): Promise<Body[]> {
  const { entries } = await get("/api/force-sync/log");
  return entries.filter((entry: Body) => types.length === 0 || types.includes(entry.type));
}

/** What the platform's cron trigger calls each minute. */
export async function cronMinute(): Promise<void> {
  await worker.scheduled(createScheduledController(), { ...env });
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
