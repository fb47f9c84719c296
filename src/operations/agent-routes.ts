// One agent over HTTP, across runs.
import { drizzle } from "drizzle-orm/d1";
import { Hono } from "hono";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { AGENT_IDS, AGENTS, canonicalAgentId } from "../opal/agents.ts";
import { now } from "../platform/clock.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { workspaceOf } from "../sync/finding.ts";
import { agentHealth } from "../sync/store.ts";
import { agentHealthAnswer } from "./agent-health.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const DAY_MS = 24 * 60 * 60_000;

export const agentRoutes = new Hono<AppEnv>().get("/:agentId/health", requirePrincipal, async (c) => {
  const spelling = c.req.param("agentId");
  const agentId = canonicalAgentId(spelling);
  if (agentId === undefined) {
    const detail = `There is no such agent; the agents are ${AGENT_IDS.join(", ")}.`;
    const members = { resource_type: "agent", resource_id: spelling };
    return c.var.problem(refuse("resource_not_found", { detail, members }));
  }
  const { workspace } = c.var.principal;
  const since = now() - DAY_MS;
  try {
    const [history, { runs }] = await Promise.all([
      agentHealth(drizzle(c.env.DB), { workspace, agentId, since }),
      workspaceOf(c).overview(),
    ]);
    const isWorking = runs.some((run) => !run.isOver && run.workingAgents.includes(agentId));
    const limitMs = Math.max(1, Math.round(AGENTS[agentId].limitMs * settingsFrom(c.env).deadlineScale));
    return c.json(agentHealthAnswer({ agentId, isWorking, history, since, limitMs }), 200, NO_STORE);
  } catch (error) {
    log("error", "read_model_unavailable", { request_id: c.var.requestId, error: describeError(error) });
    const detail = "The agent's past cannot be read at the moment; running syncs are not affected.";
    return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
  }
});
