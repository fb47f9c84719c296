// Brings one webhook to OSA: signs every attempt afresh, resends the same bytes until an answer settles it.

import { post } from "./post.ts";
import type { Draw } from "./random.ts";
import type { Attempt, Delivery } from "./records.ts";
import { rest } from "./rest.ts";
import type { Settings } from "./settings.ts";
import { sign } from "./sign.ts";

const WEBHOOK_PATH = "/api/webhooks/opal-workflow";
const ATTEMPT_TIMEOUT_MS = 10_000;
const FIRST_RESEND_MS = 250;
const MAX_RESEND_MS = 5_000;
const MAX_ATTEMPTS = 200;

export interface Disturbance {
  readonly signature: "valid" | "wrong" | "wrong at first";
  /** The first attempt ends in the middle of its body. */
  readonly cut: boolean;
  readonly slowMs: number;
  readonly resend: boolean;
}

interface Means {
  readonly settings: Settings;
  readonly draw: Draw;
  readonly signal: AbortSignal;
  /** Called after every attempt. */
  readonly onAnswer: () => void;
}

/** Settles `delivery.outcome`; never rejects. */
export async function deliver(
  delivery: Delivery,
  body: Buffer,
  disturbance: Disturbance,
  { settings, draw, signal, onAnswer }: Means,
): Promise<void> {
  let wrongSignature = disturbance.signature !== "valid";
  if (signal.aborted) return settle("stopped");
  for (let number = 1; ; number++) {
    const cut = disturbance.cut && number === 1;
    const attempt = await attemptOnce(body, { ...disturbance, wrongSignature, cut }, settings, signal);
    delivery.attempts.push(attempt);
    onAnswer();
    settings.log(`${delivery.id} ${delivery.executionStatus}: ${attempt.status ?? attempt.answer}`);

    if (attempt.status !== null && attempt.status >= 200 && attempt.status < 300) return settle("acknowledged");
    if (attempt.status === 401 && disturbance.signature === "wrong at first" && wrongSignature) {
      wrongSignature = false;
      continue;
    }
    if (!isWorthRepeating(attempt.status)) return settle("refused");
    if (signal.aborted) return settle("stopped");
    if (!disturbance.resend || number === MAX_ATTEMPTS) return settle("given up");
    try {
      await rest(resendDelayMs(number, draw), signal);
    } catch {
      return settle("stopped");
    }
  }

  function settle(outcome: Delivery["outcome"]): void {
    delivery.outcome = outcome;
  }
}

async function attemptOnce(
  body: Buffer,
  { wrongSignature, cut, slowMs }: { wrongSignature: boolean; cut: boolean; slowMs: number },
  settings: Settings,
  signal: AbortSignal,
): Promise<Attempt> {
  const startedMs = Date.now();
  const secret = wrongSignature ? `not ${settings.webhookSecret}` : settings.webhookSecret;
  const answer = await post({
    url: webhookUrl(settings.target),
    headers: {
      "Content-Type": "application/json",
      "User-Agent": "OPAL-Simulator/1.0",
      "X-OSA-Signature": sign(secret, body, Math.floor(startedMs / 1000)),
    },
    body,
    timeoutMs: ATTEMPT_TIMEOUT_MS,
    pauseMs: slowMs,
    cut,
    signal,
  });
  return {
    at: new Date(startedMs).toISOString(),
    tookMs: Date.now() - startedMs,
    signature: wrongSignature ? "wrong" : "valid",
    status: answer.status,
    answer: answer.text,
  };
}

/** A target with a path is used as it is, so that another workspace's webhook can be named. */
export function webhookUrl(target: URL): URL {
  return target.pathname === "/" ? new URL(WEBHOOK_PATH, target) : target;
}

function isWorthRepeating(status: number | null): boolean {
  return status === null || status === 408 || status === 429 || status >= 500;
}

/** Half fixed, half chance: a crowd of senders spreads out, yet nobody hammers. */
function resendDelayMs(failedAttempts: number, draw: Draw): number {
  const ceilingMs = Math.min(MAX_RESEND_MS, FIRST_RESEND_MS * 2 ** Math.min(failedAttempts - 1, 20));
  return ceilingMs * draw.decimal(0.5, 1, 4);
}
