// Whether the time of a refusal tells how much of a digest was right: wrong in its first byte against wrong in its last.
import { createHmac } from "node:crypto";
import { drawFrom } from "../simulator/random.ts";
import { readSignature, verifyBody } from "../src/webhooks/signature.ts";

export interface Timing {
  /** Verifications of each kind. */
  readonly times: number;
  /** Mean of each kind in µs, without the slowest twentieth of both together. */
  readonly firstUs: number;
  readonly lastUs: number;
  /** Welch's t over all of them, and without the slowest twentieth. */
  readonly t: number;
  readonly croppedT: number;
}

const SECRET = "a-plain-text-secret-of-forty-characters-";
const NOW_SECONDS = 1_767_603_600;
const BODY = Buffer.from('{"workflow_id":"wf-1","event_type":"workflow_progress"}');
const WARM_UP = 2_000;
const KEPT_SHARE = 0.95;

/** Both kinds in an order drawn by chance, so that whatever slows the machine down slows both. */
export async function timeRefusals({ seed, times }: { seed: number; times: number }): Promise<Timing> {
  const digest = createHmac("sha256", SECRET).update(`${NOW_SECONDS}.`).update(BODY).digest("hex");
  const first = headerWith(wrongAt(digest, 0));
  const last = headerWith(wrongAt(digest, digest.length - 1));
  const order = drawFrom(seed, "timing").shuffle(Array.from({ length: 2 * times }, (_, index) => index < times));
  for (let round = 0; round < WARM_UP; round++) await timeOne(round % 2 === 0 ? first : last);
  const [firsts, lasts]: [number[], number[]] = [[], []];
  for (const isFirst of order) (isFirst ? firsts : lasts).push(await timeOne(isFirst ? first : last));
  const limit = quantile([...firsts, ...lasts], KEPT_SHARE);
  const [keptFirsts, keptLasts] = [firsts, lasts].map((all) => all.filter((us) => us <= limit));
  return {
    times,
    firstUs: mean(keptFirsts ?? []),
    lastUs: mean(keptLasts ?? []),
    t: welch(firsts, lasts),
    croppedT: welch(keptFirsts ?? [], keptLasts ?? []),
  };
}

async function timeOne(signature: string): Promise<number> {
  const header = readSignature({ signature, timestamp: null }, NOW_SECONDS * 1000, false);
  if (!header.ok) throw new Error(`not measured: ${header.reason}`);
  const begin = performance.now();
  const verified = await verifyBody(header, BODY, [{ name: "current", value: SECRET }]);
  const us = (performance.now() - begin) * 1000;
  if (verified.ok) throw new Error("not measured: a wrong digest was accepted");
  return us;
}

function headerWith(digest: string): string {
  return `t=${NOW_SECONDS},v1=${digest}`;
}

function wrongAt(digest: string, index: number): string {
  return digest.slice(0, index) + (digest.charAt(index) === "0" ? "1" : "0") + digest.slice(index + 1);
}

/** Welch's t: the difference of two means in units of its own uncertainty. Beyond 4.5 nobody calls it chance. */
function welch(one: readonly number[], other: readonly number[]): number {
  return (mean(one) - mean(other)) / Math.sqrt(variance(one) / one.length + variance(other) / other.length);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? Number.POSITIVE_INFINITY;
}
