// What a retry or a resume is planned from: the run before, and what is to be different.
import { describe, expect, test } from "vitest";
import { AGENT_IDS } from "../../../src/opal/agents.ts";
import { type Checkpoint, checkpointOf } from "../../../src/sync/run/checkpoint.ts";
import { planRetry, type RetryOrder, type SyncOrder } from "../../../src/workspace/order.ts";
import {
  agentCompleted,
  agentFailed,
  at,
  credentialRefused,
  ended,
  given,
  requested,
  result,
  running,
  SYNC,
} from "../../support/node/given.ts";

const RETRY: RetryOrder = { of: null, how: "retry", failedOnly: true, isCredentialConfirmed: false, changes: {} };
const ORDER: SyncOrder = {
  command: { ...SYNC, actor: "night shift" },
  retry: RETRY,
  onBusy: "refuse",
  isForced: false,
};

const partial = given(
  ...running(),
  [10, agentCompleted("integration_health")],
  [20, agentFailed("content_review")],
  [600, ended("partially_completed", "some_agents_completed")],
).run();
const refused = given([0, requested()], [1, credentialRefused()], [1, ended("failed", "credential_refused")]).run();

function plan(checkpoint: Checkpoint, change: Partial<RetryOrder> = {}, fingerprint = "fingerprint of another key") {
  return planRetry(ORDER, { ...RETRY, ...change }, checkpoint, fingerprint);
}

describe("a retry", () => {
  test("asks for the agents that gave no result, and carries the good results over", () => {
    const { sessionId } = partial.request;
    expect(plan(checkpointOf(partial))).toMatchObject({
      ok: true,
      command: { agentFilter: AGENT_IDS.slice(1), actor: "night shift", client: partial.request.client },
      lineage: { rootId: sessionId, attempt: 2, retryOf: sessionId, how: "retry", failedOnly: true },
      carriedOver: [{ agentId: "integration_health", sessionId, at: at(10) }],
    });
  });

  test("asks for all of them on demand, and carries nothing over", () => {
    expect(plan(checkpointOf(partial), { failedOnly: false })).toMatchObject({
      command: { agentFilter: null },
      carriedOver: [],
    });
  });

  test("is the attempt after the one it repeats, and keeps the first one's id", () => {
    const second = { ...checkpointOf(partial), rootId: "sync-first", attempt: 2 };
    expect(plan(second)).toMatchObject({ lineage: { rootId: "sync-first", attempt: 3 } });
  });

  test("replaces what is to be different and keeps the rest", () => {
    const changes = { client: { name: "Other" }, scope: "full", timeoutOverrideMs: 90_000 };
    expect(plan(checkpointOf(partial), { changes })).toMatchObject({
      command: { scope: "full", timeoutOverrideMs: 90_000, client: { name: "Other", industry: "Retail" } },
    });
  });

  test("can take a chosen limit back", () => {
    const chosen = { ...checkpointOf(partial), timeoutOverrideMs: 90_000 };
    expect(plan(chosen)).toMatchObject({ command: { timeoutOverrideMs: 90_000 } });
    expect(plan(chosen, { changes: { timeoutOverrideMs: null } })).toMatchObject({
      command: { timeoutOverrideMs: null },
    });
  });

  test.each([
    ["a run under way", given(...running()).run()],
    ["a completed run", given(...running(), [600, ended("completed", "all_agents_completed")]).run()],
  ])("is refused for %s", (_what, run) => {
    expect(plan(checkpointOf(run))).toMatchObject({ ok: false, code: "nothing_to_retry" });
  });

  test("is refused for a run that has been repeated already, naming the attempt that did", () => {
    const repeated = { ...checkpointOf(partial), retriedAs: "sync-second" };
    expect(plan(repeated)).toMatchObject({ code: "nothing_to_retry", members: { retried_as: "sync-second" } });
  });

  test("is refused when every missing result has arrived since", () => {
    const complete = { ...checkpointOf(partial), missing: [] };
    expect(plan(complete)).toMatchObject({ ok: false, code: "nothing_to_retry" });
    expect(plan(complete, { failedOnly: false })).toMatchObject({ ok: true });
  });
});

describe("a resume", () => {
  const resume = { how: "resume" } as const;

  test("is for a run that a refused credential stopped", () => {
    expect(plan(checkpointOf(refused), resume)).toMatchObject({ ok: true, lineage: { how: "resume", attempt: 2 } });
    expect(plan(checkpointOf(partial), resume)).toMatchObject({ ok: false, code: "not_resumable" });
  });

  test("is refused with the same credential, unless somebody says that it is valid now", () => {
    const checkpoint = checkpointOf(refused);
    const fingerprint = checkpoint.credential?.fingerprint ?? "";
    expect(plan(checkpoint, resume, fingerprint)).toMatchObject({
      code: "credential_unchanged",
      members: { credential: checkpoint.credential?.credential },
    });
    expect(plan(checkpoint, { ...resume, isCredentialConfirmed: true }, fingerprint)).toMatchObject({ ok: true });
  });

  test("a plain retry does not get round that", () => {
    const checkpoint = checkpointOf(refused);
    const fingerprint = checkpoint.credential?.fingerprint ?? "";
    expect(plan(checkpoint, {}, fingerprint)).toMatchObject({ code: "credential_unchanged" });
  });
});

describe("what a run leaves to the next attempt", () => {
  test("is the results that are good, late ones included", () => {
    const late = given(
      ...running(),
      [10, agentCompleted("integration_health")],
      [600, ended("partially_completed", "inactivity")],
      [700, { type: "result_attached", agentId: "geo_audit", deliveryId: "whd_9", result: result() }],
      [
        710,
        { type: "result_attached", agentId: "cmp_organizer", deliveryId: "whd_10", result: result({ family: "none" }) },
      ],
    ).run();
    const { done, missing } = checkpointOf(late);
    expect(done.map(({ agentId }) => agentId)).toEqual(["integration_health", "geo_audit"]);
    expect(missing).toContain("cmp_organizer");
  });
});
