// What this isolate has refused, told to the workspace at most once a second: a flood costs others next to nothing.
// All of them are counted and a few kept whole. What an isolate has not told yet is lost with it, so counts are "at least".
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../app-env.ts";
import type { Env } from "../env.ts";
import { settingsFrom } from "../env.ts";
import { inboxId } from "../inbox/delivery.ts";
import {
  REJECTED_BODY_BYTES,
  type RejectionBatch,
  type RejectionCount,
  type RejectionSample,
} from "../inbox/rejection.ts";
import { readBytes } from "../platform/body.ts";
import { now } from "../platform/clock.ts";
import { sha256Hex } from "../platform/hash.ts";
import { objectName } from "../platform/ids.ts";
import { describeError, log } from "../platform/log.ts";
import { sleep, withinLimit } from "../platform/wait.ts";
import { type Rejected, rejected } from "./authenticate.ts";
import { keepHeaders } from "./kept-headers.ts";

const TELL_EVERY_MS = 1_000;
/** Kept whole, of each second. */
const SAMPLES_AT_ONCE = 20;
/** Kinds of rejections told apart between two tellings; any more are counted as one. */
const MAX_KINDS = 200;
/** A body that was not needed for the refusal is waited for no longer than this, in ms. */
const BODY_WAIT_MS = 250;
/** Whoever promised to tell and has not by then, in ms, is not waited for. */
const PROMISE_MS = 10_000;

export interface RejectedDelivery {
  readonly request: Request;
  readonly workspace: string;
  readonly requestId: string;
  /** Which receiver refused it. */
  readonly source: string;
  readonly startedAt: number;
  /** Bodies that may hold credentials are not kept. */
  readonly keepsBody: boolean;
}

interface Untold {
  readonly counts: Map<string, RejectionCount>;
  samples: RejectionSample[];
  /** Samples taken, also those whose body is still being read. */
  sampled: number;
  promisedAt: number;
  toldAt: number;
}

const untold = new Map<string, Untold>();

/** Counts a refused request, perhaps keeps it, and sees to it that the workspace hears of it. */
export async function noteRejection(
  env: Env,
  waitUntil: (promise: Promise<unknown>) => void,
  delivery: RejectedDelivery,
  rejection: Rejected,
): Promise<void> {
  const { workspace, source, startedAt } = delivery;
  const entry: Untold = untold.get(workspace) ?? nothingUntold();
  untold.set(workspace, entry);
  count(entry, { source, code: rejection.refusal.code, reason: rejection.reason, n: 1, sumMs: now() - startedAt });
  const isSampled = entry.sampled < SAMPLES_AT_ONCE;
  if (isSampled) entry.sampled++;
  const late = isSampled && delivery.keepsBody;
  const body = rejection.bytes ?? (late ? await readLate(delivery.request) : undefined);
  const sha256 = body === undefined ? null : await sha256Hex(body);
  logRejection(delivery, rejection, body, sha256);
  if (isSampled) entry.samples.push(sampleOf(delivery, rejection, body, sha256));
  if (now() - entry.promisedAt < PROMISE_MS) return;
  entry.promisedAt = now();
  waitUntil(tell(env, workspace, entry));
}

/** Around the functions that OPAL calls: what they refuse is noted like a webhook. */
export const noteRefusedCalls = createMiddleware<AppEnv>(async function noteRefusedCalls(c, next) {
  const startedAt = now();
  await next();
  const { refusal, requestId, principal } = c.var;
  if (c.req.method !== "POST" || refusal === undefined) return;
  const workspace = principal?.workspace ?? settingsFrom(c.env).workspace;
  const call = { request: c.req.raw, workspace, requestId, source: "opal_tool", startedAt, keepsBody: false };
  await noteRejection(c.env, (promise) => c.executionCtx.waitUntil(promise), call, rejected(refusal));
});

function nothingUntold(): Untold {
  return { counts: new Map(), samples: [], sampled: 0, promisedAt: 0, toldAt: 0 };
}

function count({ counts }: Untold, one: RejectionCount): void {
  const key = `${one.source} ${one.code} ${one.reason}`;
  const isKnown = counts.has(key) || counts.size < MAX_KINDS;
  const kind = isKnown ? one : { ...one, source: "other" };
  const name = isKnown ? key : `other ${one.code} ${one.reason}`;
  const before = counts.get(name);
  counts.set(name, { ...kind, n: (before?.n ?? 0) + one.n, sumMs: (before?.sumMs ?? 0) + one.sumMs });
}

/** The body of a request that was refused for its headers, if it is small and there already. */
async function readLate(request: Request): Promise<Uint8Array | undefined> {
  if (
    request.bodyUsed ||
    Number(request.headers.get("Content-Length") ?? REJECTED_BODY_BYTES + 1) > REJECTED_BODY_BYTES
  ) {
    return undefined;
  }
  try {
    const body = await withinLimit(readBytes(request, REJECTED_BODY_BYTES), BODY_WAIT_MS);
    return body.ok ? body.bytes : undefined;
  } catch {
    // It has not come in time; the refusal does not depend on it.
    return undefined;
  }
}

function sampleOf(
  { request, requestId, source, startedAt, keepsBody }: RejectedDelivery,
  { refusal, reason, skewSeconds }: Rejected,
  body: Uint8Array | undefined,
  sha256: string | null,
): RejectionSample {
  const facts = { at: startedAt, source, code: refusal.code, reason, requestId, skewSeconds, sha256 };
  return {
    request: {
      ...facts,
      path: new URL(request.url).pathname.slice(0, 256),
      address: request.headers.get("CF-Connecting-IP"),
      bytes: body?.length ?? null,
      headers: keepHeaders(request.headers),
    },
    body: keepsBody && body !== undefined && body.length <= REJECTED_BODY_BYTES ? body : null,
  };
}

function logRejection(
  { request, workspace, requestId, source }: RejectedDelivery,
  { refusal, reason, skewSeconds }: Rejected,
  body: Uint8Array | undefined,
  sha256: string | null,
): void {
  const isSignature = refusal.code === "signature_invalid";
  log("warn", isSignature ? "hmac_verification_failure" : "delivery_rejected", {
    request_id: requestId,
    workspace,
    source,
    code: refusal.code,
    reason,
    signature_provided: SIGNATURE_HEADERS.some((name) => request.headers.has(name)),
    skew_seconds: skewSeconds,
    source_ip: request.headers.get("CF-Connecting-IP"),
    bytes: body?.length,
    payload_hash: sha256,
  });
}

const SIGNATURE_HEADERS = ["X-OSA-Signature", "webhook-signature", "x-webhook-signature"] as const;

async function tell(env: Env, workspace: string, entry: Untold): Promise<void> {
  await sleep(Math.max(0, entry.toldAt + TELL_EVERY_MS - now()));
  const batch: RejectionBatch = { counts: [...entry.counts.values()], samples: entry.samples, at: now() };
  entry.counts.clear();
  entry.samples = [];
  entry.sampled = 0;
  entry.toldAt = now();
  entry.promisedAt = 0;
  try {
    await env.INBOX.getByName(objectName(workspace, inboxId("rejections"))).takeRejections(batch);
  } catch (error) {
    // Counted again with the next ones; the samples are given up.
    for (const one of batch.counts) count(entry, one);
    log("warn", "rejections_not_told", { workspace, error: describeError(error) });
  }
}
