// Small requests beside starting a run: one at a time of each, and what went wrong stays to be seen.
import { beforeEach, expect, test, vi } from "vitest";
import { acts, forgetAct, isUnderWay, perform } from "../../src/dashboard/acts.ts";
import type { Answer, Problem } from "../../src/dashboard/api.ts";

const DENIED: Problem = {
  ...{
    status: 403,
    code: "access_denied",
    title: "This needs another role",
    detail: "Only an administrator may do this.",
  },
  ...{ requestId: "req-1", fields: [], members: {} },
};

beforeEach(() => {
  acts.value = new Map();
});

test("the same act is under way once; another one is not held up by it", async () => {
  const answered: ((answer: Answer<unknown>) => void)[] = [];
  const send = vi.fn(() => new Promise<Answer<unknown>>((resolve) => answered.push(resolve)));
  const first = perform("switch", send);
  expect(await perform("switch", send)).toBe(false);
  void perform("breaker", send);
  expect(send).toHaveBeenCalledTimes(2);
  expect([isUnderWay("switch"), isUnderWay("breaker"), isUnderWay("withdraw sync-1")]).toEqual([true, true, false]);
  answered[0]?.({ ok: true, value: {} });
  expect(await first).toBe(true);
  expect([...acts.value.keys()]).toEqual(["breaker"]);
});

test("a problem stays until it is dismissed or the act is tried again", async () => {
  const send = vi.fn(async (): Promise<Answer<unknown>> => ({ ok: false, problem: DENIED }));
  expect(await perform("switch", send)).toBe(false);
  const failed = acts.value.get("switch");
  expect(failed).toMatchObject({ state: "failed", problem: DENIED });
  if (failed?.state === "failed") failed.again();
  expect(isUnderWay("switch")).toBe(true);
  await vi.waitFor(() => expect(isUnderWay("switch")).toBe(false));
  expect(send).toHaveBeenCalledTimes(2);
  forgetAct("switch");
  expect(acts.value.size).toBe(0);
});
