// One Idempotency-Key belongs to one request, at every entrance that starts something.
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SyncSession } from "../../src/sync/object.ts";
import { type Answer, call, cancel, send, status } from "../support/worker/client.ts";
import {
  asAdminWith,
  type Body,
  breakReports,
  holderIs,
  logOf,
  post,
  report,
  runWithout,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const KEY = { "Idempotency-Key": "the-callers-own-key" };

/** What a request to start something asks of a session before it is answered. */
type Question = "poke" | "checkpoint" | "rerun";

interface Request {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Under the same key it is another request. */
  readonly other: Readonly<Record<string, unknown>>;
  readonly asks: Question;
}

interface Entrance {
  readonly name: string;
  readonly prepare: () => Promise<Request>;
}

const trigger = (name: string, path: string, body: Request["body"], other: Request["body"]): Entrance => ({
  name,
  prepare: async () => ({ path, body, other, asks: "poke" }),
});

const OPAL_BODY = { workflow_type: "quick_assessment", priority: "low", context: { business_objectives: ["grow"] } };
const BY_NAME = { workflow_name: "strategy_workflow" };

const ENTRANCES: readonly Entrance[] = [
  trigger("a trigger", "/api/force-sync/trigger", { sync_scope: "full" }, { sync_scope: "quick" }),
  trigger("the sync entrance of old", "/api/opal/sync", { sync_scope: "full" }, { sync_scope: "quick" }),
  trigger("the workflow by its name", "/api/orchestrations/trigger", BY_NAME, { ...BY_NAME, client_name: "Acme" }),
  trigger("the entrance in OPAL's terms", "/api/opal/trigger", OPAL_BODY, { ...OPAL_BODY, priority: "high" }),
  {
    name: "a retry",
    prepare: async () => {
      const { session_id: id } = await runWithout(["geo_audit"]);
      return { path: `/api/force-sync/retry/${id}`, body: {}, other: { failed_only: false }, asks: "checkpoint" };
    },
  },
  {
    name: "running failed agents once more",
    prepare: async () => {
      const run = await startedRun();
      await report(run, ["geo_audit", "content_review"], "failed");
      const path = `/api/force-sync/retry/${run.session_id}`;
      return { path, body: { agents: ["geo_audit"] }, other: { agents: ["content_review"] }, asks: "rerun" };
    },
  },
  {
    name: "a resume",
    prepare: async () => {
      const { session_id: id } = await startedRun("401");
      await holderIs(null);
      const body = { credential_confirmed: true, client_context: { client_name: "ok" } };
      return { path: `/api/force-sync/resume/${id}`, body, other: { ...body, sync_scope: "full" }, asks: "checkpoint" };
    },
  },
];

/** Schedules are run without a body. */
const SCHEDULE: Entrance = {
  name: "running a schedule",
  prepare: async () => {
    const { body } = await post("/api/schedules", { name: "Mine", cron: "0 0 * * *" });
    return { path: `/api/schedules/${body.schedule.id}/run`, body: {}, other: {}, asks: "poke" };
  },
};

async function grantsAndReruns(): Promise<number> {
  const { runs } = await workspaceObject().overview();
  const reruns = await Promise.all(runs.map(async (run) => (await status(run.sessionId)).reruns.length));
  return (await logOf("sync_granted")).length + reruns.reduce((sum, count) => sum + count, 0);
}

function replayed(answer: Answer): [number, Body, string | null] {
  return [answer.status, answer.body, answer.headers.get("Idempotent-Replayed")];
}

/** Sessions do not answer this question until the test lets them. */
function holdBack(question: Question): () => void {
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { poke, checkpoint, rerun } = SyncSession.prototype;
  if (question === "poke") {
    vi.spyOn(SyncSession.prototype, "poke").mockImplementation(async function (this: SyncSession) {
      await gate;
      return poke.call(this);
    });
  } else if (question === "checkpoint") {
    vi.spyOn(SyncSession.prototype, "checkpoint").mockImplementation(async function (this: SyncSession) {
      await gate;
      return checkpoint.call(this);
    });
  } else {
    vi.spyOn(SyncSession.prototype, "rerun").mockImplementation(async function (this: SyncSession, agents, actor) {
      await gate;
      return rerun.call(this, agents, actor);
    });
  }
  return open;
}

/** The last holder has ended, but the workspace has not heard of it and has to ask. */
async function doubtfulHolder(): Promise<void> {
  const { session_id: id } = await startedRun();
  await holderIs(id);
  breakReports();
  await cancel(id);
  advanceClock(30 * 60_000);
}

describe.for([...ENTRANCES, SCHEDULE])("$name", ({ prepare }) => {
  test("with the same key and body is answered with the very same body, and starts nothing more", async () => {
    const { path, body } = await prepare();
    const first = await post(path, body, KEY);
    const started = await grantsAndReruns();
    const again = await post(path, body, KEY);
    expect(first.status).toBeLessThan(300);
    expect(first.headers.has("Idempotent-Replayed")).toBe(false);
    expect(replayed(again)).toEqual([first.status, first.body, "true"]);
    expect(again.headers.get("Location")).toBe(first.headers.get("Location"));
    expect(await grantsAndReruns()).toBe(started);
  });

  test("is answered so also later: the run has ended, and everything was killed", async () => {
    const { path, body } = await prepare();
    const first = await post(path, body, KEY);
    await cancel(first.body.session_id);
    await holderIs(null);
    await abortAllDurableObjects();
    advanceClock(23 * 60 * 60_000);
    expect(replayed(await post(path, body, KEY))).toEqual([first.status, first.body, "true"]);
    expect(await holder()).toBeNull();
  });

  test("is refused while the same request is still being answered, which then goes on", async () => {
    const { path, body, asks } = await prepare();
    if (asks === "poke") await doubtfulHolder();
    const started = await grantsAndReruns();
    const open = holdBack(asks);
    const first = post(path, body, KEY);
    // The first request to arrive is the first to be answered.
    await expect.poll(() => isAsked(asks)).toBe(true);
    const second = await post(path, body, KEY);
    expect([second.status, second.body.code, second.headers.get("Retry-After")]).toEqual([
      409,
      "idempotency_key_in_flight",
      "1",
    ]);
    open();
    expect((await first).status).toBeLessThan(300);
    expect(await grantsAndReruns()).toBe(started + 1);
  });
});

function isAsked(question: Question): boolean {
  return vi.mocked(SyncSession.prototype[question]).mock.calls.length > 0;
}

async function holder(): Promise<string | null> {
  return (await workspaceObject().overview()).activeSessionId;
}

describe.for(ENTRANCES)("$name", ({ prepare }) => {
  test("with the same key and another body is refused, and starts nothing", async () => {
    const { path, body, other } = await prepare();
    await post(path, body, KEY);
    const started = await grantsAndReruns();
    const answer = await post(path, other, KEY);
    expect([answer.status, answer.body.code]).toEqual([422, "idempotency_key_reused"]);
    expect(await grantsAndReruns()).toBe(started);
  });
});

test("a schedule that does something else by now is another request", async () => {
  const { path } = await SCHEDULE.prepare();
  await post(path, {}, KEY);
  await call("PATCH", path.replace("/run", ""), { body: { sync_scope: "full" } });
  expect((await post(path, {}, KEY)).body.code).toBe("idempotency_key_reused");
});

describe("a key", () => {
  const TRIGGER = "/api/force-sync/trigger";

  test("at another address is another request", async () => {
    const { path } = await SCHEDULE.prepare();
    await post(TRIGGER, {}, KEY);
    expect((await post(path, {}, KEY)).body.code).toBe("idempotency_key_reused");
  });

  test("of one caller is not the same key of another", async () => {
    const first = await post(TRIGGER, {}, KEY);
    await cancel(first.body.session_id);
    await holderIs(null);
    const other = await asAdminWith(KEY, "POST", TRIGGER, {});
    expect([other.status, other.headers.has("Idempotent-Replayed")]).toEqual([200, false]);
    expect(other.body.session_id).not.toBe(first.body.session_id);
    expect((await post(TRIGGER, {}, KEY)).body.session_id).toBe(first.body.session_id);
  });

  test("is not used up by a refusal", async () => {
    const active = await startedRun();
    expect((await post(TRIGGER, {}, KEY)).body.code).toBe("run_active");
    await cancel(active.session_id);
    await holderIs(null);
    const answer = await post(TRIGGER, {}, KEY);
    expect([answer.status, answer.headers.has("Idempotent-Replayed")]).toEqual([200, false]);
  });

  test("of a run that waits for its turn gives the same 202 again, also once it has begun", async () => {
    const active = await startedRun();
    const first = await post(TRIGGER, { on_busy: "queue" }, KEY);
    expect(first.status).toBe(202);
    expect(replayed(await post(TRIGGER, { on_busy: "queue" }, KEY))).toEqual([202, first.body, "true"]);
    await cancel(active.session_id);
    await holderIs(first.body.session_id);
    expect(replayed(await post(TRIGGER, { on_busy: "queue" }, KEY))).toEqual([202, first.body, "true"]);
  });

  test("given by a hundred callers at once starts one run", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(TRIGGER, {}, KEY)));
    const ids = new Set(answers.filter((answer) => answer.status === 200).map((answer) => answer.body.session_id));
    expect(ids.size).toBe(1);
    for (const { body } of answers) expect(["idempotency_key_in_flight", undefined]).toContain(body.code);
    expect(await logOf("sync_granted")).toHaveLength(1);
  });

  test("still counts while triggering is switched off: the answer was given before", async () => {
    const first = await post(TRIGGER, {}, KEY);
    await asAdminWith({}, "PUT", "/api/force-sync/switch", { enabled: false, reason: "OPAL is being moved" });
    expect(replayed(await post(TRIGGER, {}, KEY))).toEqual([200, first.body, "true"]);
  });

  test("that is not one is refused by name", async () => {
    for (const path of [TRIGGER, "/api/force-sync/resume/any", "/api/force-sync/retry/any", "/api/schedules/any/run"]) {
      const headers = { Authorization: "Bearer test-api-key-with-operator-rights", "Idempotency-Key": "with spaces" };
      const answer = await send(path, { method: "POST", headers });
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "Idempotency-Key"]);
    }
  });
});
