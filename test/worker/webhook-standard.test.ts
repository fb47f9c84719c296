// Standard Webhooks at the receiver: accepted beside our own form, and neither makes the other weaker.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ACME_SECRET,
  agentEvent,
  PREVIOUS_SECRET,
  runningSync,
  SECRET,
  send,
  signature,
  unixSeconds,
  WEBHOOKS,
} from "../support/worker/client.ts";
import { stopClock } from "../support/worker/faults.ts";
import { eventsOf, query, startOver, workspaceObject } from "../support/worker/objects.ts";

const BODY = '{"workflow_id":"wf-1","event_type":"workflow_progress"}';
const ID = "msg_2Z7";

async function sign(body = BODY, secret = SECRET, at: number | string = unixSeconds(), id = ID): Promise<string> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(secret), algorithm, false, ["sign"]);
  const digest = await crypto.subtle.sign("HMAC", key, bytes(`${id}.${at}.${body}`));
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}

async function standard(body = BODY, secret = SECRET, at: number | string = unixSeconds(), id = ID) {
  const signed = await sign(body, secret, at, id);
  return { "webhook-id": id, "webhook-timestamp": String(at), "webhook-signature": signed };
}

async function post(headers: Readonly<Record<string, string>>, body = BODY, path = WEBHOOKS) {
  const answer = await send(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Correlation-ID": "the-same", ...headers },
    body,
  });
  return { status: answer.status, body: answer.body, headers: [...answer.headers].sort() };
}

describe("a delivery signed as Standard Webhooks", () => {
  afterEach(startOver);

  test("reaches its run, which keeps the secret's name and the form", async () => {
    const run = await runningSync();
    const first = JSON.stringify(agentEvent(run, "content_review"));
    const second = JSON.stringify(agentEvent(run, "geo_audit"));
    const third = JSON.stringify(agentEvent(run, "audience_suggester"));
    expect((await post(await standard(first), first)).body.status).toBe("processed");
    expect((await post(await standard(second, PREVIOUS_SECRET), second)).body.status).toBe("processed");
    expect((await post({ "X-OSA-Signature": await signature(third) }, third)).body.status).toBe("processed");
    const secrets = (await eventsOf(run.session_id)).flatMap((event) => ("secret" in event ? [event.secret] : []));
    expect(secrets).toEqual(["current (standard webhooks)", "previous (standard webhooks)", "current"]);
  });

  test("sent again in our own form is still the same delivery", async () => {
    const run = await runningSync();
    const body = JSON.stringify(agentEvent(run, "content_review"));
    const first = await post(await standard(body), body);
    const again = await post({ "X-OSA-Signature": await signature(body) }, body);
    expect(again.body).toMatchObject({ status: "duplicate", first_webhook_id: first.body.webhook_id });
  });

  test("is accepted for a workspace with a secret of its own, and for no other", async () => {
    const headers = await standard(BODY, ACME_SECRET);
    expect((await post(headers, BODY, `${WEBHOOKS}/acme`)).status).toBe(202);
    expect((await post(headers, BODY)).status).toBe(401);
  });

  test("is described", async () => {
    const { body } = await send(WEBHOOKS, { method: "GET" });
    expect(body.signature).toMatchObject({ header: "X-OSA-Signature", tolerance_seconds: 300 });
    expect(body.other_signature).toMatchObject({ header: "webhook-signature", tolerance_seconds: 300 });
    expect(body.other_signature.further_headers).toEqual(["webhook-id", "webhook-timestamp"]);
  });
});

describe("at the edges of its window and its header", () => {
  beforeEach(stopClock);
  afterEach(async () => {
    vi.useRealTimers();
    await startOver();
  });

  test.for([-300, -299, 299, 300])("%i seconds from now is accepted", async (offset) => {
    expect((await post(await standard(BODY, SECRET, unixSeconds() + offset))).status).toBe(202);
  });

  test("the good one last of five is accepted", async () => {
    const bad = `v1,${btoa("\0".repeat(32))}`;
    const headers = await standard();
    const several = `${bad} v1a,xyz ${bad} ${bad} ${bad} ${headers["webhook-signature"]}`;
    expect((await post({ ...headers, "webhook-signature": several })).status).toBe(202);
  });
});

describe("a signature that is not good is refused, and the answer does not tell why", () => {
  beforeEach(stopClock);
  afterEach(() => {
    vi.useRealTimers();
  });

  const without = async (name: string) => {
    const entries = Object.entries(await standard()).filter(([key]) => key !== name);
    return Object.fromEntries(entries);
  };
  const changed = async (name: string, value: string) => ({ ...(await standard()), [name]: value });
  const both = async (own: string | Promise<string>) => ({ ...(await standard()), "X-OSA-Signature": await own });

  const failures: Readonly<Record<string, () => Promise<Record<string, string>>>> = {
    "no id": () => without("webhook-id"),
    "no time": () => without("webhook-timestamp"),
    "no signature": () => without("webhook-signature"),
    "an empty signature": () => changed("webhook-signature", ""),
    "a word": () => changed("webhook-signature", "nonsense"),
    "another id": () => changed("webhook-id", "msg_other"),
    "another time": () => changed("webhook-timestamp", String(unixSeconds() - 1)),
    "a hexadecimal digest": () => changed("webhook-signature", `v1,${"0".repeat(64)}`),
    "an unknown version": async () => changed("webhook-signature", (await sign()).replace("v1", "v2")),
    "a short digest": () => changed("webhook-signature", "v1,AAAA"),
    "another body": () => standard(`${BODY} `),
    "301 seconds old": () => standard(BODY, SECRET, unixSeconds() - 301),
    "301 seconds ahead": () => standard(BODY, SECRET, unixSeconds() + 301),
    milliseconds: () => standard(BODY, SECRET, `${unixSeconds()}000`),
    "time zero": () => standard(BODY, SECRET, 0),
    "an unknown secret": () => standard(BODY, "whoever-guesses-this-is-not-opal-at-all"),
    "another workspace's secret": () => standard(BODY, ACME_SECRET),
    "a good one beside a bad one of ours": () => both(`t=${unixSeconds()},v1=${"0".repeat(64)}`),
    "a good one beside an empty one of ours": () => both(""),
    "a good one beside a malformed one of ours": () => both("nonsense"),
    "a good one beside an old one of ours": () => both(signature(BODY, SECRET, unixSeconds() - 301)),
    "our own digest in its header": async () => {
      const own = (await signature(BODY)).replace(/^.*v1=/, "");
      const bytes = String.fromCharCode(...(own.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
      return changed("webhook-signature", `v1,${btoa(bytes)}`);
    },
  };

  test.for(Object.entries(failures))("%s", async ([, headersOf]) => {
    const plain = await post({});
    expect([plain.status, plain.body.code]).toEqual([401, "signature_invalid"]);
    expect(JSON.stringify(await post(await headersOf()))).toBe(JSON.stringify(plain));
    expect(await query(workspaceObject(), "SELECT * FROM held")).toEqual([]);
  });

  test("a good one of ours decides beside a bad other one", async () => {
    const headers = { ...(await changed("webhook-signature", "v1,AAAA")), "X-OSA-Signature": await signature(BODY) };
    expect((await post(headers)).status).toBe(202);
    await startOver();
  });
});
