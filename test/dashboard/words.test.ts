// States in words.
import { expect, test } from "vitest";
import { agentReason, agentWord, runWord, scopeName } from "../../src/dashboard/words.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import { agentStarted, ended, given, type Past, requested, running } from "../support/node/given.ts";

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

test("a run is cancelling only while it is not over", () => {
  expect(runWord({ status: "running", isOver: false }, true).word).toBe("Cancelling");
  expect(runWord({ status: "completed", isOver: true }, true).word).toBe("Completed");
});

test("a scope that nobody knows is shown as it came", () => {
  expect(scopeName("quick")).toBe("Quick sync");
  expect(scopeName("moonbase")).toBe("Sync of moonbase");
});
