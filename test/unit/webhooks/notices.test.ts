// What GA4, Salesforce and other systems send: read once, kept whatever it is, and told apart.
import { describe, expect, test } from "vitest";
import { type NoticeKind, readNotice } from "../../../src/webhooks/notices.ts";

const GA4 = {
  event_type: "conversion_update",
  property_id: "properties/123",
  timestamp: "2026-11-21T10:00:00Z",
  data: {
    conversions: [
      { conversion_name: "purchase", conversion_count: 12, conversion_value: 340.5, time_period: "last_24_hours" },
    ],
  },
};
const SALESFORCE = {
  event_type: "lead_created",
  organization_id: "00D000000000001",
  timestamp: 1_795_255_200,
  data: { lead: { lead_id: "00Q1", lead_source: "web", lead_score: 80, conversion_probability: 0.4 } },
};
const EXTERNAL = { type: "analytics_update", data: { visits: 3 } };

async function read(kind: NoticeKind, document: unknown, more: { messageId?: string; source?: string } = {}) {
  const raw = new TextEncoder().encode(JSON.stringify(document));
  const { delivery, errors } = await readNotice(raw, document, {
    ...{ kind, deliveryId: "whd_1", source: more.source ?? kind, receivedAt: 5, secret: "current", headers: [] },
    messageId: more.messageId,
  });
  return { ...delivery.facts, dedupKey: delivery.dedupKey, errors };
}

async function keyOf(kind: NoticeKind, document: unknown, more: { messageId?: string; source?: string } = {}) {
  return (await read(kind, document, more)).dedupKey;
}

describe("what fits its schema", () => {
  test.for([
    ["ga4", GA4, "conversion_update", "conversion update of properties/123"],
    ["salesforce", SALESFORCE, "lead_created", "lead created of 00D000000000001"],
    ["external", EXTERNAL, "analytics_update", "analytics update"],
  ] as const)("from %s is processed", async ([kind, document, eventType, summary]) => {
    expect(await read(kind, document)).toMatchObject({
      ...{ verdict: "processed", reason: null, eventType, summary, errors: [], remoteId: null },
    });
  });

  test("may have more fields than anybody asked for", async () => {
    expect((await read("external", { ...EXTERNAL, more: { deep: [1] } })).verdict).toBe("processed");
  });
});

describe("what does not fit is quarantined, with every wrong field named", () => {
  test.for([
    ["an unknown type", "ga4", { ...GA4, event_type: "page_view" }, ["/event_type"]],
    ["no property", "ga4", { ...GA4, property_id: undefined }, ["/property_id"]],
    ["a time that is none", "ga4", { ...GA4, timestamp: "yesterday" }, ["/timestamp"]],
    [
      "a count that is a word",
      "ga4",
      { ...GA4, data: { conversions: [{ ...GA4.data.conversions[0], conversion_count: "twelve" }] } },
      ["/data/conversions/0/conversion_count"],
    ],
    ["no data", "salesforce", { ...SALESFORCE, data: undefined }, ["/data"]],
    ["a lead without an id", "salesforce", { ...SALESFORCE, data: { lead: {} } }, ["/data/lead/lead_id"]],
    ["an unknown type", "external", { ...EXTERNAL, type: "hello" }, ["/type"]],
    ["a list", "external", [1, 2], [""]],
    ["a number", "external", 7, [""]],
    ["null", "ga4", null, [""]],
  ] as const)("%s from %s", async ([, kind, document, pointers]) => {
    const found = await read(kind, document);
    expect(found).toMatchObject({ verdict: "quarantined", reason: "invalid_payload" });
    expect(found.errors.map((error) => error.pointer)).toEqual(pointers);
  });
});

describe("two deliveries are one", () => {
  test("when they say the same of the same instant, however that is spelled", async () => {
    const spelled = { ...GA4, timestamp: "2026-11-21T11:00:00+01:00" };
    expect(await keyOf("ga4", GA4)).toBe(await keyOf("ga4", spelled));
  });

  test("when the sender's own event id is the same", async () => {
    const one = { ...EXTERNAL, event_id: "e-1" };
    expect(await keyOf("external", one)).toBe(await keyOf("external", { ...one, data: { visits: 4 } }));
  });

  test("not when the subject, the type, the time or the sender differs", async () => {
    const keys = await Promise.all([
      keyOf("ga4", GA4),
      keyOf("ga4", { ...GA4, property_id: "other" }),
      keyOf("ga4", { ...GA4, event_type: "audience_insight" }),
      keyOf("ga4", { ...GA4, timestamp: "2026-11-21T10:00:01Z" }),
      keyOf("external", EXTERNAL, { source: "external:one" }),
      keyOf("external", EXTERNAL, { source: "external:two" }),
      keyOf("external", { ...EXTERNAL, data: { visits: 4 } }, { source: "external:one" }),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("without a time, by the signed message id: the same body twice may be two events", async () => {
    const one = await keyOf("external", EXTERNAL, { messageId: "msg_1" });
    expect(await keyOf("external", { ...EXTERNAL, data: {} }, { messageId: "msg_1" })).toBe(one);
    expect(await keyOf("external", EXTERNAL, { messageId: "msg_2" })).not.toBe(one);
  });
});

test("words from outside that are not plain do not reach columns", async () => {
  const found = await read("external", { type: "<script>", data: {} });
  expect(found.eventType).toBe("other");
});
