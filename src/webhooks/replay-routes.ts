// Replaying a run's deliveries over HTTP, for administrators.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requireAdmin, requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { checkRun, isStateFold, LOOKS_AGAIN, type RunCheck } from "../operations/run-check.ts";
import { describeError, log } from "../platform/log.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { findRun, sessionOf } from "../sync/finding.ts";
import type { RunEvent } from "../sync/run/events.ts";
import type { KnownRun } from "../sync/run/state.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { type ChangedDelivery, examine } from "./replay.ts";
import { replayAnswer } from "./replay-answers.ts";

const NO_STORE = { "Cache-Control": "no-store" };

const replayBody = z.strictObject({
  /** Any of the run's ids. */
  workflow_id: z.string().min(1).max(128),
  /** Says what would change, and changes nothing. */
  dry_run: z.boolean().default(false),
  /** Number of the first delivery to read again. */
  from_offset: z.number().int().min(0).default(0),
  replay_options: z.strictObject({ force_reprocess: z.boolean().default(false) }).optional(),
});

export const replayRoutes = new Hono<AppEnv>().post(
  "/replay",
  requirePrincipal,
  requireAdmin,
  smallBody,
  onlyJson,
  zValidator("json", replayBody, refuseInvalid),
  async (c) => {
    const {
      workflow_id: id,
      dry_run: isDryRun,
      from_offset: fromOffset,
      replay_options: options,
    } = c.req.valid("json");
    const found = await findRun(c, id);
    if (!found.ok) return c.var.problem(found);
    const session = sessionOf(c, found.run.sessionId);
    const range = { fromOffset, isForced: options?.force_reprocess ?? false };
    const examination = await examine(await session.deliveries(), (deliveryId) => session.body(deliveryId), range);
    if (!examination.ok) return c.var.problem(examination);
    const before = (await session.read())?.run;
    if (before === undefined) return c.var.problem(refuse("session_not_found"));
    const applied = await apply(c, session, before, examination.changed, isDryRun);
    if (!applied.ok) return c.var.problem(applied);
    const check = await checkOrUndefined(c, session);
    const isFold = check?.isStateFold ?? (await isStateFold(session));
    const { events, run: after } = applied;
    return c.json(
      replayAnswer({ examination, isDryRun, before, after, events, isStateFold: isFold, check }),
      200,
      NO_STORE,
    );
  },
);

type Session = ReturnType<typeof sessionOf>;
type Applied = { readonly ok: true; readonly events: readonly RunEvent[]; readonly run: KnownRun } | Refusal;

async function apply(
  c: Context<AppEnv>,
  session: Session,
  before: KnownRun,
  changed: readonly ChangedDelivery[],
  isDryRun: boolean,
): Promise<Applied> {
  if (changed.length === 0) return { ok: true, events: [], run: before };
  const actor = c.var.principal.name;
  const results = isDryRun ? [] : changed.flatMap((delivery) => delivery.results);
  const reprocessings = changed.map((delivery) => delivery.reprocessing);
  const outcome = await session.reprocess(reprocessings, results, { actor, isDryRun });
  if ("ok" in outcome) return outcome;
  if (!isDryRun) {
    log("info", "deliveries_replayed", {
      request_id: c.var.requestId,
      session_id: before.request.sessionId,
      actor,
      changed: changed.length,
      events: outcome.events.length,
    });
  }
  return { ok: true, events: outcome.events, run: outcome.run };
}

async function checkOrUndefined(c: Context<AppEnv>, session: Session): Promise<RunCheck | undefined> {
  try {
    return await checkRun(session, LOOKS_AGAIN);
  } catch (error) {
    log("warn", "read_model_unavailable", { request_id: c.var.requestId, error: describeError(error) });
    return undefined;
  }
}
