// Brings one delivery to OSA: addresses every attempt afresh, resends the same bytes until an answer settles it.

import { NotAdvertised } from "./discovery.ts";
import { type Answer, post } from "./post.ts";
import type { Draw } from "./random.ts";
import type { Attempt, Delivery } from "./records.ts";
import { rest } from "./rest.ts";
import type { Settings } from "./settings.ts";
import type { Shipment } from "./shipment.ts";

const ATTEMPT_TIMEOUT_MS = 10_000;
const FIRST_RESEND_MS = 250;
const MAX_RESEND_MS = 5_000;
const MAX_ATTEMPTS = 200;

export interface Disturbance {
  /** Or the bearer token. */
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
  shipment: Shipment,
  disturbance: Disturbance,
  { settings, draw, signal, onAnswer }: Means,
): Promise<void> {
  let wrongSignature = disturbance.signature !== "valid";
  if (signal.aborted) return settle("stopped");
  for (let number = 1; ; number++) {
    const cut = disturbance.cut && number === 1;
    const sent = await attemptOnce(shipment, { ...disturbance, wrongSignature, cut }, signal);
    const { attempt } = sent;
    delivery.attempts.push(attempt);
    onAnswer();
    settings.log(`${delivery.id} ${delivery.executionStatus}: ${attempt.status ?? attempt.answer}`);

    if (attempt.status !== null && attempt.status >= 200 && attempt.status < 300) return settle("acknowledged");
    if (attempt.status === 401 && disturbance.signature === "wrong at first" && wrongSignature) {
      wrongSignature = false;
      continue;
    }
    if (sent.isHopeless || !isWorthRepeating(attempt.status)) return settle("refused");
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

/** One attempt that nothing disturbs. */
export async function attemptPlainly(shipment: Shipment, signal: AbortSignal): Promise<Attempt> {
  const { attempt } = await attemptOnce(shipment, { wrongSignature: false, cut: false, slowMs: 0 }, signal);
  return attempt;
}

interface Sent {
  readonly attempt: Attempt;
  /** OSA does not offer what would have been called. */
  readonly isHopeless: boolean;
}

async function attemptOnce(
  { body, address }: Shipment,
  { wrongSignature, cut, slowMs }: { wrongSignature: boolean; cut: boolean; slowMs: number },
  signal: AbortSignal,
): Promise<Sent> {
  const startedMs = Date.now();
  const attempt = ({ status, text }: Answer): Attempt => ({
    at: new Date(startedMs).toISOString(),
    tookMs: Date.now() - startedMs,
    signature: wrongSignature ? "wrong" : "valid",
    status,
    answer: text,
  });
  try {
    const { url, headers } = await address(wrongSignature);
    const answer = await post({
      url,
      headers: { "Content-Type": "application/json", "User-Agent": "OPAL-Simulator/1.0", ...headers },
      body,
      timeoutMs: ATTEMPT_TIMEOUT_MS,
      pauseMs: slowMs,
      cut,
      signal,
    });
    return { attempt: attempt(answer), isHopeless: false };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { attempt: attempt({ status: null, text }), isHopeless: error instanceof NotAdvertised };
  }
}

function isWorthRepeating(status: number | null): boolean {
  return status === null || status === 408 || status === 429 || status >= 500;
}

/** Half fixed, half chance: a crowd of senders spreads out, yet nobody hammers. */
function resendDelayMs(failedAttempts: number, draw: Draw): number {
  const ceilingMs = Math.min(MAX_RESEND_MS, FIRST_RESEND_MS * 2 ** Math.min(failedAttempts - 1, 20));
  return ceilingMs * draw.decimal(0.5, 1, 4);
}
