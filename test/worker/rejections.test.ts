// What the front doors refuse is counted, sampled and explained; a flood of it costs what is signed nothing.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Inbox } from "../../src/inbox/object.ts";
import { sha256Hex } from "../../src/platform/hash.ts";
import {
  agentEvent,
  eventually,
  runningSync,
  SECRET,
  send,
  signature,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { inboxObject, query, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const BODY = '{"workflow_id":"wf-1","event_type":"workflow_progress"}';

function post(headers: Readonly<Record<string, string>>, body = BODY, path = WEBHOOKS) {
  return send(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
}

/** The newest rejections, once there are so many. */
function rejections(count: number) {
  return eventually(
    () => inboxObject("rejections").rejections({ limit: 2_000 }),
    (found) => found.length >= count,
  );
}

describe("a refused delivery", () => {
  test.for([
    ["missing_signature", async (): Promise<string | undefined> => undefined],
    ["invalid_signature_format", async (): Promise<string | undefined> => "v1=abc"],
    ["timestamp_out_of_tolerance", () => signature(BODY, SECRET, 1_700_000_000)],
    ["signature_mismatch", () => signature("another body")],
  ] as const)("is kept with its reason (%s), address and hash, its credentials masked", async ([reason, sign]) => {
    const given = await sign();
    const signed: Record<string, string> = given === undefined ? {} : { "X-OSA-Signature": given };
    const more = { "CF-Connecting-IP": "203.0.113.9", Authorization: "Bearer of-somebody", "User-Agent": "curl/8" };
    expect((await post({ ...signed, ...more })).status).toBe(401);
    const [found] = await rejections(1);
    expect(found).toMatchObject({
      ...{ reason, code: "signature_invalid", source: "opal", address: "203.0.113.9", path: WEBHOOKS },
      ...{ bytes: BODY.length, hasBody: true, sha256: await sha256Hex(new TextEncoder().encode(BODY)) },
    });
    const kept = Object.fromEntries(found?.headers ?? []);
    expect(kept).toMatchObject({ authorization: "(masked)", "user-agent": "curl/8" });
    expect(kept["x-osa-signature"]).toBe(given);
  });

  test.for([
    ["unreadable_body", 400, "not json", {}],
    ["unsupported_media_type", 415, BODY, { "Content-Type": "text/plain" }],
    ["payload_too_large", 413, BODY, { "Content-Length": String(11 * 1024 * 1024) }],
  ] as const)("for another reason is kept as well: %s", async ([code, status, body, headers]) => {
    expect((await post({ "X-OSA-Signature": await signature(body), ...headers }, body)).status).toBe(status);
    expect(await rejections(1)).toMatchObject([{ code, reason: code }]);
  });

  test("of a function that OPAL calls is kept without its body, which may hold credentials", async () => {
    const body = JSON.stringify({ parameters: {}, auth: { credentials: "of-somebody" } });
    expect((await post({ Authorization: "Bearer wrong" }, body, "/api/tools/osa_workflow_data")).status).toBe(401);
    const [found] = await rejections(1);
    expect(found).toMatchObject({ source: "opal_tool", code: "authentication_failed", hasBody: false, bytes: null });
  });

  test("is counted in the statistics", async () => {
    await Promise.all(Array.from({ length: 7 }, () => post({})));
    const counted = await eventually(
      async () => (await env.DB.prepare("SELECT source, outcome, reason, count FROM webhook_stats").all()).results,
      (found) => found.reduce((sum, row) => sum + Number(row.count), 0) >= 7,
    );
    expect(new Set(counted.map((row) => `${row.source} ${row.outcome} ${row.reason}`))).toEqual(
      new Set(["opal rejected signature_invalid"]),
    );
    expect(await inboxObject("rejections").rejectionTotals()).toEqual([
      { source: "opal", code: "signature_invalid", reason: "missing_signature", atLeast: 7 },
    ]);
  });

  test("of a workspace nobody configured is kept nowhere", async () => {
    expect((await post({}, BODY, `${WEBHOOKS}/nobody`)).status).toBe(404);
    expect(await inboxObject("rejections", "nobody").rejections({ limit: 10 })).toEqual([]);
  });
});

describe("a flood of them", () => {
  test("is told in few calls, each of them counted, some of them kept", async () => {
    const told = vi.spyOn(Inbox.prototype, "takeRejections");
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => post({ "CF-Connecting-IP": `203.0.113.${index % 250}` })),
    );
    await eventually(
      () => inboxObject("rejections").rejectionTotals(),
      (totals) => totals.reduce((sum, total) => sum + total.atLeast, 0) === 300,
    );
    expect(told.mock.calls.length).toBeLessThanOrEqual(5);
    const kept = await inboxObject("rejections").rejections({ limit: 1_000 });
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(20 * told.mock.calls.length);
  });

  test("leaves a signed delivery alone", async () => {
    const run = await runningSync();
    const flood = Array.from({ length: 200 }, () => post({}));
    const answer = await webhook(agentEvent(run, "geo_audit"));
    expect(answer.body.status).toBe("processed");
    await Promise.all(flood);
  });

  test("fills a ring of a thousand and no more, with no large bodies", async () => {
    const request = {
      ...{ at: 1, source: "opal", code: "signature_invalid", reason: "missing_signature", requestId: "r", path: "/" },
      ...{ address: null, skewSeconds: null, bytes: 20_000, sha256: null, headers: [] },
    };
    const samples = Array.from({ length: 400 }, () => ({ request, body: new Uint8Array(17_000) }));
    for (let batch = 0; batch < 4; batch++) {
      await inboxObject("rejections").takeRejections({ at: 1, counts: [], samples });
    }
    const [kept] = await query(
      inboxObject("rejections"),
      "SELECT count(*) AS n, MIN(id) AS first, sum(length(body)) AS bytes FROM rejections",
    );
    expect(kept).toEqual({ n: 1_000, first: 601, bytes: null });
  });
});
