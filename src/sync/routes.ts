// Force sync over HTTP: start, retry, follow, explain, cancel, list. Handlers translate; the objects decide.
import { zValidator } from "@hono/zod-validator";
import { drizzle } from "drizzle-orm/d1";
import { Hono } from "hono";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { canonicalAgentId } from "../opal/agents.ts";
import { WORKFLOW_NAME } from "../opal/client.ts";
import { storedResult } from "../opal/results.ts";
import { joinParts } from "../platform/bodies.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { onlyJson, onlyWebSocket, refuseInvalid, smallBody } from "../validate.ts";
import { controlRoutes } from "../workspace/routes.ts";
import {
  cancelAnswer,
  heldDelivery,
  listedRun,
  missAdvice,
  queuedAnswer,
  queuedWorkflowAnswer,
  resultEnvelope,
  triggerAnswer,
  withdrawnAnswer,
  workflowAnswer,
} from "./answers.ts";
import { findRun, findRunOrQueued, findStatus, sessionOf, workspaceOf } from "./finding.ts";
import { historyRoutes } from "./history-routes.ts";
import { retryRoutes } from "./retry-routes.ts";
import { isUsable } from "./run/checkpoint.ts";
import { viewRun } from "./run/view.ts";
import { listQuery, missQuery, triggerBody, triggerHeaders } from "./schema.ts";
import { orderFrom, startedHeaders, startSync } from "./starting.ts";
import { listRuns } from "./store.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const JSON_NO_STORE = { ...NO_STORE, "Content-Type": "application/json" };
/** Held deliveries in one answer; `total` counts them all. */
const HELD_SHOWN = 100;

export const syncRoutes = new Hono<AppEnv>()
  .use(requirePrincipal, smallBody, onlyJson)
  .route("/", historyRoutes)
  .route("/", retryRoutes)
  .route("/", controlRoutes)
  .post(
    "/trigger",
    zValidator("json", triggerBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const body = c.req.valid("json");
      const { workflow_name: workflow = WORKFLOW_NAME } = body;
      if (workflow !== WORKFLOW_NAME) return c.var.problem(refuse("workflow_not_allowed"));
      const order = orderFrom(body, c.var.principal.name, "force_sync");
      const answer = await startSync(c, order, c.req.valid("header")["idempotency-key"]);
      if (!answer.ok) return c.var.problem(answer);
      const status = answer.sync.outcome === "queued" ? 202 : 200;
      return c.json(triggerAnswer(answer.sync), status, startedHeaders(answer.sync, answer.isRepeat));
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
    const found = await findStatus(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    if ("status" in found) return c.body(found.status, 200, JSON_NO_STORE);
    const { activeSessionId } = await workspaceOf(c).overview();
    return c.json(queuedAnswer(found.queued, activeSessionId), 200, NO_STORE);
  })
  .delete("/status/:id", async (c) => {
    const found = await findRunOrQueued(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const { name } = c.var.principal;
    if ("queued" in found && (await workspaceOf(c).withdraw(found.queued.sessionId, name))) {
      return c.json(withdrawnAnswer(found.queued), 200, NO_STORE);
    }
    // A run whose turn came in just this moment is cancelled like any other.
    const sessionId = "queued" in found ? found.queued.sessionId : found.run.sessionId;
    const outcome = await sessionOf(c, sessionId).cancel(name);
    if (!outcome.ok) return c.var.problem(outcome);
    return c.json(cancelAnswer(viewRun(outcome.run), outcome.isConfirmed), 200, NO_STORE);
  })
  .get("/results/:id/:agent", async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const agentId = canonicalAgentId(c.req.param("agent"));
    const agent = found.run.agents.find((candidate) => candidate.id === agentId);
    const late = found.run.attached.find((attached) => attached.agentId === agentId && isUsable(attached.result));
    const resultId = agent?.state === "completed" ? agent.resultId : (late?.result.bodyId ?? agent?.resultId);
    if (!resultId) {
      return c.var.problem(refuse("resource_not_found", { detail: "This agent has given no result in this run." }));
    }
    const parts = await sessionOf(c, found.run.sessionId).body(resultId);
    const result = storedResult.parse(JSON.parse(new TextDecoder().decode(joinParts(parts))));
    const envelope = resultEnvelope(result, agent?.endedAt ?? null);
    return c.json({ success: true, session_id: found.run.sessionId, ...result, ...envelope }, 200, NO_STORE);
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
    const found = await findRunOrQueued(c, id);
    if (found.ok) {
      const answer = "run" in found ? workflowAnswer(found.run, id) : queuedWorkflowAnswer(found.queued, id);
      return c.json(answer, 200, NO_STORE);
    }
    if (found.code !== "session_not_found") return c.var.problem(found);
    const members = { workflow_id: id, ...missAdvice(c.req.valid("query").miss) };
    return c.var.problem({ ...found, members: { ...found.members, ...members, error: "Workflow not found" } });
  });
