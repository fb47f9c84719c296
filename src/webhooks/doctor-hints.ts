// What would have had to be different for a signature to fit: the usual mistakes, tried one by one and together. Never
// computes a signature that could be shown: it only tries the given ones.
import { parseJsonBytes } from "../platform/json.ts";
import { bytesFromHex, concat, importHmacKey, LEGACY_MILLISECONDS, MAX_SIGNATURES } from "./signature.ts";
import { bytesFromBase64, standardKey } from "./standard.ts";

export type Scheme = "osa" | "legacy" | "bare" | "standard";

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
  /** Null when it was not kept. */
  readonly body: Uint8Array | null;
  readonly receivedAtMs: number;
}

export interface KnownSecrets {
  readonly active: readonly NamedSecret[];
  /** Known, but no longer accepted. */
  readonly retired: readonly NamedSecret[];
  readonly acceptsLegacy: boolean;
  /** Whether the receiver takes a bare digest as well. */
  readonly acceptsBare: boolean;
}

export const NO_HINTS = { hints: [], hintedSecret: null } as const;

interface Variant<Value> {
  readonly value: Value;
  readonly hints: readonly Hint[];
}

/** The fewest changes with which a given signature fits, and the name of the secret that fits then. */
export interface Hints {
  readonly hints: readonly Hint[];
  readonly hintedSecret: string | null;
}

/** Tries the given signatures with ever more changes; the first that fits is the likeliest mistake. */
export async function findHints(
  request: SuspectRequest,
  { active, retired }: KnownSecrets,
  scheme: Scheme,
): Promise<Hints> {
  const { prefixes, digests } = variantsOf(request.headers, scheme);
  if (request.body === null) return NO_HINTS;
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

function variantsOf(headers: ReadonlyMap<string, string>, scheme: Scheme): SignatureVariants {
  if (scheme === "standard") return standardVariants(headers);
  if (scheme !== "bare") return ownVariants(headers.get("x-osa-signature") ?? "", headers.get("x-osa-timestamp"));
  return ownVariants(`v1=${headers.get("x-webhook-signature")?.trim()}`, headers.get("x-webhook-timestamp"));
}

interface SignatureVariants {
  readonly prefixes: readonly Variant<string>[];
  readonly digests: readonly Variant<Uint8Array>[];
}

/** What stands before the body in the signed bytes, for every way to write our signature that we have heard of. */
function ownVariants(signature: string, timestamp: string | undefined): SignatureVariants {
  const { times, digests } = looseItems(signature, timestamp);
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
export function looseItems(signature: string, timestamp: string | undefined) {
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
