// A status is kept written out by its session; whoever reads it again is told what is true now.
import { afterEach, expect, test } from "vitest";
import { agentEvent, eventually, runningSync, status, webhook } from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { startOver } from "../support/worker/objects.ts";

afterEach(startOver);

test("a delivery that came again is counted although the run is as it was", async () => {
  const run = await runningSync();
  const payload = agentEvent(run, "content_review");
  await webhook(payload);
  const before = await status(run.session_id);
  expect(before.deliveries).toMatchObject({ processed: 1, duplicate: 0 });
  await webhook(payload);
  const after = await status(run.session_id);
  expect(after).toMatchObject({ ...before, deliveries: { processed: 1, duplicate: 1 } });
});

test("a time limit that has passed since is seen by the next reader", async () => {
  stopClock();
  const run = await runningSync();
  await status(run.session_id);
  advanceClock(60 * 60_000);
  expect((await status(run.session_id)).state).toBe("timed_out");
});

test("the estimate follows what the workspace is told", async () => {
  const run = await runningSync();
  // Read before, while OPAL had not accepted it yet or the workspace had not heard of that.
  const { estimated_end: end } = await eventually(
    () => status(run.session_id),
    (now) => now.estimated_end.reason === "No comparable run has been completed yet.",
  );
  expect(end).toMatchObject({ p50: null, based_on_runs: 0 });
});
