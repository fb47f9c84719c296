import { expect, test } from "vitest";
import { agentEvent, CHAIN, eventually, runningSync, status, webhook } from "../support/worker/client.ts";

test("a force sync runs from the click to nine completed agents", async () => {
  const run = await runningSync();
  for (const agent of CHAIN) {
    const started = await webhook(agentEvent(run, agent, "started"));
    expect(started.body).toMatchObject({ status: "processed" });
    const done = await webhook(agentEvent(run, agent));
    expect([done.status, done.body.status]).toEqual([200, "processed"]);
  }
  const ended = await eventually(
    () => status(run.session_id),
    (now) => now.status === "completed",
  );
  expect(ended.progress).toBe(100);
});
