// The log of a run over HTTP: what happened, what it looked like then, and why.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { refuse } from "../platform/refusal.ts";
import { refuseInvalid } from "../validate.ts";
import { statusAnswer } from "./answers.ts";
import { findRun, sessionOf } from "./finding.ts";
import { eventAnswer, whyAnswer } from "./history-answers.ts";
import { withChanges } from "./run/changes.ts";
import { explainAgent, explainRun } from "./run/explain.ts";
import { fold } from "./run/reduce.ts";
import { viewRun } from "./run/view.ts";
import { eventsQuery, stateQuery, whyQuery } from "./schema.ts";

const NO_STORE = { "Cache-Control": "no-store" };

export const historyRoutes = new Hono<AppEnv>()
  .get("/events/:id", zValidator("query", eventsQuery, refuseInvalid), async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const { sessionId } = found.run;
    const { after, limit } = c.req.valid("query");
    // What an event changed shows only when the log is read from its beginning.
    const log = await sessionOf(c, sessionId).events(0, after + limit);
    const events = withChanges(log, after).map(eventAnswer);
    const nextAfter = events.length === limit ? (events.at(-1)?.seq ?? null) : null;
    return c.json({ success: true, session_id: sessionId, events, next_after: nextAfter }, 200, NO_STORE);
  })
  .get("/state/:id", zValidator("query", stateQuery, refuseInvalid), async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const { at } = c.req.valid("query");
    const run = await sessionOf(c, found.run.sessionId).stateAt(at);
    if (run === undefined) return c.var.problem(beyondTheLog("?at", found.run.seq));
    const answer = statusAnswer(viewRun(run), { duplicates: 0, conflicts: 0 });
    return c.json({ ...answer, as_of_event: at, as_of: answer.updated_at, last_event: found.run.seq }, 200, NO_STORE);
  })
  .get("/why/:id", zValidator("query", whyQuery, refuseInvalid), async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const { sessionId, seq } = found.run;
    const { agent, at = seq } = c.req.valid("query");
    if (at > seq) return c.var.problem(beyondTheLog("?at", seq));
    const events = await sessionOf(c, sessionId).events(0, at);
    const run = fold(events);
    if (run.status === "absent") return c.var.problem(refuse("session_not_found"));
    const view = viewRun(run);
    const shown = view.agents.find((candidate) => candidate.id === agent);
    if (agent !== undefined && shown === undefined) {
      return c.var.problem(refuse("resource_not_found", { detail: "This run did not ask for this agent." }));
    }
    const steps = agent === undefined ? explainRun(events) : explainAgent(events, agent);
    return c.json(whyAnswer(sessionId, agent, shown?.state ?? view.status, steps), 200, NO_STORE);
  });

function beyondTheLog(pointer: string, lastSeq: number) {
  const detail = `is beyond the run's last event, which is ${lastSeq}`;
  return refuse("validation_failed", { detail: `${pointer} ${detail}.`, errors: [{ pointer, detail }] });
}
