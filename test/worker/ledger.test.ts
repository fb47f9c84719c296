// The proof of no loss: every authenticated delivery is accounted for, and whatever is lost is named.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SyncSession } from "../../src/sync/object.ts";
import type { Report } from "../../src/sync/run/commands.ts";
import {
  type Answer,
  agentEvent,
  allAgentsReport,
  call,
  eventually,
  runningSync,
  send,
  webhook,
} from "../support/worker/client.ts";
import { asAdmin, oddResult } from "../support/worker/control.ts";
import { advanceClock, breakD1, stopClock } from "../support/worker/faults.ts";
import { boundRun, passSeconds, report } from "../support/worker/finding.ts";
import { evict, quiet, ring, sessionObject, settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const AGENT = "content_review";

const ledger = (search = "") => call("GET", `/api/webhook-events/ledger${search}`);
const ledgerOf = async (id: string): Promise<Body> => (await ledger(`/${id}`)).body;

/** Once D1 has been told everything. */
function settledLedger(id: string): Promise<Body> {
  return eventually(
    () => ledgerOf(id),
    ({ pending }) => pending.deliveries + pending.readings + pending.arrivals === 0,
  );
}

async function completedRun(): Promise<Body> {
  const run = await runningSync();
  await allAgentsReport(run);
  await settled(run.session_id);
  return run;
}

/** Code that does not know the shape of a result. */
const asUnknownShape = (report: Report): Report =>
  report.about === "agent" ? { ...report, result: { ...report.result, family: "unrecognised" } } : report;

/** Every outcome once or more: processed, duplicate, late, ignored, quarantined. */
async function eventfulRun(): Promise<{ run: Body; sent: number }> {
  const run = await runningSync();
  await oddResult(run, "geo_audit");
  await webhook(agentEvent(run, AGENT, "strange-word"));
  const payload = agentEvent(run, AGENT);
  await Promise.all(Array.from({ length: 51 }, () => webhook(payload)));
  await allAgentsReport(run);
  await settled(run.session_id);
  await webhook(agentEvent(run, AGENT, "completed", { execution_id: "another one" }));
  return { run, sent: 1 + 1 + 51 + 18 + 1 };
}

describe("the ledger of a run", () => {
  test("accounts for everything that was sent, with fifty duplicates, to the last one", async () => {
    const { run, sent } = await eventfulRun();
    const body = await settledLedger(run.session_id);
    expect(body).toMatchObject({
      ...{ success: true, session_id: run.session_id, adds_up: true, received: sent, duplicate: 50 },
      ...{ late: 1, ignored: 1, quarantined: 1, held: 0, unaccounted: 0 },
      missing: { in_journal: { total: 0 }, in_log: { total: 0 }, in_d1: { total: 0 } },
    });
    const { processed, duplicate, late, held, ignored, quarantined } = body;
    expect(processed + duplicate + late + held + ignored + quarantined).toBe(sent);
    expect(body.accounts.counters).toEqual(body.accounts.journal);
    expect(body.accounts.d1.counters).toEqual({ ...body.accounts.counters, expired: 0 });
    expect(Object.values<number>(body.accounts.d1.rows).reduce((sum, n) => sum + n, 0)).toBe(sent - 50);
  });

  test("is found by any of the run's ids, and for nobody else", async () => {
    const run = await completedRun();
    for (const id of [run.correlation_id, run.workflow_id, `opal-${run.session_id}`]) {
      expect((await ledgerOf(id)).session_id).toBe(run.session_id);
    }
    expect((await ledger("/sync-1700000000000-aaaaa")).status).toBe(404);
    expect((await send("/api/webhook-events/ledger", {})).status).toBe(401);
    expect((await ledger("?limit=51")).body.errors).toMatchObject([{ pointer: "?limit" }]);
  });

  test("counts what was held for it, with its repeats, once it has it", async () => {
    const run = await boundRun();
    stopClock();
    const odd = report(AGENT, { workflow_id: "not-known-yet" });
    for (let times = 0; times < 3; times++) await webhook(odd);
    const before = await ledger();
    expect(before.body.total).toMatchObject({ adds_up: true, held: 3, held_deliveries: 1, held_repeats: 2 });
    const { received } = before.body.total;
    await passSeconds(70);
    await quiet();
    const after = (await ledger()).body;
    expect(after.total).toMatchObject({ adds_up: true, held: 0, received, duplicate: 2 });
    const adopted = after.runs.find((one: Body) => one.session_id !== run.session_id);
    expect(adopted).toMatchObject({ adds_up: true, received: 3, duplicate: 2 });
  });

  test("follows a delivery that is read again with other code", async () => {
    const deliver = SyncSession.prototype.deliver;
    const spy = vi.spyOn(SyncSession.prototype, "deliver").mockImplementation(async function (
      this: SyncSession,
      incoming,
    ) {
      return deliver.call(this, { ...incoming, reports: incoming.reports.map(asUnknownShape) });
    });
    const run = await runningSync();
    await webhook(agentEvent(run, AGENT));
    spy.mockRestore();
    expect(await settledLedger(run.session_id)).toMatchObject({ adds_up: true, quarantined: 1, processed: 0 });
    const force = { workflow_id: run.session_id, replay_options: { force_reprocess: true } };
    const replayed = await asAdmin("POST", "/api/orchestrations/replay", force);
    expect(replayed.body.changed).toHaveLength(1);
    const body = await settledLedger(run.session_id);
    expect(body).toMatchObject({ adds_up: true, received: 1, quarantined: 0, processed: 1 });
    expect(body.accounts.d1).toMatchObject({ rows: { processed: 1, quarantined: 0 }, counters: { processed: 1 } });
  });

  test("says what D1 has not been told yet, and does not call it lost", async () => {
    const run = await runningSync();
    const repair = breakD1();
    await webhook(agentEvent(run, AGENT));
    await webhook(agentEvent(run, AGENT, "completed", { execution_id: "other" }));
    const account = await sessionObject(run.session_id).account();
    repair();
    expect(account?.deliveries.filter(({ seq }) => seq >= (account.untoldFrom ?? Infinity))).toHaveLength(2);
    expect(account?.uncounted).toBe(2);
    expect(await settledLedger(run.session_id)).toMatchObject({ adds_up: true, received: 2 });
  });

  test("cannot be held against a D1 that is silent, and says that", async () => {
    const run = await completedRun();
    const repair = breakD1();
    const answers = [await ledger(), await ledger(`/${run.session_id}`)];
    repair();
    for (const answer of answers) expect(answer).toMatchObject({ status: 503, body: { code: "service_unavailable" } });
  });
});

describe("what is lost", () => {
  test("in D1 is named", async () => {
    const run = await completedRun();
    const [lost] = await sessionObject(run.session_id).deliveries();
    await env.DB.prepare("DELETE FROM webhook_events WHERE delivery_id = ?").bind(lost?.deliveryId).run();
    const body = await ledgerOf(run.session_id);
    expect(body).toMatchObject({
      ...{
        adds_up: false,
        missing: { in_d1: { total: 1, delivery_ids: [lost?.deliveryId] }, in_journal: { total: 0 } },
      },
    });
    const { body: all } = await ledger();
    expect(all).toMatchObject({ adds_up: false, runs: [{ session_id: run.session_id, adds_up: false }] });
  });

  test("in the journal is named", async () => {
    const run = await completedRun();
    const [lost] = await sessionObject(run.session_id).deliveries();
    await runInDurableObject(sessionObject(run.session_id), (_session, { storage }) => {
      storage.sql.exec("DELETE FROM receipts WHERE delivery_id = ?", lost?.deliveryId ?? "");
    });
    const body = await ledgerOf(run.session_id);
    expect(body).toMatchObject({
      ...{
        adds_up: false,
        missing: { in_journal: { total: 1, delivery_ids: [lost?.deliveryId] }, in_d1: { total: 0 } },
      },
    });
    expect(body.accounts.journal.received).toBe(body.accounts.counters.received - 1);
  });

  test("from a counter shows, and names the run in the total", async () => {
    const run = await completedRun();
    await runInDurableObject(sessionObject(run.session_id), (_session, { storage }) => {
      storage.sql.exec("UPDATE ledger SET n = n + 1 WHERE entry = 'received'");
    });
    expect(await ledgerOf(run.session_id)).toMatchObject({ adds_up: false, unaccounted: 1 });
    await env.DB.prepare("UPDATE delivery_ledger SET received = received + 1 WHERE owner = ?")
      .bind(run.session_id)
      .run();
    expect((await ledger()).body.total).toMatchObject({
      ...{ adds_up: false, unaccounted: 1, owners_that_do_not_add_up: [run.session_id] },
    });
  });

  test("as a whole run from D1 is named, and so is a run that lost its own record", async () => {
    const first = await completedRun();
    const second = await completedRun();
    await env.DB.prepare("DELETE FROM opal_workflow_executions WHERE session_id = ?").bind(first.session_id).run();
    await runInDurableObject(sessionObject(second.session_id), (_session, { storage }) => storage.deleteAll());
    await evict(sessionObject(second.session_id));
    const { body } = await ledger();
    expect(body.runs_not_in_d1).toEqual([first.session_id]);
    expect(body.runs).toMatchObject([
      { session_id: first.session_id, adds_up: false, in_d1: false },
      { session_id: second.session_id, adds_up: false, has_record: false },
    ]);
  });

  test("in an inbox shows when rows are counted", async () => {
    await webhook({ workflow_id: null, nobody: "knows this" });
    await webhook({ event_type: "strange", nobody: "knows this either" });
    const verified = () => ledger("?verify=d1");
    await eventually(verified, ({ body }) => body.total.inboxes[0].rows_in_d1 === body.total.inboxes[0].received);
    const { total } = (await verified()).body;
    expect(total).toMatchObject({
      adds_up: true,
      inboxes: [{ inbox: "inbox-opal", adds_up: true, pending: 0 }, {}, {}, {}],
    });
    expect(total.received).toBeGreaterThan(0);
    await env.DB.prepare("DELETE FROM webhook_events WHERE session_id = 'inbox-opal' AND id % 2 = 0").run();
    expect((await verified()).body.total).toMatchObject({ adds_up: false, inboxes: [{ adds_up: false }, {}, {}, {}] });
    expect((await ledger()).body.total).toMatchObject({ adds_up: true, inboxes: [{ rows_in_d1: null }, {}, {}, {}] });
  });
});

describe("the ledger of all", () => {
  test("is the sum of what was sent, whoever has it", async () => {
    const { sent } = await eventfulRun();
    await completedRun();
    const running = await runningSync();
    await webhook(agentEvent(running, AGENT));
    const { total, runs, adds_up: addsUp } = (await ledger()).body;
    expect(addsUp).toBe(true);
    expect(total).toMatchObject({ adds_up: true, received: sent + 18 + 1, unaccounted: 0, partial: false });
    expect(total.counted_live).toContain(running.session_id);
    expect(runs).toHaveLength(3);
  });

  test("keeps rejections apart, as at least so many", async () => {
    const bad = () => webhook({ any: 1 }, { secret: "not-the-secret-but-of-forty-characters--" });
    for (let times = 0; times < 3; times++) expect((await bad()).status).toBe(401);
    const { body } = await eventually(ledger, (answer) => answer.body.total.rejected.at_least === 3);
    expect(body.total).toMatchObject({ adds_up: true, received: 0, rejected: { at_least: 3 } });
  });

  test("goes through the runs page by page", async () => {
    const ids = [(await completedRun()).session_id, (await completedRun()).session_id].sort();
    const first = (await ledger("?limit=1")).body;
    expect([first.runs[0].session_id, first.next_after]).toEqual([ids[0], ids[0]]);
    const second = (await ledger(`?limit=1&after=${first.next_after}`)).body;
    expect(second.runs[0].session_id).toBe(ids[1]);
    expect((await ledger(`?limit=1&after=${second.next_after}`)).body).toMatchObject({ runs: [], next_after: null });
  });

  test("does not count a delivery twice while it is being handed over", async () => {
    const run = await boundRun();
    stopClock();
    await webhook(report(AGENT, { workflow_id: "not-known-yet" }));
    const before = (await ledger()).body.total;
    const spy = vi.spyOn(SyncSession.prototype, "deliver");
    const deliver = spy.getMockImplementation() ?? SyncSession.prototype.deliver;
    spy.mockRestore();
    const lost = vi.spyOn(SyncSession.prototype, "deliver").mockImplementation(async function (
      this: SyncSession,
      incoming,
    ) {
      await deliver.call(this, incoming);
      throw new Error("the answer is lost");
    });
    advanceClock(70_000);
    await ring(workspaceObject());
    await eventually(
      async () => (await workspaceObject().account(10)).handedOver.length,
      (n) => n === 1,
    );
    await eventually(
      async () => lost.mock.calls.length,
      (n) => n > 0,
    );
    const { total } = (await ledger()).body;
    lost.mockRestore();
    expect(total).toMatchObject({ adds_up: true, received: before.received, held: 0 });
    expect(run.session_id).toBeDefined();
  });
});
