import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import {
  API_KEY,
  call,
  cancel,
  eventually,
  opalLedgerOfClient,
  send,
  status,
  trigger,
} from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { query, settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const PATH = "/api/force-sync/trigger";

function post(
  body: BodyInit | null,
  headers: Readonly<Record<string, string>> = { "Content-Type": "application/json" },
) {
  return send(PATH, { method: "POST", headers: { Authorization: `Bearer ${API_KEY}`, ...headers }, body });
}

describe("the answer", () => {
  test("names the run by every id, says where to follow it, and comes within two seconds", async () => {
    const startedAt = performance.now();
    const answer = await trigger("slow:400");
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    const { session_id: session } = answer.body;
    expect(session).toMatch(/^sync-\d{13}-[a-z0-9]{5}$/);
    const suffix = session.slice("sync-".length);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      success: true,
      correlation_id: `force-sync-${suffix}`,
      workflow_id: `workflow-${suffix}`,
      status: "initiated",
      state: "requested",
      reason: null,
      progress: 0,
      message: expect.any(String),
      created_at: expect.stringMatching(/^\d{4}-.+Z$/),
      polling_url: `/api/force-sync/status/${session}`,
      status_url: `/api/force-sync/status/${session}`,
    });
    expect(answer.headers.get("Location")).toBe(`/api/force-sync/status/${session}`);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.headers.has("Idempotent-Replayed")).toBe(false);
  });

  test("needs no body: everything has a default", async () => {
    const answer = await post(null, {});
    expect(answer.status).toBe(200);
    expect(await status(answer.body.session_id)).toMatchObject({ sync_scope: "quick", client_name: "OSA dashboard" });
  });

  test("does not wait for an OPAL that hangs", async () => {
    const startedAt = performance.now();
    expect((await trigger("hang")).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

test("of twenty simultaneous triggers one runs, nineteen are told which, and OPAL is called once", async () => {
  const client = `ok same-key-${crypto.randomUUID()}`;
  const answers = await Promise.all(Array.from({ length: 20 }, () => trigger(client)));
  const [started, ...others] = answers.filter((answer) => answer.status === 200);
  const refused = answers.filter((answer) => answer.status === 409);
  expect([others.length, refused.length]).toEqual([0, 19]);
  for (const { body, headers } of refused) {
    expect(body).toMatchObject({ success: false, code: "run_active", active_session: started?.body.session_id });
    expect(headers.get("Content-Type")).toBe("application/problem+json");
  }
  await eventually(
    () => status(started?.body.session_id),
    (run) => run.state === "running",
  );
  expect(await opalLedgerOfClient(client)).toHaveLength(1);
});

describe("a wrong request is refused by name and starts nothing", () => {
  test.for([
    [{ sync_scope: "everything" }, "/sync_scope"],
    [{ sync_scope: null }, "/sync_scope"],
    [{ workflow_name: 7 }, "/workflow_name"],
    [{ client_context: { client_name: "" } }, "/client_context/client_name"],
    [{ client_context: { client_name: 7 } }, "/client_context/client_name"],
    [{ client_context: { client_name: "x".repeat(201) } }, "/client_context/client_name"],
    [{ client_context: "Acme" }, "/client_context"],
    [{ sync_scop: "quick" }, "/sync_scop"],
    [{ client_context: { "a/b~c": 1 } }, "/client_context/a~1b~0c"],
    [["quick"], ""],
    ["quick", ""],
  ] as const)("%j points at %j", async ([body, pointer]) => {
    const answer = await call("POST", PATH, { body });
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
    expect(answer.body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });

  test("another workflow than the one allowed", async () => {
    const answer = await call("POST", PATH, { body: { workflow_name: "another_workflow" } });
    expect([answer.status, answer.body.code]).toEqual([403, "workflow_not_allowed"]);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });

  test("every wrong field is named, not only the first", async () => {
    const answer = await call("POST", PATH, { body: { sync_scope: 1, workflow_name: 2, extra: 3 } });
    const pointers = answer.body.errors.map((error: { pointer: string }) => error.pointer);
    expect(pointers.sort()).toEqual(["/extra", "/sync_scope", "/workflow_name"]);
  });

  test.for([
    ["no JSON", "{sync_scope", { "Content-Type": "application/json" }, 400, "unreadable_body"],
    ["an empty text", " ", { "Content-Type": "application/json" }, 400, "unreadable_body"],
    [
      "a form",
      "sync_scope=quick",
      { "Content-Type": "application/x-www-form-urlencoded" },
      415,
      "unsupported_media_type",
    ],
    ["plain text", "{}", { "Content-Type": "text/plain" }, 415, "unsupported_media_type"],
    [
      "a zipped body",
      "{}",
      { "Content-Type": "application/json", "Content-Encoding": "gzip" },
      415,
      "unsupported_media_type",
    ],
    [
      "64 KiB and more",
      JSON.stringify(" ".repeat(64 * 1024)),
      { "Content-Type": "application/json" },
      413,
      "payload_too_large",
    ],
  ] as const)("%s", async ([, body, headers, expected, code]) => {
    const answer = await post(body, headers);
    expect([answer.status, answer.body.code]).toEqual([expected, code]);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });

  test("a body that only turns out too large while it streams in", async () => {
    const chunk = new TextEncoder().encode(" ".repeat(16 * 1024));
    let chunks = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++chunks > 8) controller.close();
        else controller.enqueue(chunk);
      },
    });
    expect((await post(body)).status).toBe(413);
  });
});

describe("an Idempotency-Key", () => {
  const key = { "Idempotency-Key": "the-callers-own-key" };

  test("given again gets the same answer, also when the run has ended", async () => {
    const first = await trigger("ok", key);
    const again = await trigger("ok", key);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
    await cancel(first.body.session_id);
    expect((await trigger("ok", key)).body).toEqual(first.body);
    expect((await status(first.body.session_id)).state).toBe("cancelled");
  });

  test("survives the death of every object, and ends after a day", async () => {
    stopClock();
    const first = await trigger("ok", key);
    await cancel(first.body.session_id);
    await abortAllDurableObjects();
    advanceClock(24 * 60 * 60_000 - 1);
    expect((await trigger("ok", key)).body.session_id).toBe(first.body.session_id);
    advanceClock(2);
    const next = await trigger("ok", key);
    expect([next.status, next.body.session_id === first.body.session_id]).toEqual([200, false]);
  });

  test("given twenty times at once starts one run and answers all of them with it", async () => {
    const client = `ok same-key-${crypto.randomUUID()}`;
    const answers = await Promise.all(Array.from({ length: 20 }, () => trigger(client, key)));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(new Set(answers.map((answer) => answer.body.session_id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.has("Idempotent-Replayed"))).toHaveLength(19);
    await eventually(
      () => opalLedgerOfClient(client),
      (calls) => calls.length > 0,
    );
    expect(await opalLedgerOfClient(client)).toHaveLength(1);
  });

  test("given twice at once is one run: the second is told that the first is still being answered", async () => {
    const { body: last } = await trigger("ok");
    await cancel(last.session_id);
    await settled(last.session_id);
    // As after a lost release: the lease is still written, its holder long overdue.
    await query(workspaceObject(), `INSERT INTO lease VALUES (1, '${last.session_id}', 'confirmed', 1, 1)`);
    await query(workspaceObject(), "UPDATE runs SET seq = 0, is_over = 0, is_settled = 0, due_at = 1");
    const answers = await Promise.all([trigger("ok", key), trigger("ok", key)]);
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe("idempotency_key_in_flight");
  });

  test("of another request is refused and starts nothing", async () => {
    const first = await trigger("ok", key);
    const other = await trigger("ok somebody-else", key);
    expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
    await cancel(first.body.session_id);
    expect((await trigger("ok somebody-else", key)).status).toBe(422);
  });

  test.for(["with spaces", "x".repeat(256), ""])(
    "that is empty, too long or has spaces is refused: %j",
    async (odd) => {
      const answer = await send(PATH, {
        method: "POST",
        headers: { Authorization: `Bearer ${API_KEY}`, "Idempotency-Key": odd },
      });
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "Idempotency-Key"]);
    },
  );
});
