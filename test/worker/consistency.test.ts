// Every run of the workspace held against its log and against D1.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Answer, agentEvent, call, cancel, runningSync, send, webhook } from "../support/worker/client.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { evict, sessionObject, settled, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

async function check(search = ""): Promise<Answer> {
  const signIn = await send("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: "operator@osa.localhost", password: "test-password" }),
  });
  const [cookie = ""] = signIn.headers.get("Set-Cookie")?.split(";") ?? [];
  return send(`/api/admin/consistency${search}`, { headers: { Cookie: cookie } });
}

async function endedRuns(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let times = 0; times < count; times++) {
    const run = await runningSync();
    await webhook(agentEvent(run, "geo_audit"));
    await cancel(run.session_id);
    await settled(run.session_id);
    ids.push(run.session_id);
  }
  return ids.sort();
}

describe("the consistency command", () => {
  test("is for administrators", async () => {
    const answer = await call("GET", "/api/admin/consistency");
    expect([answer.status, answer.body.code]).toEqual([403, "access_denied"]);
  });

  test.for(["limit=0", "limit=51", "limit=all", "after=x&from=y"])("refuses ?%s", async (search) => {
    const answer = await check(`?${search}`);
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
  });

  test("of a workspace without runs finds nothing wrong", async () => {
    expect((await check()).body).toEqual({ success: true, checked: 0, consistent: true, runs: [], next_after: null });
  });

  test("goes through every run once, page by page", async () => {
    const ids = await endedRuns(3);
    const { body } = await check();
    expect(body).toMatchObject({ success: true, checked: 3, consistent: true, next_after: null });
    expect(body.runs.map((run: Body) => run.session_id)).toEqual(ids);
    for (const run of body.runs) {
      expect(run).toMatchObject({ consistent: true, has_log: true, state_is_fold: true, differences: [] });
      expect(run.rows).toBeGreaterThan(15);
    }
    const seen: string[] = [];
    let after = "";
    do {
      const page: Answer = await check(`?limit=2&after=${after}`);
      seen.push(...page.body.runs.map((run: Body) => run.session_id));
      after = page.body.next_after ?? "";
    } while (after !== "" && seen.length < 10);
    expect(seen).toEqual(ids);
  });

  test("waits a moment for D1 to hear of what has just happened", async () => {
    const [id = ""] = await endedRuns(1);
    const database: D1Database = Object.getPrototypeOf(env.DB);
    const batch = database.batch.bind(env.DB);
    vi.spyOn(database, "batch").mockImplementation(async <T>(statements: D1PreparedStatement[]) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      return batch<T>(statements);
    });
    await webhook(agentEvent({ session_id: id, correlation_id: `force-${id}` }, "content_review"));
    expect((await check()).body).toMatchObject({ checked: 1, consistent: true, runs: [{ differences: [] }] });
  });

  test("names the row and the column of D1 that is not what the log says, and in which run", async () => {
    const [, second] = await endedRuns(2);
    await env.DB.prepare("UPDATE opal_workflow_executions SET progress_percentage = 99 WHERE session_id = ?")
      .bind(second)
      .run();
    await env.DB.prepare("DELETE FROM webhook_events WHERE session_id = ?").bind(second).run();
    const { body } = await check();
    expect(body).toMatchObject({ checked: 2, consistent: false, runs: [{ consistent: true }, { consistent: false }] });
    expect(body.runs[1]).toMatchObject({ session_id: second, state_is_fold: true });
    expect(body.runs[1].differences).toMatchObject([
      { table: "opal_workflow_executions", key: second, column: "progress_percentage", found: "99" },
      { table: "webhook_events", column: null, found: null },
    ]);
  });

  test("finds a stored state that does not follow from its log", async () => {
    const [id = ""] = await endedRuns(1);
    await runInDurableObject(sessionObject(id), (_session, state) => {
      state.storage.sql.exec("UPDATE state_cache SET data = json_set(data, '$.doubleStarts', 7)");
    });
    await evict(sessionObject(id));
    expect((await check()).body).toMatchObject({
      ...{ consistent: false, runs: [{ state_is_fold: false, differences: [] }] },
    });
  });

  test("finds a run whose log is gone", async () => {
    const [id = ""] = await endedRuns(1);
    await runInDurableObject(sessionObject(id), (_session, state) => state.storage.deleteAll());
    await evict(sessionObject(id));
    expect((await check()).body).toMatchObject({ consistent: false, runs: [{ has_log: false, rows: 0 }] });
  });

  test("cannot say anything while D1 is silent, and says that", async () => {
    await endedRuns(1);
    const repair = breakD1();
    const answer = await check();
    repair();
    expect([answer.status, answer.body.code, answer.headers.get("Retry-After")]).toEqual([
      ...[503, "service_unavailable", "5"],
    ]);
    expect(JSON.stringify(answer.body)).not.toContain("D1_ERROR");
    expect((await check()).body).toMatchObject({ checked: 1, consistent: true });
  });
});
