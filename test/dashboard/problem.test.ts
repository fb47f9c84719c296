// Problem documents, and what passes for one when something else answers.
import { expect, test } from "vitest";
import { readProblem } from "../../src/dashboard/api.ts";
import { problemResponse } from "../../src/platform/problem.ts";
import { refuse } from "../../src/platform/refusal.ts";

test("the server's own problem is read, with the run that holds the lease", async () => {
  const refusal = refuse("run_active", { members: { active_session: "sync-1" } });
  const response = problemResponse(refusal, { instance: "/api/force-sync/trigger", requestId: "req-1", now: 0 });
  expect(readProblem(response.status, await response.text())).toMatchObject({
    ...{ status: 409, code: "run_active", title: "A force sync is already running", requestId: "req-1" },
    activeSession: "sync-1",
  });
});

test.each(["<html>502 Bad Gateway</html>", "", "null", "[]", '{"title":7}'])(
  "%j is no problem document and still gives one",
  (text) => {
    expect(readProblem(502, text)).toEqual({
      ...{ status: 502, code: "unreadable_answer", title: "The server answered with HTTP 502" },
      ...{ detail: "The answer gave no reason.", requestId: null, activeSession: null },
    });
  },
);
