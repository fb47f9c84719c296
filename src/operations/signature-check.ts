// Whether every active secret signs and verifies, in each form that the receivers accept: by the receivers' own code.
import type { Settings } from "../env.ts";
import { hex } from "../platform/hash.ts";
import { authenticate } from "../webhooks/authenticate.ts";
import { concat, importHmacKey, signBody } from "../webhooks/signature.ts";
import { standardKey } from "../webhooks/standard.ts";

type Form = "osa" | "standard" | "bare" | "legacy";

export interface SignatureCheck {
  readonly source: string;
  /** Name of the secret, never its value. */
  readonly secret: string;
  readonly form: Form;
  readonly run: () => Promise<void>;
}

const BODY = new TextEncoder().encode('{"event_type":"configuration_test"}');

/** One for each sender, secret and form of a workspace; each throws when what was signed is not accepted. */
export function signatureChecks(settings: Settings, workspace: string, now: number): SignatureCheck[] {
  const own = workspace === settings.workspace ? settings.sourcesWithSecrets : [];
  return ["opal", ...own].flatMap((source) =>
    (settings.webhookSecrets(workspace, source) ?? []).flatMap(({ name, value }) =>
      formsOf(source, settings).map((form) => ({
        source,
        secret: name,
        form,
        run: () => roundTrip({ name, value }, form, settings, now),
      })),
    ),
  );
}

function formsOf(source: string, { acceptsLegacySignatures }: Settings): Form[] {
  const bare: Form[] = source.startsWith("external:") ? ["bare"] : [];
  const legacy: Form[] = source === "opal" && acceptsLegacySignatures ? ["legacy"] : [];
  return ["osa", "standard", ...bare, ...legacy];
}

async function roundTrip(
  secret: { readonly name: string; readonly value: string },
  form: Form,
  { acceptsLegacySignatures }: Settings,
  now: number,
): Promise<void> {
  const headers = new Headers({ "Content-Type": "application/json", ...(await signed(secret.value, form, now)) });
  const request = new Request("https://osa.invalid/", { method: "POST", headers, body: BODY });
  const acceptance = { secrets: [secret], acceptsLegacy: acceptsLegacySignatures, acceptsBare: form === "bare" };
  const known = await authenticate(request, acceptance, now);
  if (!known.ok) throw new Error(`What this secret signed was refused: ${known.reason}.`);
  if (!known.secret.startsWith(secret.name)) throw new Error("What this secret signed was taken for another's.");
}

async function signed(secret: string, form: Form, now: number): Promise<Readonly<Record<string, string>>> {
  const seconds = String(Math.floor(now / 1000));
  const text = new TextEncoder();
  switch (form) {
    case "osa":
      return { "X-OSA-Signature": await signBody(BODY, secret, now) };
    case "bare": {
      const digest = await hmac(text.encode(secret), concat(text.encode(`${seconds}.`), BODY));
      return { "x-webhook-signature": hex(digest), "x-webhook-timestamp": seconds };
    }
    case "legacy": {
      const digest = await hmac(text.encode(secret), concat(text.encode(String(now)), BODY));
      return { "X-OSA-Signature": `t=${now},v1=${hex(digest)}` };
    }
    case "standard": {
      const digest = await hmac(standardKey(secret), concat(text.encode(`msg_test.${seconds}.`), BODY));
      const base64 = btoa(String.fromCharCode(...digest));
      return { "webhook-id": "msg_test", "webhook-timestamp": seconds, "webhook-signature": `v1,${base64}` };
    }
  }
}

async function hmac(key: Uint8Array, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await importHmacKey(key, "sign"), bytes));
}
