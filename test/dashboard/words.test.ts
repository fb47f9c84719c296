// States in words.
import { expect, test } from "vitest";
import { shownResult } from "../../src/dashboard/results.ts";
import {
  agentReason,
  agentWord,
  cachedWords,
  escalationWords,
  runWord,
  scopeName,
  syncButtonWords,
} from "../../src/dashboard/words.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import {
  agentStarted,
  agentTimedOut,
  at,
  ended,
  fallbackUsed,
  given,
  type Past,
  quarantined,
  requested,
  rerunRequested,
  result,
  running,
} from "../support/node/given.ts";

function agent(id: string, ...past: readonly Past[]) {
  const found = viewRun(given(...past).run()).agents.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no agent ${id}`);
  return found;
}

test("an agent whose turn has come but who has said nothing is awaited, the next one waits", () => {
  expect(agentWord(agent("integration_health", ...running())).word).toBe("Report awaited");
  expect(agentWord(agent("content_review", ...running())).word).toBe("Waiting");
  expect(agentWord(agent("integration_health", [0, requested()])).word).toBe("Waiting");
  expect(agentWord(agent("integration_health", ...running(), [1, agentStarted("integration_health")])).word).toBe(
    "Working",
  );
});

test("an agent that the end of the run cut off is told from one that never began", () => {
  const cancelled: Past[] = [
    ...running(),
    [1, agentStarted("integration_health")],
    [2, ended("cancelled", "cancelled_by_operator")],
  ];
  expect(agentReason(agent("integration_health", ...cancelled))).toBe("The run ended first");
  expect(agentReason(agent("geo_audit", ...cancelled))).toBe("Never started");
});

test("an agent that runs once more says so, and what it was given up for", () => {
  const late: Past[] = [
    ...running(),
    [60, agentTimedOut("integration_health", 60_000)],
    [60, rerunRequested(1, ["integration_health"])],
  ];
  expect(agentWord(agent("integration_health", ...late)).word).toBe("Running once more");
  expect(agentReason(agent("integration_health", ...late))).toBe("No result within its limit");
  const odd: Past[] = [
    ...running(),
    [9, quarantined("integration_health")],
    [9, rerunRequested(1, ["integration_health"], "invalid_result")],
  ];
  expect(agentReason(agent("integration_health", ...odd))).toBe("Result of an unknown form");
});

test("an earlier result is said to be one, with its age when it had to stand in", () => {
  const { fallback } = agent("geo_audit", ...running(), [9, quarantined("geo_audit")], [9, fallbackUsed("geo_audit")]);
  if (fallback === null) throw new Error("no fallback");
  expect(cachedWords({ ...fallback, resultAt: at(0) - 3 * 3_600_000 }, at(60))).toBe(
    "From an earlier run, 3 h old; confidence lowered",
  );
  const unsure = { ...fallback, result: result({ confidence: null }), resultAt: at(0) };
  expect(cachedWords(unsure, at(59))).toBe("From an earlier run, less than a minute old");
});

test("what stands in for a result is shown before it, as the result of its own run", () => {
  const odd = agent("geo_audit", ...running(), [9, quarantined("geo_audit", { bodyId: "whd_9.result" })]);
  expect(shownResult("sync-1", odd)).toMatchObject({ sessionId: "sync-1", resultId: "whd_9.result", fallback: null });
  const both = agent("geo_audit", ...running(), [9, quarantined("geo_audit")], [9, fallbackUsed("geo_audit")]);
  expect(shownResult("sync-1", both)).toMatchObject({
    ...{ sessionId: "sync-1767600000000-zzzzz", agentId: "geo_audit", resultId: "whd_0.result" },
    fallback: both.fallback,
  });
  expect(shownResult("sync-1", agent("geo_audit", ...running()))).toBeNull();
});

test("what people have to look at names the agent and how often", () => {
  const late = { because: "agent_timeouts_in_a_row", agentId: "geo_audit", count: 3, at: 0 } as const;
  expect(escalationWords(late)).toBe("GEO audit went over its limit in 3 runs in a row.");
  expect(escalationWords({ because: "invalid_results", agentId: null, count: 5, at: 0 })).toContain("5 of them");
  expect(escalationWords({ because: "credential_refused", agentId: null, count: 1, at: 0 })).toContain("credential");
});

test("the button says which agent is at work, and what is awaited before that", () => {
  const active = { sessionId: "s", isCancelling: false, isAccepted: true, agentAtWork: 5, expectedAgents: 9 };
  expect(syncButtonWords({ state: "running", ...active })).toBe("Running — agent 5 of 9");
  expect(syncButtonWords({ state: "running", ...active, isAccepted: false })).toBe("Running — asking OPAL");
  expect(syncButtonWords({ state: "ready" })).toBe("Start force sync");
});

test("a run is cancelling only while it is not over", () => {
  expect(runWord({ status: "running", isOver: false }, true).word).toBe("Cancelling");
  expect(runWord({ status: "completed", isOver: true }, true).word).toBe("Completed");
});

test("a scope that nobody knows is shown as it came", () => {
  expect(scopeName("quick")).toBe("Quick sync");
  expect(scopeName("moonbase")).toBe("Sync of moonbase");
});
