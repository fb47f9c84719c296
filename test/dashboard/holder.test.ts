// The run in the way, as the server's own refusal describes it, in words.
import { describe, expect, test } from "vitest";
import { type Problem, readProblem } from "../../src/dashboard/api.ts";
import { describeHolder, type Holder, holderOf, refreshHolder } from "../../src/dashboard/holder.ts";
import { problemResponse } from "../../src/platform/problem.ts";
import { refuse } from "../../src/platform/refusal.ts";
import { type RunSummary, summarise } from "../../src/sync/report.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import type { Estimate } from "../../src/workspace/estimate.ts";
import { describeHolder as holderMembers } from "../../src/workspace/holder.ts";
import { agentStarted, at, given, running } from "../support/node/given.ts";

const NOW = at(60);
const MINUTE_MS = 60_000;
const NO_RECORD = { estimates: 0, endedByP50Share: null, endedByP90Share: null, medianErrorMs: null };

function summary(): RunSummary {
  return summarise(viewRun(given(...running(), [5, agentStarted("integration_health")]).run()));
}

function foretold(p50Ms: number, p90Ms: number, basedOn = 12, isOverdue = false): Estimate {
  return { known: true, p50At: NOW + p50Ms, p90At: NOW + p90Ms, basedOn, isOverdue };
}

async function refused(estimate: Estimate, known: RunSummary | undefined = summary()): Promise<Problem> {
  const members = holderMembers({ sessionId: "sync-2", summary: known, estimate, record: NO_RECORD });
  const context = { instance: "/api/force-sync/trigger", requestId: "req-1", now: NOW };
  const response = problemResponse(refuse("run_active", { members }), context);
  return readProblem(response.status, await response.text());
}

async function holder(estimate: Estimate, known?: RunSummary): Promise<Holder> {
  const found = holderOf(await refused(estimate, known));
  if (found === null) throw new Error("no holder");
  return found;
}

test("who started it, who is at work, and when it will end", async () => {
  const found = await holder(foretold(3.5 * MINUTE_MS, 7 * MINUTE_MS));
  expect(found.sessionId).toBe("sync-2");
  expect(describeHolder(found, NOW)).toBe(
    "Started by operator@osa.localhost. At work: Integration health. It ends probably in 4 to 7 min, from 12 past runs.",
  );
});

describe("the probable end", () => {
  const end = async (estimate: Estimate, now = NOW) =>
    describeHolder(await holder(estimate), now)
      .split(". ")
      .at(-1);

  test("is one number where both ends of it are the same", async () => {
    expect(await end(foretold(3.2 * MINUTE_MS, 3.9 * MINUTE_MS, 1))).toBe(
      "It ends probably in about 4 min, from 1 past run.",
    );
    expect(await end(foretold(10_000, 50_000))).toBe("It ends probably within a minute, from 12 past runs.");
  });

  test("comes nearer while the notice stands, and is overdue once it has passed", async () => {
    const estimate = foretold(3 * MINUTE_MS, 6 * MINUTE_MS);
    expect(await end(estimate, NOW + 2 * MINUTE_MS)).toContain("in 1 to 4 min");
    expect(await end(estimate, NOW + 6 * MINUTE_MS)).toContain("takes longer than was to be expected");
    expect(await end(foretold(0, 0, 3, true))).toContain("from 3 past runs");
  });

  test("is not made up where nobody can tell", async () => {
    const found = await holder({ known: false, reason: "no_past_run" });
    expect(describeHolder(found, NOW)).toContain("cannot be said. No comparable run has been completed yet.");
  });
});

test("a run of which nothing has been heard is named all the same", async () => {
  const problem = await refused({ known: false, reason: "not_accepted_yet" });
  const { started_by: _by, current_agents: _agents, estimated_end: _end, ...members } = problem.members;
  const found = holderOf({ ...problem, members });
  expect(found && describeHolder(found, NOW)).toBe("No agent is at work yet. When it will end cannot be said.");
});

test("what the overview knows meanwhile is newer", async () => {
  const found = refreshHolder(await holder(foretold(MINUTE_MS, MINUTE_MS)), {
    ...summary(),
    workingAgents: ["geo_audit", "content_review"],
  });
  expect(found.agentsAtWork).toEqual(["GEO audit", "Content review"]);
  expect(refreshHolder(found, undefined)).toBe(found);
});

test("another refusal names no holder, even if it names a run", async () => {
  const problem = await refused(foretold(1, 1));
  expect(holderOf({ ...problem, code: "queue_full" })).toBeNull();
  expect(holderOf({ ...problem, members: {} })).toBeNull();
});
