// Schedules over HTTP: create, list, change, pause, run now, delete.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { canonicalAgentId } from "../opal/agents.ts";
import { now } from "../platform/clock.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { triggerAnswer } from "../sync/answers.ts";
import { workspaceOf } from "../sync/finding.ts";
import { triggerHeaders } from "../sync/schema.ts";
import { startedHeaders, startSync } from "../sync/starting.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { scheduleAnswer } from "./answers.ts";
import { scheduleSync } from "./fire.ts";
import type { ScheduleOutcome, ScheduleRevision } from "./keeping.ts";
import type { ScheduleSettings } from "./schedule.ts";
import { type ScheduleBody, type ScheduleChange, scheduleBody, scheduleChange } from "./schema.ts";

const NO_STORE = { "Cache-Control": "no-store" };

export const scheduleRoutes = new Hono<AppEnv>()
  .use(requirePrincipal, smallBody, onlyJson)
  .get("/", async (c) => {
    const shown = await workspaceOf(c).schedules();
    const schedules = shown.map(({ schedule, firings }) => scheduleAnswer(schedule, firings, now()));
    return c.json({ success: true, schedules }, 200, NO_STORE);
  })
  .post("/", zValidator("json", scheduleBody, refuseInvalid), async (c) => {
    const body = c.req.valid("json");
    const problem = whichAgentIsUnknown(body.agent_filter);
    if (problem) return c.var.problem(problem);
    const outcome = await workspaceOf(c).createSchedule(settingsOf(body), c.var.principal.name);
    if (!outcome.ok) return c.var.problem(outcome);
    return c.json(shown(outcome), 201, { ...NO_STORE, Location: `/api/schedules/${outcome.schedule.id}` });
  })
  .get("/:id", async (c) => answer(c, await workspaceOf(c).schedule(c.req.param("id"))))
  .patch("/:id", zValidator("json", scheduleChange, refuseInvalid), async (c) => {
    const body = c.req.valid("json");
    const problem = whichAgentIsUnknown(body.agent_filter);
    if (problem) return c.var.problem(problem);
    const id = c.req.param("id");
    const known = await workspaceOf(c).schedule(id);
    if (!known.ok) return c.var.problem(known);
    const revision = revisionOf(body, known.schedule);
    return answer(c, await workspaceOf(c).changeSchedule(id, revision, c.var.principal.name));
  })
  .delete("/:id", async (c) => {
    const refusal = await workspaceOf(c).deleteSchedule(c.req.param("id"), c.var.principal.name);
    return refusal ? c.var.problem(refusal) : c.body(null, 204, NO_STORE);
  })
  .post("/:id/run", zValidator("header", triggerHeaders, refuseInvalid), async (c) => {
    const known = await workspaceOf(c).schedule(c.req.param("id"));
    if (!known.ok) return c.var.problem(known);
    const order = scheduleSync(known.schedule, { actor: c.var.principal.name, source: "force_sync" });
    const started = await startSync(c, order, c.req.valid("header")["idempotency-key"]);
    if (!started.ok) return c.var.problem(started);
    const { sync, isRepeat } = started;
    return c.json(triggerAnswer(sync), sync.outcome === "queued" ? 202 : 200, startedHeaders(sync, isRepeat));
  });

function answer(c: Context<AppEnv>, outcome: ScheduleOutcome): Response {
  return outcome.ok ? c.json(shown(outcome), 200, NO_STORE) : c.var.problem(outcome);
}

function shown({ schedule, firings }: Extract<ScheduleOutcome, { ok: true }>) {
  return { success: true as const, schedule: scheduleAnswer(schedule, firings, now()) };
}

function settingsOf(body: ScheduleBody): ScheduleSettings {
  const { name, cron, time_zone: timeZone, on_busy: onBusy } = body;
  return { name, cron, timeZone, onBusy, command: { ...commandOf(body), scope: body.sync_scope } };
}

/** Only what the change names. */
function revisionOf(body: ScheduleChange, known: ScheduleSettings): ScheduleRevision {
  const { command } = known;
  const changes = {
    name: body.name,
    cron: body.cron,
    timeZone: body.time_zone,
    onBusy: body.on_busy,
    isPaused: body.paused,
  };
  const given = commandOf(body);
  const isCommandChanged = body.sync_scope !== undefined || body.agent_filter !== undefined || body.client_context;
  return {
    ...Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)),
    ...(isCommandChanged
      ? {
          command: {
            scope: body.sync_scope ?? command.scope,
            agentFilter: body.agent_filter === undefined ? command.agentFilter : given.agentFilter,
            client: body.client_context === undefined ? command.client : given.client,
          },
        }
      : {}),
  };
}

function commandOf({
  agent_filter: agents,
  client_context: client,
}: Pick<ScheduleChange, "agent_filter" | "client_context">) {
  const { client_name: name, industry } = client ?? {};
  return {
    agentFilter: agents?.flatMap((spelling) => canonicalAgentId(spelling) ?? []) ?? null,
    client: { ...(name ? { name } : {}), ...(industry ? { industry } : {}) },
  };
}

function whichAgentIsUnknown(agents: readonly string[] | undefined): Refusal | undefined {
  const errors = (agents ?? []).flatMap((spelling, index) =>
    canonicalAgentId(spelling) ? [] : [{ pointer: `/agent_filter/${index}`, detail: "is not one of the agents" }],
  );
  return errors.length === 0 ? undefined : refuse("validation_failed", { errors });
}
