// Why a signed request was not accepted: every check of the receiver, and what would have had to be different. Names
// secrets, never shows one, and never computes a signature that could be shown: it only tries the given ones.
import {
  findHints,
  type Hints,
  type KnownSecrets,
  looseItems,
  NO_HINTS,
  type Scheme,
  type SuspectRequest,
} from "./doctor-hints.ts";
import { LEGACY_MILLISECONDS, readBareSignature, readSignature, TOLERANCE_SECONDS, verifyBody } from "./signature.ts";
import { readStandardSignature, verifyStandardBody } from "./standard.ts";

export type Check = "header_present" | "format" | "time" | "signature";

export interface CheckResult {
  readonly check: Check;
  /** Null when an earlier check left nothing to look at. */
  readonly ok: boolean | null;
  readonly detail: string;
}

export interface Diagnosis extends Hints {
  readonly scheme: Scheme | null;
  /** How long before it was received the request was signed; negative when it claims to come from the future. */
  readonly ageSeconds: number | null;
  /** Name of the active secret that signed it. */
  readonly secret: string | null;
  readonly failedCheck: Check | null;
  readonly checks: readonly CheckResult[];
}

/** Never throws for odd input. */
export async function diagnose(request: SuspectRequest, known: KnownSecrets): Promise<Diagnosis> {
  const scheme = schemeOf(request.headers, known.acceptsBare);
  if (scheme === null) {
    const names = ["X-OSA-Signature", "webhook-signature", ...(known.acceptsBare ? ["x-webhook-signature"] : [])];
    const detail = `There is none of ${names.join(", ")}.`;
    return conclude(null, null, null, [["header_present", false, detail], ...unseen("format", "time", "signature")]);
  }
  const present = ["header_present", true, `${HEADER_NAMES[scheme]} is there and decides.`] as const;
  const read = await readAtAnyTime(request, known, scheme);
  if (read === undefined) {
    const format = ["format", false, FORMAT_DETAIL[scheme]] as const;
    const checks = [present, format, ...unseen("time", "signature")];
    return { ...conclude(scheme, null, null, checks), ...(await findHints(request, known, scheme)) };
  }
  const { ageSeconds, secret } = read;
  const isInTime = Math.abs(ageSeconds) <= TOLERANCE_SECONDS;
  const checks = [
    present,
    ["format", true, "The form is as documented."],
    ["time", isInTime, timeDetail(ageSeconds)],
    signatureCheck(secret, request.body !== null),
  ] as const;
  const hints = secret === null ? await findHints(request, known, scheme) : NO_HINTS;
  return { ...conclude(scheme, ageSeconds, secret, checks), ...hints };
}

function signatureCheck(secret: string | null, isBodyKept: boolean): Row {
  if (!isBodyKept) return ["signature", null, "The body was not kept, so nobody can say."];
  return ["signature", secret !== null, secret === null ? MISMATCH_DETAIL : `It fits the secret named ${secret}.`];
}

const HEADER_NAMES = {
  ...{ osa: "X-OSA-Signature", legacy: "X-OSA-Signature" },
  ...{ bare: "x-webhook-signature", standard: "webhook-signature" },
} as const satisfies Record<Scheme, string>;

const FORMAT_DETAIL = {
  osa: "Expected is t=<unix seconds>,v1=<64 lower-case hexadecimal digits>: one t, one to five v1, at most 1,024 characters; X-OSA-Timestamp must agree.",
  legacy:
    "The time is in milliseconds. That is the old application's form: accepted only where it is switched on, with 64 lower-case hexadecimal digits.",
  bare: "Expected are 64 lower-case hexadecimal digits, and the time as unix seconds in x-webhook-timestamp. Only the receivers of other systems take this form.",
  standard:
    "Expected are webhook-id (1 to 256 visible characters), webhook-timestamp (unix seconds) and webhook-signature (one to five v1,<base64>, separated by single spaces, at most 1,024 characters).",
} as const satisfies Record<Scheme, string>;

const MISMATCH_DETAIL = "No active secret fits: another secret, other bytes of the body, or other signed bytes.";

type Row = readonly [check: Check, ok: boolean | null, detail: string];

function unseen(...checks: readonly Check[]): readonly Row[] {
  return checks.map((check) => [check, null, "Could not be looked at."] as const);
}

function conclude(
  scheme: Scheme | null,
  ageSeconds: number | null,
  secret: string | null,
  rows: readonly Row[],
): Diagnosis {
  const checks = rows.map(([check, ok, detail]) => ({ check, ok, detail }));
  const failedCheck = checks.find(({ ok }) => ok === false)?.check ?? null;
  return { scheme, ageSeconds, secret, failedCheck, checks, ...NO_HINTS };
}

function timeDetail(ageSeconds: number): string {
  const distance = `${Math.abs(ageSeconds)} s ${ageSeconds < 0 ? "after" : "before"} it was received`;
  return `It was signed ${distance}; ${TOLERANCE_SECONDS} s either way are accepted.`;
}

function schemeOf(headers: ReadonlyMap<string, string>, acceptsBare: boolean): Scheme | null {
  const signature = headers.get("x-osa-signature");
  if (signature === undefined) {
    if (acceptsBare && headers.has("x-webhook-signature")) return "bare";
    return headers.has("webhook-signature") ? "standard" : null;
  }
  const { times } = looseItems(signature, headers.get("x-osa-timestamp"));
  return times.some((time) => LEGACY_MILLISECONDS.test(time)) ? "legacy" : "osa";
}

/** The receiver's own two steps, but at a time of which the window cannot complain. Undefined for a wrong form. */
async function readAtAnyTime(
  { headers, body, receivedAtMs }: SuspectRequest,
  { active, acceptsLegacy }: KnownSecrets,
  scheme: Scheme,
): Promise<{ readonly ageSeconds: number; readonly secret: string | null } | undefined> {
  const at = (name: string) => headers.get(name) ?? null;
  const read = (nowMs: number) => {
    if (scheme === "bare") {
      const given = { signature: at("x-webhook-signature"), timestamp: at("x-webhook-timestamp") };
      return readBareSignature(given, nowMs);
    }
    if (scheme !== "standard") {
      const given = { signature: at("x-osa-signature"), timestamp: at("x-osa-timestamp") };
      return readSignature(given, nowMs, acceptsLegacy);
    }
    const names = { id: at("webhook-id"), timestamp: at("webhook-timestamp"), signature: at("webhook-signature") };
    return readStandardSignature(names, nowMs);
  };
  const first = read(receivedAtMs);
  if (first.skewSeconds === null) return undefined;
  const readable = read(receivedAtMs - first.skewSeconds * 1000);
  if (!readable.ok) return undefined;
  if (body === null) return { ageSeconds: first.skewSeconds, secret: null };
  const verified =
    readable.scheme === "standard"
      ? await verifyStandardBody(readable, body, active)
      : await verifyBody(readable, body, active);
  return { ageSeconds: first.skewSeconds, secret: verified.ok ? verified.secret : null };
}
