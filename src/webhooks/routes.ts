// The webhook front doors: OPAL, GA4, Salesforce and other systems post here; the signature is the only credential.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { SAFE_NAME } from "../platform/ids.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { describeError, log } from "../platform/log.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { deliveryAnswer } from "./answers.ts";
import { type Acceptance, type Authenticated, authenticate, type Rejected, rejected } from "./authenticate.ts";
import { debugNotice } from "./debug.ts";
import { keepHeaders } from "./kept-headers.ts";
import { type NoticeKind, readNotice } from "./notices.ts";
import { newDeliveryId, type Received, readDelivery, takeIn, takeIntoInbox } from "./receive.ts";
import { noteRejection } from "./rejections.ts";
import { selfDescription } from "./self-description.ts";
import { behindWall } from "./wall.ts";

/** One receiver: whose deliveries it takes, and for which workspace. */
interface Door {
  /** As deliveries and counts name it. */
  readonly source: string;
  readonly kind: "opal" | NoticeKind;
  readonly workspace: string;
}

type Reception = Door & {
  readonly c: Context<AppEnv>;
  readonly startedAt: number;
};

export const webhookRoutes = new Hono<AppEnv>()
  .get("/opal-workflow", (c) => c.json(selfDescription("opal")))
  .get("/opal-workflow/:workspace", (c) => c.json(selfDescription("opal")))
  .get("/ga4", (c) => c.json(selfDescription("ga4")))
  .get("/salesforce", (c) => c.json(selfDescription("salesforce")))
  .get("/external/:source", (c) => c.json(selfDescription("external")))
  .use("/*", behindWall)
  .post("/opal-workflow", (c) => receive(c, { kind: "opal", source: "opal", workspace: own(c) }))
  .post("/opal-workflow/:workspace", (c) =>
    receive(c, { kind: "opal", source: "opal", workspace: c.req.param("workspace") }),
  )
  .post("/ga4", (c) => receive(c, { kind: "ga4", source: "ga4", workspace: own(c) }))
  .post("/ga4/:workspace", (c) => receive(c, { kind: "ga4", source: "ga4", workspace: c.req.param("workspace") }))
  .post("/salesforce", (c) => receive(c, { kind: "salesforce", source: "salesforce", workspace: own(c) }))
  .post("/salesforce/:workspace", (c) =>
    receive(c, { kind: "salesforce", source: "salesforce", workspace: c.req.param("workspace") }),
  )
  .post("/external/:source", (c) => receiveExternal(c, c.req.param("source"), own(c)))
  .post("/external/:source/:workspace", (c) => receiveExternal(c, c.req.param("source"), c.req.param("workspace")));

function own(c: Context<AppEnv>): string {
  return settingsFrom(c.env).workspace;
}

/** Other systems are told apart by a name of their own choice. */
function receiveExternal(c: Context<AppEnv>, name: string, workspace: string): Response | Promise<Response> {
  if (!SAFE_NAME.test(name)) return c.var.problem(refuse("resource_not_found"));
  return receive(c, { kind: "external", source: `external:${name}`, workspace });
}

async function receive(c: Context<AppEnv>, door: Door): Promise<Response> {
  const { workspace } = door;
  const secrets = SAFE_NAME.test(workspace) ? acceptanceOf(c, door) : undefined;
  if (secrets === undefined) return c.var.problem(refuse("resource_not_found"));
  const reception = { ...door, c, startedAt: now() };
  const known = await authenticate(c.req.raw, secrets, reception.startedAt);
  if (!known.ok) return refuseDelivery(reception, known);
  const received =
    door.kind === "opal" ? await receiveFromOpal(reception, known) : await receiveNotice(reception, door.kind, known);
  if (!received.ok) return refuseDelivery(reception, rejected(received, known.bytes));
  const common = {
    success: true,
    webhook_id: received.deliveryId,
    correlation_id: received.correlationId ?? c.var.requestId,
    processing_time_ms: now() - reception.startedAt,
  };
  const { code, said } = deliveryAnswer(received);
  const errors = received.errors.length > 0 ? { errors: received.errors } : {};
  return c.json({ ...said, ...errors, ...common }, code);
}

function acceptanceOf(c: Context<AppEnv>, { kind, source, workspace }: Door): Acceptance | undefined {
  const settings = settingsFrom(c.env);
  const secrets = settings.webhookSecrets(workspace, source);
  const acceptsLegacy = kind === "opal" && settings.acceptsLegacySignatures;
  return secrets && { secrets, acceptsLegacy, acceptsBare: kind === "external" };
}

type Taken = (Extract<Received, { ok: true }> & { readonly errors: readonly object[] }) | Refusal;

async function receiveFromOpal({ c, workspace, startedAt }: Reception, known: Authenticated): Promise<Taken> {
  const { secret, messageId } = known;
  const receipt = { deliveryId: newDeliveryId(), source: "opal", receivedAt: startedAt, secret };
  const arrival = { headers: keepHeaders(c.req.raw.headers), messageId };
  const read = await readDelivery(known.bytes, receipt, arrival);
  if (!read.ok) return read;
  const taken = await takeIn(c.env, { workspace, requestId: c.var.requestId }, read);
  return taken.ok ? { ...taken, errors: [] } : taken;
}

async function receiveNotice(
  { c, source, workspace, startedAt }: Reception,
  kind: NoticeKind,
  { bytes, secret, messageId }: Authenticated,
): Promise<Taken> {
  const document = parseJsonBytes(bytes);
  if (!document.ok) return refuse(document.code, { detail: `${document.why}.` });
  const arrival = { receivedAt: startedAt, secret, messageId, headers: keepHeaders(c.req.raw.headers) };
  const receipt = { kind, source, deliveryId: newDeliveryId(), ...arrival };
  const { delivery, errors } = await readNotice(bytes, document.value, receipt);
  try {
    const taken = await takeIntoInbox(c.env, workspace, kind, delivery);
    debugNotice(c.env, { workspace, requestId: c.var.requestId }, delivery.facts, taken);
    return taken.ok ? { ...taken, errors } : taken;
  } catch (error) {
    // The sender keeps the delivery and sends it again; nothing is half written.
    log("error", "delivery_not_stored", { request_id: c.var.requestId, workspace, error: describeError(error) });
    return refuse("service_unavailable", { retryAfterSeconds: 2 });
  }
}

async function refuseDelivery({ c, source, workspace, startedAt }: Reception, rejection: Rejected): Promise<Response> {
  const delivery = { request: c.req.raw, workspace, requestId: c.var.requestId, source, startedAt, keepsBody: true };
  await noteRejection(c.env, (promise) => c.executionCtx.waitUntil(promise), delivery, rejection);
  return c.var.problem(rejection.refusal);
}
