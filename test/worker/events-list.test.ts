// The list of everything that was received: newest first, page by page, found by what it is.
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventFilter, listQuery } from "../../src/events/filter.ts";
import { LOOKED_AT, walksFor } from "../../src/events/query.ts";
import { send } from "../support/worker/client.ts";
import { allPages, deliveryId, eventRow, list, numbers, RUN, storeEvents, T0 } from "../support/worker/events.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { startOver } from "../support/worker/objects.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const newestFirst = (count: number) => upTo(count).toReversed();

describe("the list", () => {
  afterEach(startOver);

  test("is for those who are signed in", async () => {
    expect((await send("/api/webhook-events", {})).status).toBe(401);
  });

  test("is empty where nothing came", async () => {
    expect((await list()).body).toEqual({ success: true, events: [], next_cursor: null });
  });

  test("says what was received, without headers and body", async () => {
    await storeEvents([eventRow(1)]);
    const answer = await list();
    expect(answer.body.events).toEqual([
      {
        ...{ delivery_id: deliveryId(1), received_at: new Date(T0 + 1).toISOString(), source: "opal" },
        ...{ event_type: "execution.completed", status: "processed", reason: null, agent_id: "geo_audit" },
        ...{
          summary: "geo_audit completed",
          error: null,
          session_id: RUN,
          workflow_id: RUN.replace("sync", "workflow"),
        },
        ...{ opal_workflow_id: "opal-workflow", inbox: null, http_status: 200, processing_time_ms: 5, bytes: 2 },
        ...{ sha256: "aa", seq: 1 },
      },
    ]);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
  });

  test("names the inbox of what belongs to no run", async () => {
    await storeEvents([eventRow(1, { sessionId: "inbox-ga4", source: "ga4", remoteId: null })]);
    expect((await list()).body.events).toMatchObject([{ inbox: "ga4", session_id: null, workflow_id: null }]);
  });

  test("shows nothing of other workspaces", async () => {
    await storeEvents([eventRow(1, { workspace: "acme" }), eventRow(2)]);
    for (const query of ["", "?q=geo", `?session_id=${RUN}`, "?agent=geo_audit"]) {
      expect(numbers(await list(query)), query).toEqual([2]);
    }
  });

  test("pages without gaps or repeats while events go on arriving", async () => {
    // Several of one moment, so that only the row number tells them apart.
    await storeEvents(upTo(25).map((n) => eventRow(n, { receivedAt: T0 + Math.floor(n / 4) })));
    let next = 100;
    const pages = await allPages("?limit=4", () => storeEvents([eventRow(next++, { receivedAt: T0 + next * 1_000 })]));
    expect(pages).toEqual(newestFirst(25));
  });

  test("while D1 does not answer, says so and when to ask again", async () => {
    const repair = breakD1();
    const answer = await list();
    repair();
    expect([answer.status, answer.body.code, answer.headers.get("Retry-After")]).toEqual([
      ...[503, "service_unavailable", "5"],
    ]);
  });
});

describe("a filter finds", () => {
  afterAll(startOver);

  beforeAll(async () => {
    await storeEvents([
      eventRow(1),
      eventRow(2, { eventType: "execution.started", agentId: "content_review" }),
      eventRow(3, { verdict: "quarantined", reason: "unknown_agent", agentId: null }),
      eventRow(4, { source: "opal_tool:send_data", verdict: "late" }),
      eventRow(5, {
        source: "ga4",
        sessionId: "inbox-ga4",
        remoteId: null,
        agentId: null,
        eventType: "audience_insight",
      }),
      eventRow(6, { sessionId: "sync-1767603700000-other", remoteId: "opal-other", verdict: "ignored", seq: 1 }),
      eventRow(7, { source: "external:crm", sessionId: "inbox-external", remoteId: null, verdict: "quarantined" }),
    ]);
  });

  test.for([
    ["?from=2026-01-05T09:00:00.006Z", [7, 6]],
    ["?to=2026-01-05T10:00:00.003%2B01:00", [2, 1]],
    ["?from=2026-01-05T09:00:00.002Z&to=2026-01-05T09:00:00.004Z", [3, 2]],
    ["?type=execution.started", [2]],
    ["?type=execution.started,audience_insight", [5, 2]],
    ["?type=execution.started&type=audience_insight", [5, 2]],
    ["?agent=content_review", [2]],
    ["?agent=Content-Review", [2]],
    ["?agent=content_review&agent=geo_audit", [7, 6, 4, 2, 1]],
    ["?workflow_id=opal-other", [6]],
    [`?workflow_id=${RUN.replace("sync", "workflow")}`, [4, 3, 2, 1]],
    [`?workflow_id=${RUN.replace("sync", "force-sync")}`, [4, 3, 2, 1]],
    [`?session_id=${RUN}`, [4, 3, 2, 1]],
    ["?session_id=default", []],
    [`?session_id=${RUN}&workflow_id=workflow-1767603700000-other`, []],
    [`?session_id=${RUN}&workflow_id=opal-workflow`, [4, 3, 2, 1]],
    ["?inbox=ga4", [5]],
    ["?source=ga4", [5]],
    ["?source=opal_tool:send_data,external:crm", [7, 4]],
    ["?source=opal,ga4", [6, 5, 3, 2, 1]],
    ["?status=quarantined", [7, 3]],
    ["?status=late,ignored", [6, 4]],
    ["?status=processed", [5, 2, 1]],
    ["?status=quarantined&source=external:crm", [7]],
    ["?status=quarantined&agent=content_review", []],
    ["?agent=geo_audit&status=processed&type=execution.completed", [1]],
    [`?session_id=${RUN}&status=late,quarantined`, [4, 3]],
    ["?q=geo_audit&status=late", [4]],
  ] as const)("%s: %j", async ([query, expected]) => {
    const answer = await list(query);
    expect([answer.status, answer.body.next_cursor]).toEqual([200, null]);
    expect(numbers(answer)).toEqual(expected);
  });

  test.for([
    ["?limit=0", "?limit"],
    ["?limit=201", "?limit"],
    ["?from=yesterday", "?from"],
    ["?status=duplicate", "?status.0"],
    ["?agent=nobody", "?agent.0"],
    ["?inbox=mine", "?inbox"],
    ["?cursor=17", "?cursor"],
    ["?cursor=owner.1.0", "?cursor"],
    [`?session_id=${RUN}&cursor=time.1.1`, "?cursor"],
    ["?q=", "?q"],
    ["?q=--%20**", "?q"],
    [`?q=${"x".repeat(201)}`, "?q"],
    [`?q=${Array.from({ length: 11 }, () => "x").join("+")}`, "?q"],
    ["?type=", "?type.0"],
    ["?sort=asc", "?sort"],
  ] as const)("%s is refused, and named", async ([query, pointer]) => {
    const answer = await list(query);
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer]);
  });
});

describe("free text finds", () => {
  afterAll(startOver);

  beforeAll(async () => {
    await storeEvents([
      eventRow(1, { summary: "geo_audit completed, 3 insights, 2 recommendations" }),
      eventRow(2, { error: 'the "connection" was refused: OR NOT NEAR(x)', summary: "geo_audit failed" }),
      eventRow(3, { sessionId: "sync-1767603700000-other", remoteId: null, agentId: "content_review", summary: "" }),
      eventRow(4, { summary: "Zürich ist größer", agentId: null }),
    ]);
  });

  test.for([
    ["insights", [1]],
    ["GEO_audit", [2, 1]],
    ["geo_audit refused", [2]],
    ["refused geo_aud", [2]],
    ["insights refused", []],
    [deliveryId(3), [3]],
    ["sync-1767603700000-other", [3]],
    ["sync-1767603700000-oth", [3]],
    ["zurich", [4]],
    ["recomm", [1]],
    ["re", []],
    ['"connection"', [2]],
    ["OR", [2]],
    ["NOT", [2]],
    ["NEAR(x)", [2]],
    ["summary:geo", []],
    ["geo*", [2, 1]],
    ["^geo", [2, 1]],
    ["geo -audit", [2, 1]],
    ["' OR 1=1 --", []],
    ['"', null],
    ['geo " audit', [2, 1]],
    ["{geo} : (audit + )", [2, 1]],
    ["AND", []],
  ] as const)("%s: %j, whatever it means elsewhere", async ([text, expected]) => {
    const answer = await list(`?q=${encodeURIComponent(text)}`);
    expect(answer.status).toBe(expected === null ? 400 : 200);
    if (expected !== null) expect(numbers(answer)).toEqual(expected);
  });
});

describe("many events", () => {
  afterEach(startOver);

  test("found by free text come page by page, in the order in which it was stored, and what was read again under its new words", async () => {
    await storeEvents(upTo(20).map((n) => eventRow(10 + n, { summary: "needle" })));
    expect(await allPages("?q=needle&limit=3")).toEqual(upTo(20).map((n) => 31 - n));
    await env.DB.prepare("UPDATE webhook_events SET summary = 'hay' WHERE delivery_id = ?").bind(deliveryId(15)).run();
    await env.DB.prepare("DELETE FROM webhook_events WHERE delivery_id = ?").bind(deliveryId(16)).run();
    expect(await allPages("?q=needle&limit=7")).toEqual(
      upTo(20)
        .map((n) => 31 - n)
        .filter((n) => n !== 15 && n !== 16),
    );
    expect(await allPages("?q=hay&limit=7")).toEqual([15]);
  });

  test("a filter that fits few of very many events looks at so many for a page, and goes on from there", async () => {
    const many = Array.from({ length: LOOKED_AT + 40 }, (_, n) => eventRow(n, { receivedAt: T0 + Math.floor(n / 3) }));
    const rare = new Set([3, 20, LOOKED_AT + 30]);
    await storeEvents(many.map((row, n) => (rare.has(n) ? { ...row, eventType: "rare" } : row)));
    for (const query of ["?agent=geo_audit&type=rare", `?session_id=${RUN}&type=rare`]) {
      const first = await list(query);
      expect(numbers(first), query).toEqual([LOOKED_AT + 30]);
      expect(first.body.next_cursor, query).not.toBeNull();
      expect(await allPages(query), query).toEqual([LOOKED_AT + 30, 20, 3]);
    }
    // Several walks, each with a horizon of its own.
    await storeEvents([eventRow(9_001, { agentId: "content_review", eventType: "rare", receivedAt: T0 + 1_000 })]);
    expect(await allPages("?agent=geo_audit,content_review&type=rare&limit=1")).toEqual([LOOKED_AT + 30, 9_001, 20, 3]);
  });
});

describe("every way to ask reads an index in its own order", () => {
  const day = "from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z";
  test.for([
    ["", "webhook_events_by_time"],
    [day, "webhook_events_by_time"],
    ["status=processed&source=opal", "webhook_events_by_time"],
    ["type=a", "webhook_events_by_type"],
    [`type=a&status=processed&${day}`, "webhook_events_by_type"],
    ["agent=geo_audit", "webhook_events_by_agent"],
    ["agent=geo_audit&type=a&source=opal", "webhook_events_by_agent"],
    ["source=ga4", "webhook_events_by_source"],
    ["source=ga4&type=a&agent=geo_audit", "webhook_events_by_source"],
    ["status=late,ignored", "webhook_events_by_verdict"],
    [`status=quarantined&source=ga4&type=a&agent=geo_audit&${day}`, "webhook_events_by_verdict"],
    ["workflow_id=w", "webhook_events_by_workflow"],
    [`workflow_id=w&status=late&source=ga4&type=a&agent=geo_audit&${day}`, "webhook_events_by_workflow"],
    [`session_id=${RUN}`, "webhook_events_by_session"],
    [
      `session_id=${RUN}&workflow_id=w&status=late&source=ga4&type=a&agent=geo_audit&${day}`,
      "webhook_events_by_session",
    ],
    ["q=text", "webhook_search"],
    [`q=text&session_id=${RUN}&workflow_id=w&status=late&source=ga4&type=a&agent=geo_audit&${day}`, "webhook_search"],
  ] as const)("%s: %s", async ([query, index]) => {
    const parameters: Record<string, string> = Object.fromEntries(new URLSearchParams(query));
    const filter = eventFilter(listQuery.parse(parameters), "default");
    const db = drizzle(env.DB);
    for (const key of [undefined, [5, 5]] as const) {
      for (const walk of walksFor(filter, key, 51)) {
        for (const asked of [walk.rows, ...(walk.horizon === null ? [] : [walk.horizon])]) {
          const plan = await db.all<{ detail: string }>(sql`EXPLAIN QUERY PLAN ${asked}`);
          const steps = plan.map((step) => step.detail);
          const reads = steps.filter((step) => /^(SCAN|SEARCH) (webhook_)/.test(step));
          expect(steps.join("\n")).not.toMatch(/TEMP B-TREE/);
          if (index === "webhook_search") {
            expect(reads[0]).toMatch(/^SCAN webhook_search VIRTUAL TABLE INDEX \d+:.*M/);
            expect(reads[1]).toMatch(/^SEARCH webhook_events USING INTEGER PRIMARY KEY/);
          } else {
            for (const read of reads) {
              expect(read).toMatch(
                new RegExp(`^SEARCH webhook_events USING (COVERING )?INDEX ${index} \\(workspace=\\?`),
              );
            }
            expect(reads.length).toBeGreaterThan(0);
          }
        }
      }
    }
  });
});
