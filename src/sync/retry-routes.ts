// Running again, and stopping several at once.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { AppEnv } from "../app-env.ts";
import { runIdsFrom } from "../platform/ids.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { refuseInvalid } from "../validate.ts";
import type { SyncAnswer } from "../workspace/granted.ts";
import type { SyncOrder } from "../workspace/order.ts";
import { rerunAnswer, triggerAnswer } from "./answers.ts";
import { findRun, findRunOrQueued, sessionOf, workspaceOf } from "./finding.ts";
import { bulkCancelBody, clientChanges, resumeBody, retryBody, triggerHeaders } from "./schema.ts";
import { idempotencyFor, orderFrom, startedHeaders, startSync } from "./starting.ts";

const NO_STORE = { "Cache-Control": "no-store" };

export const retryRoutes = new Hono<AppEnv>()
  /** A run that has ended is repeated as a new, linked run; one under way runs its failed agents once more. */
  .post(
    "/retry/:id",
    zValidator("json", retryBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const found = await findRun(c, c.req.param("id"));
      if (!found.ok) return c.var.problem(found);
      const body = c.req.valid("json");
      const key = c.req.valid("header")["idempotency-key"];
      const { sessionId, isOver } = found.run;
      // Chosen agents are a matter of the run itself; once it has ended it says so, or repeats its first answer.
      if (isOver && body.agents === undefined) {
        const retry = { of: sessionId, how: "retry", failedOnly: body.failed_only ?? true } as const;
        return answerStart(c, await startSync(c, retryOrder(c, body, retry), key, { sessionId, body }));
      }
      const misplaced = fieldsOutOfPlace(body);
      if (misplaced) return c.var.problem(misplaced);
      const { name } = c.var.principal;
      const agents = body.agents ?? null;
      const idempotency = await idempotencyFor(c, { sessionId, body }, key);
      const answer = await workspaceOf(c).requestRerun(sessionId, agents, name, idempotency);
      return answerStart(c, answer);
    },
  )
  /** After a refused credential was put right: a new, linked run for whatever is missing. */
  .post(
    "/resume/:id",
    zValidator("json", resumeBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const found = await findRun(c, c.req.param("id"));
      if (!found.ok) return c.var.problem(found);
      const retry = { of: found.run.sessionId, how: "resume", failedOnly: true } as const;
      const key = c.req.valid("header")["idempotency-key"];
      return answerStart(c, await startSync(c, retryOrder(c, c.req.valid("json"), retry), key));
    },
  )
  /** Cancels the runs named, or every one that is active or waits for its turn. */
  .post("/cancel", zValidator("json", bulkCancelBody, refuseInvalid), async (c) => {
    const { session_ids: named, dry_run: isDryRun } = c.req.valid("json");
    const { activeSessionId, queued } = await workspaceOf(c).overview();
    // The one that waits goes first, or it would start when the active one ends.
    const all = [queued?.sessionId, activeSessionId].filter((id) => typeof id === "string");
    const chosen = named ? [...new Set(named)] : all;
    const results: { session_id: string; outcome: string }[] = [];
    const isWaiting = (id: string) => (runIdsFrom(id)?.sessionId ?? id) === queued?.sessionId;
    for (const id of chosen.toSorted((a, b) => Number(isWaiting(b)) - Number(isWaiting(a)))) {
      results.push({ session_id: id, outcome: await cancelOne(c, id, isDryRun) });
    }
    return c.json({ success: true, dry_run: isDryRun, count: results.length, results }, 200, NO_STORE);
  });

async function cancelOne(c: Context<AppEnv>, id: string, isDryRun: boolean): Promise<string> {
  const { name } = c.var.principal;
  const found = await findRunOrQueued(c, id);
  if (!found.ok) return found.code === "session_not_found" ? "not_found" : "not_reachable";
  if ("queued" in found) {
    if (isDryRun) return "would_be_withdrawn";
    if (await workspaceOf(c).withdraw(found.queued.sessionId, name)) return "withdrawn";
    // Its turn came in just this moment.
    return cancelSession(c, found.queued.sessionId);
  }
  const { isOver, sessionId } = found.run;
  if (isOver) return "already_ended";
  return isDryRun ? "would_be_cancelled" : cancelSession(c, sessionId);
}

async function cancelSession(c: Context<AppEnv>, sessionId: string): Promise<string> {
  const outcome = await sessionOf(c, sessionId).cancel(c.var.principal.name);
  if (!outcome.ok) return "already_ended";
  return outcome.isConfirmed ? "cancelled" : "cancelling";
}

/** While a run is under way its agents can be chosen, and nothing else about it. */
function fieldsOutOfPlace({ agents: _agents, ...rest }: z.infer<typeof retryBody>): Refusal | undefined {
  const given = Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const detail = "cannot be chosen while the run is under way, or for single agents";
  const errors = given.map((name) => ({ pointer: `/${name}`, detail }));
  return errors.length === 0 ? undefined : refuse("validation_failed", { errors });
}

type RetryChoice = Pick<NonNullable<SyncOrder["retry"]>, "of" | "how" | "failedOnly">;

/** Of the order, only who asks and what is to be replaced is used; the rest comes from the earlier run. */
function retryOrder(c: Context<AppEnv>, body: z.infer<typeof resumeBody>, retry: RetryChoice): SyncOrder {
  const { on_busy = "refuse", force_restart = false } = body;
  const asked = { retry_failed_only: false, on_busy, force_restart };
  return {
    ...orderFrom(asked, c.var.principal.name, "force_sync"),
    retry: {
      ...retry,
      isCredentialConfirmed: body.credential_confirmed ?? false,
      changes: {
        client: clientChanges(body.client_context),
        scope: body.sync_scope,
        timeoutOverrideMs: body.timeout_override,
      },
    },
  };
}

function answerStart(c: Context<AppEnv>, answer: SyncAnswer): Response {
  if (!answer.ok) return c.var.problem(answer);
  const { sync, isRepeat } = answer;
  const said = sync.outcome === "rerun" ? rerunAnswer(sync) : triggerAnswer(sync);
  return c.json(said, sync.outcome === "queued" ? 202 : 200, startedHeaders(sync, isRepeat));
}
