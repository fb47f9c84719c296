// Another run repeats one that has ended.
import { describe, expect, test } from "vitest";
import type { Command } from "../../../src/sync/run/commands.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import { at, ended, given, type Past, requested, running } from "../../support/node/given.ts";

const repeatedBy = (bySessionId: string, attempt = 2, how: "retry" | "resume" = "retry"): Command => ({
  type: "mark_retried",
  ...{ bySessionId, attempt, how, actor: "operator" },
});
const over: Past[] = [...running(), [600, ended("timed_out", "inactivity")]];

test("is written down, with who asked for it and how", () => {
  const run = given(...over)
    .when(repeatedBy("sync-2", 2, "resume"))
    .at(700)
    .then([
      {
        type: "retried",
        ...{ bySessionId: "sync-2", attempt: 2, how: "resume", actor: "operator", rule: "asked_for", causedBy: null },
      },
    ]);
  expect(run).toMatchObject({
    status: "timed_out",
    retriedAs: [{ sessionId: "sync-2", attempt: 2, how: "resume", actor: "operator", at: at(700) }],
  });
  expect(viewRun(run).retriedAs).toHaveLength(1);
});

test("is written down once for each run", () => {
  const repeated = given(...over).and([700, repeatedBy("sync-2")]);
  repeated.when(repeatedBy("sync-2")).at(701).then([]);
  // Two people may repeat the same run: both of theirs are its second attempt.
  const run = repeated.when(repeatedBy("sync-3", 2)).at(702).then(["retried"]);
  expect(viewRun(run).retriedAs.map(({ sessionId }) => sessionId)).toEqual(["sync-2", "sync-3"]);
});

describe("a run that has not ended", () => {
  test.each<[string, readonly Past[]]>([
    ["requested", [[0, requested()]]],
    ["running", running()],
  ])("is not repeated: %s", (_status, past) => {
    given(...past)
      .when(repeatedBy("sync-2"))
      .at(5)
      .then([]);
  });

  test("has nothing to tell of it, whatever its log says", () => {
    const retried: Past = [5, { type: "retried", bySessionId: "sync-2", attempt: 2, how: "retry", actor: "operator" }];
    expect(viewRun(given(...running(), retried).run()).retriedAs).toEqual([]);
  });
});

test("what came before stays as it is", () => {
  const before = given(...over).run();
  const after = given(...over)
    .and([700, repeatedBy("sync-2")])
    .run();
  expect({ ...after, seq: 0, updatedAt: 0, retriedAs: [] }).toEqual({ ...before, seq: 0, updatedAt: 0 });
});
