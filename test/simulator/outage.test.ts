// What keeps every caller out, whichever run it calls for.

import { describe, expect, test } from "vitest";
import { createFaultBook } from "../../simulator/fault-book.ts";
import { faultSet } from "../../simulator/faults.ts";
import type { Simulator } from "../../simulator/simulator.ts";
import { scene, trigger } from "./support.ts";

const statusOf = async (simulator: Simulator, bearer?: string) =>
  (await trigger(simulator, bearer === undefined ? {} : { bearer })).status;

async function statuses(simulator: Simulator, calls: number): Promise<number[]> {
  const seen = [];
  for (let call = 0; call < calls; call++) seen.push(await statusOf(simulator));
  return seen;
}

const send = (simulator: Simulator, path: string, body?: unknown) =>
  fetch(simulator.url + path, { method: "POST", ...(body !== undefined && { body: JSON.stringify(body) }) });

describe("an outage", () => {
  test("of n calls answers 503 to the first n, whatever run they are for", async () => {
    const { simulator } = await scene({ outage: { calls: 3 } });
    expect(await statuses(simulator, 5)).toEqual([503, 503, 503, 200, 200]);
    expect(simulator.runs()).toHaveLength(2);
    expect(simulator.ledger().triggers.map(({ fault }) => fault)).toEqual(["outage", "outage", "outage", null, null]);
  });

  test("of a duration begins with the first call and ends by itself", async () => {
    const book = createFaultBook(faultSet.parse({ outage: { ms: 300 } }));
    const kinds = [5_000, 5_299, 5_300, 5_301].map((nowMs) => book.meetTrouble(nowMs)?.kind);
    expect(kinds).toEqual(["outage", "outage", undefined, undefined]);
    book.add("all", faultSet.parse({ outage: { ms: 300 } }));
    expect(book.meetTrouble(6_000)?.kind).toBe("outage");
  });

  test("of a duration says when to come again, and works after it", async () => {
    const { simulator } = await scene({ outage: { ms: 200, retryAfter: 1 } });
    const refused = await trigger(simulator);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    await expect.poll(() => statusOf(simulator), { interval: 50 }).toBe(200);
  });

  test("uses up nothing of what is meant for the run", async () => {
    const { simulator } = await scene({ outage: { calls: 1 } });
    simulator.addFaults({ trigger: [{ kind: "status", status: 429 }] });
    expect(await statuses(simulator, 3)).toEqual([503, 429, 200]);
  });

  test("ends when the faults are deleted, and begins anew when it is set again", async () => {
    const { simulator } = await scene({ outage: { calls: 100 } });
    expect(await statuses(simulator, 2)).toEqual([503, 503]);
    simulator.clearFaults();
    expect(await statuses(simulator, 1)).toEqual([200]);
    simulator.addFaults({ outage: { calls: 1 } }, "all");
    expect(await statuses(simulator, 2)).toEqual([503, 200]);
  });

  test("is not used up by a caller without the bearer key", async () => {
    const { simulator } = await scene({ outage: { calls: 1 } });
    expect(await statusOf(simulator, "wrong")).toBe(401);
    expect(await statuses(simulator, 2)).toEqual([503, 200]);
  });
});

describe("a refused credential", () => {
  test("is refused from the n-th call on, until told otherwise", async () => {
    const { simulator } = await scene({ credentialRefusedFrom: 2, order: "parallel" });
    expect(await statuses(simulator, 3)).toEqual([200, 401, 401]);
    expect(simulator.runs()).toHaveLength(1);
    expect(simulator.ledger().triggers[1]).toMatchObject({
      accepted: false,
      fault: "credentialRefused",
      answered: 401,
    });
    const response = await send(simulator, "/simulator/credential");
    expect([response.status, await response.json()]).toEqual([200, { all: { order: "parallel" }, next: [] }]);
    expect(await statuses(simulator, 2)).toEqual([200, 200]);
  });

  test("is accepted again in-process too", async () => {
    const { simulator } = await scene({ credentialRefusedFrom: 1 });
    expect(await statuses(simulator, 2)).toEqual([401, 401]);
    simulator.acceptCredential();
    expect(await statuses(simulator, 1)).toEqual([200]);
  });

  test("can be replaced by another one, and then only that one is right", async () => {
    const { simulator } = await scene({ credentialRefusedFrom: 1 });
    expect(await statusOf(simulator, "renewed")).toBe(401);
    expect((await send(simulator, "/simulator/credential", { key: "renewed" })).status).toBe(200);
    expect(await statusOf(simulator, "renewed")).toBe(200);
    expect(await statusOf(simulator)).toBe(401);
    simulator.acceptCredential("renewed-again");
    expect(await statusOf(simulator, "renewed")).toBe(401);
    expect(await statusOf(simulator, "renewed-again")).toBe(200);
  });

  test.each([
    ["an empty key", { key: "" }],
    ["an unknown field", { kye: "renewed" }],
  ])("is not replaced by %s", async (_, body) => {
    const { simulator } = await scene({ credentialRefusedFrom: 1 });
    const response = await send(simulator, "/simulator/credential", body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ field: Object.keys(body)[0] }] });
    expect(await statuses(simulator, 1)).toEqual([401]);
  });
});

test.each([
  ["outage", { calls: 1 }],
  ["credentialRefusedFrom", 1],
])("%s cannot be queued for one run", async (field, value) => {
  const { simulator } = await scene();
  const response = await send(simulator, "/simulator/faults", { [field]: value });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ errors: [{ field, message: expect.stringContaining("scope") }] });
  expect((await send(simulator, "/simulator/faults", { scope: "all", [field]: value })).status).toBe(200);
  expect(() => simulator.addFaults({ [field]: value })).toThrow(/scope/);
});

test.each([
  ["neither", {}],
  ["both", { calls: 1, ms: 1 }],
])("an outage of %s calls and ms is refused", async (_, outage) => {
  const { simulator } = await scene();
  const response = await send(simulator, "/simulator/faults", { scope: "all", outage });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ errors: [{ field: "outage" }] });
});
