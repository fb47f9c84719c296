// Whatever the order, and however often each comes, the same reports lead to the same run.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { AGENT_IDS, type AgentId } from "../../../src/opal/agents.ts";
import type { Report } from "../../../src/sync/run/commands.ts";
import type { RunRequest } from "../../../src/sync/run/events.ts";
import type { Run } from "../../../src/sync/run/state.ts";
import { deliver, PARALLEL, PLAN, says } from "../../support/node/given.ts";
import { Story } from "./story.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

/** Reports come this far apart: all of them fit into the closing window and into every limit. */
const APART_MS = 500;

/** Nine starts and nine ends, of which some are failures. */
const reports: fc.Arbitrary<readonly Report[]> = fc.subarray([...AGENT_IDS]).map((failing) =>
  AGENT_IDS.flatMap((id, index): Report[] => {
    const outcome = failing.includes(id) ? "failed" : "completed";
    return [says(id, "started"), says(id, outcome, { bodyId: `whd_${index}.result`, sha256: `a${index}` })];
  }),
);

/** All of them in some order, some of them more than once. */
const disordered = reports.chain((all) =>
  fc
    .tuple(fc.constant(all), fc.subarray([...all]))
    .chain(([once, again]) =>
      fc.tuple(fc.constant(once), fc.shuffledSubarray([...once, ...again], { minLength: once.length + again.length })),
    ),
);

function play(request: RunRequest, sequence: readonly Report[]) {
  const story = new Story({ request, isForeign: false });
  story.alarm();
  story.take({ does: "command", command: { type: "call_answered", httpStatus: 200, remoteId: "opal-1" } });
  for (const report of sequence) {
    story.take({ does: "pass", ms: APART_MS });
    story.take({ does: "command", command: deliver(report) });
  }
  return essence(story.run);
}

/** What may not depend on the order: everything but times and counts. */
function essence(run: Run) {
  if (run.status === "absent") return run;
  const agents = AGENT_IDS.map((id: AgentId) => {
    const agent = run.agents[id];
    const found = agent?.state === "completed" || agent?.state === "failed" ? agent.result : undefined;
    const isLate = agent?.state === "completed" && agent.late;
    return { id, state: agent?.state, isLate, sha256: found?.sha256, bodyId: found?.bodyId };
  });
  const { status, phase, remoteIds, doubleStarts } = run;
  return { status, phase, reportedEnds: run.reportedEnds.toSorted(), remoteIds, doubleStarts, agents };
}

test.each([
  ["a chain", PLAN],
  ["agents that work all at once", PARALLEL],
] as const)("%s ends the same for every order of its reports", (_which, request) => {
  fc.assert(
    fc.property(disordered, ([once, sequence]) => {
      expect(play(request, sequence)).toEqual(play(request, once));
    }),
    { numRuns: 2_500 },
  );
});

test("the run that all orders lead to is the one that its results call for", () => {
  fc.assert(
    fc.property(disordered, ([once, sequence]) => {
      const failures = once.filter((report) => report.about === "agent" && report.outcome === "failed").length;
      const expected = failures === 0 ? "completed" : failures === 9 ? "failed" : "partially_completed";
      expect(play(PLAN, sequence).status).toBe(expected);
    }),
    { numRuns: 1_000 },
  );
});
