// Problem documents, and what passes for one when something else answers.
import { expect, test } from "vitest";
import { readProblem } from "../../src/dashboard/api.ts";
import { problemResponse } from "../../src/platform/problem.ts";
import { type Refusal, refuse } from "../../src/platform/refusal.ts";

async function read(refusal: Refusal) {
  const response = problemResponse(refusal, { instance: "/api/force-sync/trigger", requestId: "req-1", now: 0 });
  return readProblem(response.status, await response.text());
}

test("the server's own problem is read, with what its code says besides", async () => {
  const problem = await read(refuse("run_active", { members: { active_session: "sync-1" } }));
  expect(problem).toMatchObject({
    ...{ status: 409, code: "run_active", title: "A force sync is already running", requestId: "req-1" },
    ...{ fields: [], members: { active_session: "sync-1" } },
  });
});

test("what is wrong with single fields is in words", async () => {
  const errors = [{ pointer: "/reason", detail: "is too short" }];
  expect((await read(refuse("validation_failed", { errors }))).fields).toEqual(["/reason is too short"]);
});

test.each(["<html>502 Bad Gateway</html>", "", "null", "[]", '{"title":7}', '{"errors":[null,7,{"pointer":1}]}'])(
  "%j is no problem document and still gives one",
  (text) => {
    expect(readProblem(502, text)).toMatchObject({
      ...{ status: 502, code: "unreadable_answer", title: "The server answered with HTTP 502" },
      ...{ detail: "The answer gave no reason.", requestId: null, fields: [] },
    });
  },
);
