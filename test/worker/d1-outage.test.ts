// D1 is away for a minute while people and OPAL go on: nobody is refused, and afterwards D1 has everything.
import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, agentEvent, call, cancel, eventually, webhook } from "../support/worker/client.ts";
import {
  type Body,
  cronMinute,
  get,
  oddResult,
  report,
  retry,
  start,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock, breakD1, loseD1Answers } from "../support/worker/faults.ts";
import { report as strangersReport } from "../support/worker/finding.ts";
import { quiet, ringEverybody, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const SLOW = { timeout: 120_000 };

type Happening = readonly [second: number, what: () => Promise<unknown>];

/** A minute passes, second by second, with everybody's alarms ringing. */
async function aMinute(happenings: readonly Happening[]): Promise<void> {
  for (let second = 1; second <= 60; second++) {
    advanceClock(1_000);
    await ringEverybody();
    for (const [when, what] of happenings) if (when === second) await what();
  }
}

async function storedDeliveries(): Promise<unknown[]> {
  const { results } = await env.DB.prepare("SELECT delivery_id FROM webhook_events").all();
  return results.map((row) => row.delivery_id).sort();
}

test.for([
  ["does nothing", breakD1, false],
  ["does everything and every other answer is lost", loseD1Answers, true],
] as const)(
  "while D1 %s: runs start, end, wait and are retried, deliveries are taken in",
  SLOW,
  async ([, breakIt, isWritten]) => {
    const answers: Answer[] = [];
    async function ask(asked: Promise<Answer>): Promise<Body> {
      const answer = await asked;
      answers.push(answer);
      return answer.body;
    }
    const deliver = (run: Body, agent: string, outcome?: string, more?: Readonly<Record<string, unknown>>) =>
      ask(webhook(agentEvent(run, agent, outcome, more)));

    const first = await startedRun();
    await report(first, ["integration_health"]);
    await quiet();
    const before = await storedDeliveries();

    const repair = breakIt();
    let second: Body;
    let third: Body;
    await aMinute([
      [3, () => deliver(first, "content_review", "started")],
      [4, () => deliver(first, "content_review", "completed", { metadata: {} })],
      [5, () => deliver(first, "content_review", "completed", { metadata: {} })],
      [6, () => ask(oddResult(first, "geo_audit"))],
      [8, async () => (second = await ask(start("ok", { on_busy: "queue" })))],
      [10, () => ask(webhook(strangersReport("geo_audit", { workflow_id: "a-workflow-of-nobody" })))],
      [15, () => ask(cancel(first.session_id))],
      [20, () => deliver(second, "integration_health")],
      [25, async () => (third = await ask(retry(first.session_id, { on_busy: "queue" })))],
      [30, () => ask(cancel(third.session_id))],
      [33, abortAllDurableObjects],
      [34, () => deliver(first, "geo_audit")],
      [38, () => deliver(second, "content_review", "failed")],
      [42, cronMinute],
      [44, () => ask(call("GET", `/api/force-sync/status/${second.session_id}`))],
      [50, () => ask(cancel(second.session_id))],
      [52, async () => ask(start("ok"))],
      [55, () => ask(webhook(strangersReport("geo_audit", { workflow_id: "another-workflow-of-nobody" }, "started")))],
    ]);
    expect(answers.filter((answer) => answer.status >= 300)).toEqual([]);

    repair();
    expect((await storedDeliveries()).length > before.length).toBe(isWritten);
    // What had failed before is told again, and the strangers' workflows are taken for what they are.
    await aMinute([]);
    await eventually(
      async () => {
        advanceClock(1_000);
        return ringEverybody();
      },
      (waiting) => waiting === 0,
    );

    const ids = await workspaceObject().sessions("", 100);
    // Four of ours, one of them withdrawn from the queue, and two of OPAL's own.
    expect(ids).toHaveLength(6);
    for (const id of ids) {
      expect(await sessionObject(id).check(), id).toMatchObject({ isStateFold: true, differences: [] });
    }
    const delivered = answers.flatMap(({ body }) =>
      body.webhook_id && body.status !== "duplicate" ? [body.webhook_id] : [],
    );
    expect(delivered).toHaveLength(8);
    expect(await storedDeliveries()).toEqual([...before, ...delivered].sort());
    const { runs } = await get("/api/force-sync/runs");
    expect(runs.map((run: Body) => run.session_id).sort()).toEqual(ids);
  },
);
