// The signature doctor over HTTP: an operator hands in a request that was not accepted, or names a recorded one, and reads
// why. Recorded rejections are listed here too.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { type Env, settingsFrom } from "../env.ts";
import { inboxId } from "../inbox/delivery.ts";
import { now } from "../platform/clock.ts";
import { objectName } from "../platform/ids.ts";
import { refuse } from "../platform/refusal.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { type Diagnosis, diagnose } from "./doctor.ts";
import type { Hint, KnownSecrets, SuspectRequest } from "./doctor-hints.ts";
import { TOLERANCE_SECONDS } from "./signature.ts";
import { bytesFromBase64 } from "./standard.ts";

const RECEIVER = /^(opal|ga4|salesforce|external:[A-Za-z0-9_-]{1,64})$/;
const NO_STORE = { "Cache-Control": "no-store" };

const suspectBody = z
  .strictObject({
    /** One that was recorded when it was refused; nothing else is needed then. */
    rejection_id: z.number().int().positive().optional(),
    /** As they arrived; upper and lower case do not matter. */
    headers: z.record(z.string(), z.string()).optional(),
    body: z.string().optional(),
    /** For bodies that are no text. */
    body_base64: z
      .string()
      .transform((text, ctx) => {
        const bytes = bytesFromBase64(text);
        if (bytes !== undefined) return bytes;
        ctx.addIssue({ code: "custom", message: "must be base64 with padding" });
        return z.NEVER;
      })
      .optional(),
    received_at: z.iso.datetime({ offset: true }).optional(),
    /** The receiver it was sent to. */
    receiver: z.string().regex(RECEIVER, "must be opal, ga4, salesforce or external:<name>").optional(),
  })
  .superRefine((given, ctx) => {
    const { rejection_id: id, ...pasted } = given;
    const refuseField = (name: string, message: string) => ctx.addIssue({ code: "custom", path: [name], message });
    if (id !== undefined) {
      for (const name of Object.keys(pasted)) refuseField(name, "cannot stand beside rejection_id");
      return;
    }
    if (given.headers === undefined) refuseField("headers", "is missing");
    if (given.body !== undefined && given.body_base64 !== undefined)
      refuseField("body_base64", "cannot stand beside body");
  });

const rejectionsQuery = z.strictObject({
  /** `next_before` of the page before. */
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

const HINT_DETAIL: Readonly<Record<Hint, string>> = {
  old_application_form: "Signed in the old application's form: milliseconds directly followed by the body.",
  time_in_milliseconds: "The time is in milliseconds; it must be in seconds.",
  signed_without_time: "The time is not among the signed bytes.",
  digest_in_upper_case: "The digest is in capital letters; it must be in small ones.",
  digest_in_base64: "The digest is in base64; it must be hexadecimal.",
  digest_in_hex: "The digest is hexadecimal; it must be base64.",
  body_reserialised: "Signed was the same JSON without its spacing; the body was written anew after signing.",
  body_without_last_newline: "Signed was the body without its last line break.",
  body_with_lf: "Signed was the body with LF line breaks; something made them CRLF.",
  body_with_crlf: "Signed was the body with CRLF line breaks; something made them LF.",
  secret_not_active: "Signed with a secret that is configured but not accepted.",
};

export const doctorRoutes = new Hono<AppEnv>()
  .use(requirePrincipal)
  .get("/rejections", zValidator("query", rejectionsQuery, refuseInvalid), async (c) => {
    const { before, limit } = c.req.valid("query");
    const inbox = rejectionsOf(c);
    const found = await inbox.rejections({ before, limit });
    const nextBefore = found.length === limit ? (found.at(-1)?.id ?? null) : null;
    const totals = (await inbox.rejectionTotals()).map(({ atLeast, ...of }) => ({ ...of, at_least: atLeast }));
    return c.json(
      { success: true, rejections: found.map(rejectionAnswer), totals, next_before: nextBefore },
      200,
      NO_STORE,
    );
  })
  .post("/", smallBody, onlyJson, zValidator("json", suspectBody, refuseInvalid), async (c) => {
    const given = c.req.valid("json");
    const suspect = given.rejection_id === undefined ? handedIn(given) : await recorded(c, given.rejection_id);
    if (suspect === undefined) {
      const detail = "There is no such rejection any more: the newest thousand are kept.";
      return c.var.problem(refuse("resource_not_found", { detail }));
    }
    const known = knownSecrets(c.env, c.var.principal.workspace, suspect.receiver);
    return c.json(diagnosisAnswer(await diagnose(suspect, known), suspect), 200, NO_STORE);
  });

type Suspect = SuspectRequest & {
  readonly receiver: string;
  /** Why it was refused at the time, when that was recorded. */
  readonly refusedFor: string | null;
};

function handedIn(given: z.infer<typeof suspectBody>): Suspect {
  return {
    headers: joinByName(Object.entries(given.headers ?? {})),
    body: given.body_base64 ?? new TextEncoder().encode(given.body ?? ""),
    receivedAtMs: given.received_at === undefined ? now() : Date.parse(given.received_at),
    receiver: given.receiver ?? "opal",
    refusedFor: null,
  };
}

async function recorded(c: Context<AppEnv>, id: number): Promise<Suspect | undefined> {
  const found = await rejectionsOf(c).rejection(id);
  if (found === undefined) return undefined;
  const { request, body } = found;
  const { at: receivedAtMs, source: receiver, reason: refusedFor } = request;
  return { headers: joinByName(request.headers), body, receivedAtMs, receiver, refusedFor };
}

function rejectionsOf(c: Context<AppEnv>) {
  return c.env.INBOX.getByName(objectName(c.var.principal.workspace, inboxId("rejections")));
}

type Shown = Awaited<ReturnType<ReturnType<typeof rejectionsOf>["rejections"]>>[number];

function rejectionAnswer({ id, at, requestId, skewSeconds, hasBody, ...rest }: Shown) {
  return {
    ...{ id, at: new Date(at).toISOString(), ...rest },
    ...{ request_id: requestId, skew_seconds: skewSeconds, has_body: hasBody },
  };
}

function diagnosisAnswer(found: Diagnosis, { body, receiver, refusedFor }: Suspect) {
  return {
    success: true,
    signature_accepted: found.failedCheck === null && found.secret !== null,
    failed_check: found.failedCheck,
    scheme: found.scheme,
    receiver,
    refused_for: refusedFor,
    body_kept: body !== null,
    age_seconds: found.ageSeconds,
    tolerance_seconds: TOLERANCE_SECONDS,
    secret: found.secret,
    checks: found.checks,
    hints: found.hints.map((hint) => ({ hint, detail: HINT_DETAIL[hint] })),
    hinted_secret: found.hintedSecret,
  };
}

/** Two spellings of one name are two lines of one header, which HTTP joins. */
function joinByName(headers: readonly (readonly string[])[]): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [spelling = "", value = ""] of headers) {
    const name = spelling.toLowerCase();
    const before = joined.get(name);
    joined.set(name, before === undefined ? value.trim() : `${before}, ${value.trim()}`);
  }
  return joined;
}

/** A secret under its older name is passed over as soon as one has the newer name: the usual trap of a rotation. */
function knownSecrets(env: Env, workspace: string, receiver: string): KnownSecrets {
  const settings = settingsFrom(env);
  const active = settings.webhookSecrets(workspace, receiver) ?? [];
  const older = workspace === settings.workspace ? env.OSA_WEBHOOK_SECRET : undefined;
  const isPassedOver = typeof older === "string" && older !== "" && active.every(({ value }) => value !== older);
  const retired = isPassedOver ? [{ name: "OSA_WEBHOOK_SECRET", value: older }] : [];
  const acceptsLegacy = receiver === "opal" && settings.acceptsLegacySignatures;
  return { active, retired, acceptsLegacy, acceptsBare: receiver.startsWith("external:") };
}
