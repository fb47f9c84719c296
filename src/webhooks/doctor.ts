// Why a signed request was not accepted: every check of the receiver, and what would have had to be different. Names
// secrets, never shows one, and never computes a signature that could be shown: it only tries the given ones.
import { parseJsonBytes } from "../platform/json.ts";
import {
  bytesFromHex,
  concat,
  importHmacKey,
  LEGACY_MILLISECONDS,
  MAX_SIGNATURES,
  readSignature,
  TOLERANCE_SECONDS,
  verifyBody,
} from "./signature.ts";
import { bytesFromBase64, readStandardSignature, standardKey, verifyStandardBody } from "./standard.ts";

export type Check = "header_present" | "format" | "time" | "signature";
export type Scheme = "osa" | "legacy" | "standard";

export type Hint =
  | "old_application_form"
  | "time_in_milliseconds"
  | "signed_without_time"
  | "digest_in_upper_case"
  | "digest_in_base64"
  | "digest_in_hex"
  | "body_reserialised"
  | "body_without_last_newline"
  | "body_with_lf"
  | "body_with_crlf"
  | "secret_not_active";

export interface NamedSecret {
  readonly name: string;
  readonly value: string;
}

export interface SuspectRequest {
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly receivedAtMs: number;
}

export interface KnownSecrets {
  readonly active: readonly NamedSecret[];
  /** Known, but no longer accepted. */
  readonly retired: readonly NamedSecret[];
  readonly acceptsLegacy: boolean;
}

export interface CheckResult {
  readonly check: Check;
  /** Null when an earlier check left nothing to look at. */
  readonly ok: boolean | null;
  readonly detail: string;
}

export interface Diagnosis {
  readonly scheme: Scheme | null;
  /** How long before it was received the request was signed; negative when it claims to come from the future. */
  readonly ageSeconds: number | null;
  /** Name of the active secret that signed it. */
  readonly secret: string | null;
  readonly failedCheck: Check | null;
  readonly checks: readonly CheckResult[];
  /** The fewest changes with which a given signature fits; none when it fits as it is, or never. */
  readonly hints: readonly Hint[];
  /** Name of the secret that fits with these changes. */
  readonly hintedSecret: string | null;
}

/** Never throws for odd input. */
export async function diagnose(request: SuspectRequest, known: KnownSecrets): Promise<Diagnosis> {
  const scheme = schemeOf(request.headers);
  if (scheme === null) {
    const detail = "Neither X-OSA-Signature nor webhook-signature is there.";
    return conclude(null, null, null, [["header_present", false, detail], ...unseen("format", "time", "signature")]);
  }
  const name = scheme === "standard" ? "webhook-signature" : "X-OSA-Signature";
  const present = ["header_present", true, `${name} is there and decides.`] as const;
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
    ["signature", secret !== null, secret === null ? MISMATCH_DETAIL : `It fits the secret named ${secret}.`],
  ] as const;
  const hints = secret === null ? await findHints(request, known, scheme) : NO_HINTS;
  return { ...conclude(scheme, ageSeconds, secret, checks), ...hints };
}

const FORMAT_DETAIL = {
  osa: "Expected is t=<unix seconds>,v1=<64 lower-case hexadecimal digits>: one t, one to five v1, at most 1,024 characters; X-OSA-Timestamp must agree.",
  legacy:
    "The time is in milliseconds. That is the old application's form: accepted only where it is switched on, with 64 lower-case hexadecimal digits.",
  standard:
    "Expected are webhook-id (1 to 256 visible characters), webhook-timestamp (unix seconds) and webhook-signature (one to five v1,<base64>, separated by single spaces, at most 1,024 characters).",
} as const satisfies Record<Scheme, string>;

const MISMATCH_DETAIL = "No active secret fits: another secret, other bytes of the body, or other signed bytes.";
const NO_HINTS = { hints: [], hintedSecret: null } as const;

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

function schemeOf(headers: ReadonlyMap<string, string>): Scheme | null {
  const signature = headers.get("x-osa-signature");
  if (signature === undefined) return headers.has("webhook-signature") ? "standard" : null;
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
  const verified =
    readable.scheme === "standard"
      ? await verifyStandardBody(readable, body, active)
      : await verifyBody(readable, body, active);
  return { ageSeconds: first.skewSeconds, secret: verified.ok ? verified.secret : null };
}

interface Variant<Value> {
  readonly value: Value;
  readonly hints: readonly Hint[];
}

/** Tries the given signatures with ever more changes; the first that fits is the likeliest mistake. */
async function findHints(
  request: SuspectRequest,
  { active, retired }: KnownSecrets,
  scheme: Scheme,
): Promise<Pick<Diagnosis, "hints" | "hintedSecret">> {
  const { prefixes, digests } =
    scheme === "standard" ? standardVariants(request.headers) : ownVariants(request.headers);
  const bodies = bodyVariants(request.body);
  const secrets: readonly Variant<NamedSecret>[] = [
    ...active.map((value) => ({ value, hints: [] })),
    ...retired.map((value) => ({ value, hints: ["secret_not_active"] as const })),
  ];
  const attempts = secrets.flatMap((secret) =>
    prefixes.flatMap((prefix) =>
      bodies.flatMap((body) =>
        digests.map((digest) => {
          const hints = [...secret.hints, ...prefix.hints, ...body.hints, ...digest.hints];
          return { secret: secret.value, prefix: prefix.value, body: body.value, digest: digest.value, hints };
        }),
      ),
    ),
  );
  for (const attempt of attempts.toSorted((one, other) => one.hints.length - other.hints.length)) {
    const { secret, prefix, body, digest, hints } = attempt;
    const keyBytes = scheme === "standard" ? standardKey(secret.value) : new TextEncoder().encode(secret.value);
    const key = await importHmacKey(keyBytes, "verify");
    const signedBytes = concat(new TextEncoder().encode(prefix), body);
    if (await crypto.subtle.verify("HMAC", key, digest, signedBytes)) {
      return hints.length === 0 ? NO_HINTS : { hints, hintedSecret: secret.name };
    }
  }
  return NO_HINTS;
}

interface SignatureVariants {
  readonly prefixes: readonly Variant<string>[];
  readonly digests: readonly Variant<Uint8Array>[];
}

/** What stands before the body in the signed bytes, for every way to write X-OSA-Signature that we have heard of. */
function ownVariants(headers: ReadonlyMap<string, string>): SignatureVariants {
  const { times, digests } = looseItems(headers.get("x-osa-signature") ?? "", headers.get("x-osa-timestamp"));
  const prefixes = times.flatMap((time): Variant<string>[] => {
    if (!LEGACY_MILLISECONDS.test(time)) return [{ value: `${time}.`, hints: [] }];
    return [
      { value: `${time}.`, hints: ["time_in_milliseconds"] },
      { value: time, hints: ["old_application_form"] },
    ];
  });
  return { prefixes: [...prefixes, WITHOUT_TIME], digests: digests.flatMap((text) => readDigest(text, "hex")) };
}

function standardVariants(headers: ReadonlyMap<string, string>): SignatureVariants {
  const id = headers.get("webhook-id") ?? "";
  const time = headers.get("webhook-timestamp") ?? "";
  const digests = (headers.get("webhook-signature") ?? "").split(/[ ,]+/).filter((text) => text.length > 2);
  const hints: readonly Hint[] = LEGACY_MILLISECONDS.test(time) ? ["time_in_milliseconds"] : [];
  return {
    prefixes: [{ value: `${id}.${time}.`, hints }, { value: `${id}.`, hints: ["signed_without_time"] }, WITHOUT_TIME],
    digests: digests.slice(0, MAX_SIGNATURES).flatMap((text) => readDigest(text, "base64")),
  };
}

const WITHOUT_TIME: Variant<string> = { value: "", hints: ["signed_without_time"] };

/** The items of a header however badly it is written, at most as many as a good one may have. */
function looseItems(signature: string, timestamp: string | undefined) {
  const items = signature.split(",").map((item) => item.trim());
  const values = (key: string) => items.filter((item) => item.startsWith(key)).map((item) => item.slice(key.length));
  const times = [...values("t="), ...(timestamp === undefined ? [] : [timestamp.trim()])];
  return { times: [...new Set(times)].slice(0, 2), digests: values("v1=").slice(0, MAX_SIGNATURES) };
}

function readDigest(text: string, expected: "hex" | "base64"): Variant<Uint8Array>[] {
  if (/^[0-9a-fA-F]{64}$/.test(text)) {
    const encoding: readonly Hint[] = expected === "hex" ? [] : ["digest_in_hex"];
    const letters: readonly Hint[] = /[A-F]/.test(text) ? ["digest_in_upper_case"] : [];
    return [{ value: bytesFromHex(text), hints: [...encoding, ...letters] }];
  }
  const value = bytesFromBase64(text);
  return value === undefined ? [] : [{ value, hints: expected === "base64" ? [] : ["digest_in_base64"] }];
}

/** The body as it is, and as it may have been when it was signed. */
function bodyVariants(body: Uint8Array): Variant<Uint8Array>[] {
  const variants: Variant<Uint8Array>[] = [{ value: body, hints: [] }];
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return variants;
  }
  const add = (hint: Hint, changed: string) => {
    if (changed !== text) variants.push({ value: new TextEncoder().encode(changed), hints: [hint] });
  };
  add("body_without_last_newline", text.replace(/\r?\n$/, ""));
  add("body_with_lf", text.replaceAll("\r\n", "\n"));
  add("body_with_crlf", text.replaceAll(/\r?\n/g, "\r\n"));
  const document = parseJsonBytes(body);
  if (document.ok) add("body_reserialised", JSON.stringify(document.value));
  return variants;
}
