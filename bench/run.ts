// Runs to measure on: each measured round has one of its own, so that none grows beyond what it is about.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { WebhookStream } from "./load/webhook.ts";
import { OPERATOR } from "./settings.ts";

const WEBHOOK_PATH = "/api/webhooks/opal-workflow";
const POLL_MS = 25;
const LIMIT_MS = 30_000;

const meter = z.object({
  waiting: z.record(z.string(), z.number()),
  d1: z.object({ calls: z.number(), statements: z.number(), rowsWritten: z.number(), rowsRead: z.number() }),
});
export type Meter = z.infer<typeof meter>;

export interface MeasuredRun {
  readonly sessionId: string;
  readonly liveUrl: string;
  readonly statusUrl: string;
  readonly stream: (status: WebhookStream["status"], seed: number) => WebhookStream;
  readonly readMeter: () => Promise<Meter>;
  /** Waits until everything has been told to D1 and to the workspace; resolves to how long that took, in ms. */
  readonly drained: () => Promise<number>;
  /** Cancels it, so that the next one may begin. */
  readonly end: () => Promise<void>;
}

const started = z.object({ session_id: z.string(), correlation_id: z.string() });
const status = z.object({ state: z.string() });

/** Starts a run and waits until OPAL has accepted it. */
export async function startRun(url: string): Promise<MeasuredRun> {
  const begun = await ask(url, "/api/force-sync/trigger", started, { method: "POST", body: "{}" });
  const { session_id: sessionId, correlation_id: correlationId } = begun;
  const statusUrl = `/api/force-sync/status/${sessionId}`;
  await until(async () => (await ask(url, statusUrl, status)).state === "running", "the run is accepted");
  const readMeter = () => ask(url, `/api/bench-meter/${sessionId}`, meter);
  const drained = async () => {
    const begin = performance.now();
    await until(async () => waitingIn(await readMeter()) === 0, "the outbox is empty");
    return performance.now() - begin;
  };
  return {
    sessionId,
    statusUrl,
    liveUrl: `/api/force-sync/live/${sessionId}`,
    stream: (what, seed) => ({ path: WEBHOOK_PATH, correlationId, status: what, seed }),
    readMeter,
    drained,
    end: async () => {
      await ask(url, statusUrl, z.unknown(), { method: "DELETE" });
      await until(async () => (await ask(url, statusUrl, status)).state === "cancelled", "the run is cancelled");
      await drained();
    },
  };
}

/**
 * While the act lasts, D1 answers so many ms later than it does here, where it shares a thread with everything else and
 * has always answered before the next request is read.
 */
export async function withDistance<Value>(url: string, ms: number, act: () => Promise<Value>): Promise<Value> {
  await ask(url, `/api/bench-distance/${ms}`, z.unknown());
  try {
    return await act();
  } finally {
    await ask(url, "/api/bench-distance/0", z.unknown());
  }
}

export function waitingIn({ waiting }: Meter): number {
  return Object.values(waiting).reduce((sum, count) => sum + count, 0);
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${LIMIT_MS / 1000} s until ${what}`);
    await sleep(POLL_MS);
  }
}

export async function ask<Schema extends z.ZodType>(
  url: string,
  path: string,
  schema: Schema,
  init: { method?: string; body?: string } = {},
): Promise<z.infer<Schema>> {
  const headers = { ...OPERATOR, "Content-Type": "application/json" };
  const response = await fetch(`${url}${path}`, { ...init, headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method ?? "GET"} ${path} answered ${response.status}: ${text}`);
  return schema.parse(JSON.parse(text));
}
