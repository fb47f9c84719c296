// Force sync over HTTP: start, follow, cancel, list. Handlers translate; what happens is decided in the objects.
import { zValidator } from "@hono/zod-validator";
import { drizzle } from "drizzle-orm/d1";
import { type Context, Hono } from "hono";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { canonicalAgentId } from "../opal/agents.ts";
import { WORKFLOW_NAME } from "../opal/client.ts";
import { storedResult, summariseResult } from "../opal/results.ts";
import { joinParts } from "../platform/bodies.ts";
import { sha256Hex } from "../platform/hash.ts";
import { objectName, runIdsFrom } from "../platform/ids.ts";
import { describeError, log } from "../platform/log.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { onlyJson, onlyWebSocket, refuseInvalid, smallBody } from "../validate.ts";
import {
  cancelAnswer,
  grantedAnswer,
  heldDelivery,
  listedRun,
  missAdvice,
  type Repeats,
  statusAnswer,
  statusUrl,
  triggerAnswer,
  workflowAnswer,
} from "./answers.ts";
import { type RunView, viewRun } from "./run/view.ts";
import { eventsQuery, listQuery, missQuery, triggerBody, triggerHeaders } from "./schema.ts";
import { listRuns } from "./store.ts";

const NO_STORE = { "Cache-Control": "no-store" };
/** Held deliveries in one answer; `total` counts them all. */
const HELD_SHOWN = 100;
const DEFAULT_CLIENT = "OSA dashboard";

export const syncRoutes = new Hono<AppEnv>()
  .use(requirePrincipal, smallBody, onlyJson)
  .post(
    "/trigger",
    zValidator("json", triggerBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const { sync_scope: scope, client_context: client, workflow_name: workflow } = c.req.valid("json");
      if (workflow !== undefined && workflow !== WORKFLOW_NAME) return c.var.problem(refuse("workflow_not_allowed"));
      const command = {
        scope,
        client: {
          name: client?.client_name ?? DEFAULT_CLIENT,
          ...(client?.industry ? { industry: client.industry } : {}),
        },
        actor: c.var.principal.name,
      };
      const requestHash = await sha256Hex(new TextEncoder().encode(JSON.stringify(command)));
      const key = c.req.valid("header")["idempotency-key"];
      const idempotency = key === undefined ? undefined : { key, requestHash };
      const answer = await workspaceOf(c).requestSync(command, idempotency);
      if (!answer.ok) return c.var.problem(answer);
      // The grant is durable: the run starts even if its session cannot be asked at this moment.
      const found = await readRun(c, answer.sessionId);
      const said = found.ok ? triggerAnswer(found.run) : grantedAnswer(answer.sessionId, found);
      return c.json(said, 200, {
        ...NO_STORE,
        Location: statusUrl(answer.sessionId),
        ...(answer.isRepeat ? { "Idempotent-Replayed": "true" } : {}),
      });
    },
  )
  .get("/runs", zValidator("query", listQuery, refuseInvalid), async (c) => {
    const page = c.req.valid("query");
    try {
      const runs = await listRuns(drizzle(c.env.DB), { workspace: c.var.principal.workspace, ...page });
      const last = runs.length === page.limit ? runs.at(-1) : undefined;
      const nextBefore = last ? `${last.triggerTimestamp}.${last.sessionId}` : null;
      return c.json({ success: true, runs: runs.map(listedRun), next_before: nextBefore }, 200, NO_STORE);
    } catch (error) {
      log("error", "read_model_unavailable", { request_id: c.var.requestId, error: describeError(error) });
      const detail = "The history cannot be read at the moment; running syncs are not affected.";
      return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
    }
  })
  .get("/held", async (c) => {
    const { total, deliveries } = await workspaceOf(c).held(HELD_SHOWN);
    return c.json({ success: true, total, deliveries: deliveries.map(heldDelivery) }, 200, NO_STORE);
  })
  .get("/status/:id", async (c) => {
    const found = await findRun(c, c.req.param("id"));
    return found.ok ? c.json(statusAnswer(found.run, found), 200, NO_STORE) : c.var.problem(found);
  })
  .delete("/status/:id", async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const outcome = await sessionOf(c, found.run.sessionId).cancel(c.var.principal.name);
    if (!outcome.ok) return c.var.problem(outcome);
    return c.json(cancelAnswer(viewRun(outcome.run), outcome.isConfirmed), 200, NO_STORE);
  })
  .get("/events/:id", zValidator("query", eventsQuery, refuseInvalid), async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const { after, limit } = c.req.valid("query");
    const events = await sessionOf(c, found.run.sessionId).events(after, limit);
    const nextAfter = events.length === limit ? (events.at(-1)?.seq ?? null) : null;
    return c.json({ success: true, session_id: found.run.sessionId, events, next_after: nextAfter }, 200, NO_STORE);
  })
  .get("/results/:id/:agent", async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const agentId = canonicalAgentId(c.req.param("agent"));
    const agent = found.run.agents.find((candidate) => candidate.id === agentId);
    if (!agent?.resultId) {
      return c.var.problem(refuse("resource_not_found", { detail: "This agent has given no result in this run." }));
    }
    const parts = await sessionOf(c, found.run.sessionId).body(agent.resultId);
    const result = storedResult.parse(JSON.parse(new TextDecoder().decode(joinParts(parts))));
    return c.json(
      { success: true, session_id: found.run.sessionId, ...result, summary: summariseResult(result) },
      200,
      NO_STORE,
    );
  })
  .use("/live/*", onlyWebSocket)
  .get("/live", (c) => workspaceOf(c).fetch(c.req.raw))
  .get("/live/:id", async (c) => {
    const found = await findRun(c, c.req.param("id"));
    return found.ok ? sessionOf(c, found.run.sessionId).fetch(c.req.raw) : c.var.problem(found);
  });

/** Workflow status by any of the four ids. */
export const workflowStatusRoutes = new Hono<AppEnv>()
  .use(requirePrincipal)
  .get("/:id", zValidator("query", missQuery, refuseInvalid), async (c) => {
    const id = c.req.param("id");
    const found = await findRun(c, id);
    if (found.ok) return c.json(workflowAnswer(found.run, id), 200, NO_STORE);
    if (found.code !== "session_not_found") return c.var.problem(found);
    const members = { workflow_id: id, ...missAdvice(c.req.valid("query").miss) };
    return c.var.problem({ ...found, members: { ...found.members, ...members, error: "Workflow not found" } });
  });

type Found = ({ readonly ok: true; readonly run: RunView } & Repeats) | Refusal;

/** By session, correlation, workflow or OPAL id. */
async function findRun(c: Context<AppEnv>, id: string): Promise<Found> {
  const sessionId = runIdsFrom(id)?.sessionId ?? (id.length <= 128 ? await workspaceOf(c).locate(id) : undefined);
  return sessionId === undefined ? notFound(id) : readRun(c, sessionId);
}

async function readRun(c: Context<AppEnv>, sessionId: string): Promise<Found> {
  const read = await sessionOf(c, sessionId).read();
  if (read) {
    const { run, duplicates, conflicts } = read;
    return { ok: true, run: viewRun(run), duplicates, conflicts };
  }
  const isGranted = (await workspaceOf(c).overview()).activeSessionId === sessionId;
  if (!isGranted) return notFound(sessionId);
  return refuse("service_unavailable", { detail: "The run is granted and about to start.", retryAfterSeconds: 1 });
}

function notFound(id: string): Refusal {
  return refuse("session_not_found", { members: { resource_type: "force_sync", resource_id: id } });
}

function workspaceOf(c: Context<AppEnv>) {
  return c.env.WORKSPACE.getByName(objectName(c.var.principal.workspace, "workspace"));
}

function sessionOf(c: Context<AppEnv>, sessionId: string) {
  return c.env.SYNC_SESSION.getByName(objectName(c.var.principal.workspace, sessionId));
}
