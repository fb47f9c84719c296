// Whatever the order, and however often each comes, the same reports lead to the same run.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { AGENT_IDS, type AgentId } from "../../../src/opal/agents.ts";
import type { Report } from "../../../src/sync/run/commands.ts";
import type { RunRequest } from "../../../src/sync/run/request.ts";
import type { Run } from "../../../src/sync/run/state.ts";
import { deliver, PARALLEL, PLAN, says, saysOddly } from "../../support/node/given.ts";
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

/**
 * What an agent may hand over besides: something of a shape nobody knows, with or without a valid result. Not with a
 * failure: that ends its agent, and with the last agent the run, so what comes afterwards is attached and changes
 * nothing. An invalid result ends no run, because its agent is run once more.
 */
const withOddOnes: fc.Arbitrary<readonly Report[]> = fc
  .array(fc.constantFrom("completed", "failed", "odd", "odd and completed"), { minLength: 9, maxLength: 9 })
  .map((fates) =>
    AGENT_IDS.flatMap((id, index): Report[] => {
      const fate = fates[index] ?? "completed";
      const named = (name: string) => ({ bodyId: `whd_${index}.${name}`, sha256: `${name}${index}` });
      if (fate === "failed") return [says(id, "failed", named("none"))];
      const odd = fate === "completed" ? [] : [saysOddly(id, named("odd"))];
      return fate === "odd" ? odd : [...odd, says(id, "completed", named("valid"))];
    }),
  );

/** All of them in some order, some of them more than once. */
const inDisorder = (all: readonly Report[]) =>
  fc
    .tuple(fc.constant(all), fc.subarray([...all]))
    .chain(([once, again]) =>
      fc.tuple(fc.constant(once), fc.shuffledSubarray([...once, ...again], { minLength: once.length + again.length })),
    );
const disordered = reports.chain(inDisorder);

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

/** What may not depend on the order: everything but times, counts and the numbers of re-runs. */
function essence(run: Run) {
  if (run.status === "absent") return run;
  const agents = AGENT_IDS.map((id: AgentId) => {
    const agent = run.agents[id];
    const given = agent?.state === "rerunning" ? agent.before : agent;
    const found = given?.state === "completed" || given?.state === "failed" ? given.result : undefined;
    const reason = given?.state === "failed" ? given.reason : undefined;
    const isLate = agent?.state === "completed" && agent.late;
    return { id, state: agent?.state, reason, isLate, sha256: found?.sha256, bodyId: found?.bodyId };
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

// How often people are told of invalid results is left out: an invalid result that comes after a valid one counts as none.
test.each([
  ["a chain", PLAN],
  ["agents that work all at once", PARALLEL],
] as const)(
  "%s: the run stands the same for every order of the reports, invalid results among them",
  (_which, request) => {
    fc.assert(
      fc.property(withOddOnes.chain(inDisorder), ([once, sequence]) => {
        expect(play(request, sequence)).toEqual(play(request, once));
      }),
      { numRuns: 1_500 },
    );
  },
);

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
