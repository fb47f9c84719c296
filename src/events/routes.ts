// The event store over HTTP: every delivery of a workspace, one by one and all together.
import { zValidator } from "@hono/zod-validator";
import { drizzle } from "drizzle-orm/d1";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { workspaceOf } from "../sync/finding.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { detailAnswer, pageAnswer, SHOWN_BODY_BYTES } from "./answers.ts";
import { curlScript } from "./curl.ts";
import { exportLines } from "./export.ts";
import { eventFilter, exportQuery, listQuery } from "./filter.ts";
import { listEvents } from "./list.ts";
import { repeatsOf } from "./owner.ts";
import { redeliver, redeliveredAnswer } from "./redeliver.ts";
import { statsAnswer } from "./stats.ts";
import { readStats } from "./stats-store.ts";
import { statsQuery } from "./stats-window.ts";
import { findEvent, loadBody } from "./stored-event.ts";

const NO_STORE = { "Cache-Control": "no-store" };
/** Counts reach D1 a moment after the deliveries, so nobody misses anything by a minute. */
const STATS_FRESH_SECONDS = 60;

const redeliverBody = z.strictObject({
  /** Says what would change, and changes nothing. */
  dry_run: z.boolean().default(false),
});

/** Every id of a delivery, and no other word that may follow in an address. */
const DELIVERY = "/:id{whd_[A-Za-z0-9_]{1,60}}";

export const eventRoutes = new Hono<AppEnv>()
  .get("/", requirePrincipal, zValidator("query", listQuery, refuseInvalid), async (c) => {
    const { limit, cursor, ...given } = c.req.valid("query");
    return withD1(c, async () => {
      const filter = eventFilter(given, c.var.principal.workspace);
      return c.json(pageAnswer(await listEvents(c.env.DB, filter, cursor, limit)), 200, NO_STORE);
    });
  })
  .get("/stats", requirePrincipal, zValidator("query", statsQuery, refuseInvalid), (c) =>
    withD1(c, async () => {
      const window = c.req.valid("query")(now());
      const counts = await readStats(drizzle(c.env.DB), c.var.principal.workspace, window);
      return c.json(statsAnswer(window, counts), 200, { "Cache-Control": `private, max-age=${STATS_FRESH_SECONDS}` });
    }),
  )
  .get("/export", requirePrincipal, zValidator("query", exportQuery, refuseInvalid), async (c) => {
    const { include_body: hasBodies, cursor, ...given } = c.req.valid("query");
    const filter = eventFilter(given, c.var.principal.workspace);
    const lines = exportLines(c.env, { filter, after: cursor, hasBodies, requestId: c.var.requestId });
    return c.body(lines, 200, {
      ...NO_STORE,
      "Content-Type": "application/x-ndjson; charset=utf-8",
      "Content-Disposition": 'attachment; filename="webhook-events.ndjson"',
    });
  })
  .get(DELIVERY, requirePrincipal, (c) =>
    withD1(c, async () => {
      const found = await findEvent(c.env, c.var.principal.workspace, c.req.param("id"));
      if (!found.ok) return c.var.problem(found);
      const { event } = found;
      const isShown = event.bytes <= SHOWN_BODY_BYTES;
      const [body, duplicates] = await Promise.all([
        isShown ? loadBody(c.env, event) : undefined,
        repeatsOf(c.env, event).catch(() => undefined),
      ]);
      if (body !== undefined && !body.ok) return c.var.problem(body);
      const detail = { event, duplicates: duplicates ?? null, body: body?.bytes ?? ("too_large" as const) };
      return c.json(detailAnswer(detail), 200, NO_STORE);
    }),
  )
  .get(`${DELIVERY}/body`, requirePrincipal, (c) =>
    withD1(c, async () => {
      const found = await findBody(c);
      if (!found.ok) return c.var.problem(found);
      const { event, bytes } = found;
      return c.body(bytes.slice().buffer, 200, {
        ...NO_STORE,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": `attachment; filename="${event.delivery_id}.bin"`,
        "X-Content-SHA256": event.sha256,
      });
    }),
  )
  .get(`${DELIVERY}/curl`, requirePrincipal, (c) =>
    withD1(c, async () => {
      const found = await findBody(c);
      if (!found.ok) return c.var.problem(found);
      const { event, bytes: body } = found;
      const { workspace, delivery_id: deliveryId, source } = event;
      const script = curlScript({
        ...{ deliveryId, source, body, origin: new URL(c.req.url).origin },
        workspace: workspace === settingsFrom(c.env).workspace ? undefined : workspace,
      });
      return c.text(script, 200, NO_STORE);
    }),
  )
  .post(
    `${DELIVERY}/redeliver`,
    requirePrincipal,
    smallBody,
    onlyJson,
    zValidator("json", redeliverBody, refuseInvalid),
    (c) =>
      withD1(c, async () => {
        const { dry_run: isDryRun } = c.req.valid("json");
        const found = await findBody(c);
        if (!found.ok) return c.var.problem(found);
        const { event, bytes } = found;
        const actor = c.var.principal.name;
        const outcome = await redeliver(c.env, event, bytes, { actor, isDryRun, requestId: c.var.requestId });
        if (!outcome.ok) return c.var.problem(outcome);
        if (!isDryRun) {
          await workspaceOf(c).note("delivery_redelivered", actor, {
            delivery_id: event.delivery_id,
            session_id: event.session_id,
            changed: outcome.isChanged,
          });
        }
        return c.json(redeliveredAnswer(event.delivery_id, isDryRun, outcome), 200, NO_STORE);
      }),
  );

async function findBody(c: Context<AppEnv>) {
  const found = await findEvent(c.env, c.var.principal.workspace, c.req.param("id") ?? "");
  if (!found.ok) return found;
  const body = await loadBody(c.env, found.event);
  return body.ok ? { ...found, bytes: body.bytes } : body;
}

/** The store is D1; while that does not answer, nothing is lost, but nothing can be shown either. */
async function withD1(c: Context<AppEnv>, answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    log("error", "read_model_unavailable", { request_id: c.var.requestId, error: describeError(error) });
    const detail = "The event store does not answer at the moment; deliveries are taken in all the same.";
    return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
  }
}
