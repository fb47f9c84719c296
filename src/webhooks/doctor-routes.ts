// The signature doctor over HTTP: an operator hands in a request that was not accepted and reads why.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { type Env, settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { diagnose, type Hint, type KnownSecrets } from "./doctor.ts";
import { TOLERANCE_SECONDS } from "./signature.ts";
import { bytesFromBase64 } from "./standard.ts";

const NO_STORE = { "Cache-Control": "no-store" };

const suspectBody = z
  .strictObject({
    /** As they arrived; upper and lower case do not matter. */
    headers: z.record(z.string(), z.string()),
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
  })
  .refine((given) => given.body === undefined || given.body_base64 === undefined, {
    path: ["body_base64"],
    message: "cannot stand beside body",
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

export const doctorRoutes = new Hono<AppEnv>().post(
  "/",
  requirePrincipal,
  smallBody,
  onlyJson,
  zValidator("json", suspectBody, refuseInvalid),
  async (c) => {
    const given = c.req.valid("json");
    const request = {
      headers: joinByName(given.headers),
      body: given.body_base64 ?? new TextEncoder().encode(given.body ?? ""),
      receivedAtMs: given.received_at === undefined ? now() : Date.parse(given.received_at),
    };
    const found = await diagnose(request, knownSecrets(c.env, c.var.principal.workspace));
    const answer = {
      success: true,
      signature_accepted: found.failedCheck === null,
      failed_check: found.failedCheck,
      scheme: found.scheme,
      age_seconds: found.ageSeconds,
      tolerance_seconds: TOLERANCE_SECONDS,
      secret: found.secret,
      checks: found.checks,
      hints: found.hints.map((hint) => ({ hint, detail: HINT_DETAIL[hint] })),
      hinted_secret: found.hintedSecret,
    };
    return c.json(answer, 200, NO_STORE);
  },
);

/** Two spellings of one name are two lines of one header, which HTTP joins. */
function joinByName(headers: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [spelling, value] of Object.entries(headers)) {
    const name = spelling.toLowerCase();
    const before = joined.get(name);
    joined.set(name, before === undefined ? value.trim() : `${before}, ${value.trim()}`);
  }
  return joined;
}

/** A secret under its older name is passed over as soon as one has the newer name: the usual trap of a rotation. */
function knownSecrets(env: Env, workspace: string): KnownSecrets {
  const settings = settingsFrom(env);
  const active = settings.webhookSecrets(workspace) ?? [];
  const older = workspace === settings.workspace ? env.OSA_WEBHOOK_SECRET : undefined;
  const isPassedOver = typeof older === "string" && older !== "" && active.every(({ value }) => value !== older);
  const retired = isPassedOver ? [{ name: "OSA_WEBHOOK_SECRET", value: older }] : [];
  return { active, retired, acceptsLegacy: settings.acceptsLegacySignatures };
}
