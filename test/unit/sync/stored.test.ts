// The deliveries of a run as its log tells of them.
import { expect, test } from "vitest";
import { storedDeliveries } from "../../../src/sync/stored.ts";
import { at, type Coming, delivery, given, means, readAgain, running, says } from "../../support/node/given.ts";

const comes = (deliveryId: string, seconds: number, remoteId: string | null = null): Coming => [
  seconds,
  {
    type: "deliver",
    delivery: delivery({ deliveryId, remoteId, receivedAt: at(seconds) }),
    reports: [says("geo_audit", "completed")],
  },
];
const two = given(...running()).and(comes("whd_1", 5), comes("whd_2", 6, "opal-1"));

test("are numbered in the order in which they came, each with where it is from", () => {
  expect(storedDeliveries(two.log)).toMatchObject([
    { offset: 0, deliveryId: "whd_1", remoteId: null, verdict: "processed", readings: 1, receivedAt: at(5) },
    { offset: 1, deliveryId: "whd_2", remoteId: "opal-1", source: "opal", secret: "current", readings: 1 },
  ]);
});

test("know what was read", () => {
  expect(storedDeliveries(two.log)[0]?.reading).toMatchObject([{ about: "agent", outcome: "completed" }]);
});

test("that were read again know the last reading, and keep their place", () => {
  const ignored = means("ignored", "unknown_status");
  const again = two.and(
    [90, readAgain({ deliveryId: "whd_1" }, ignored)],
    [91, readAgain({ deliveryId: "whd_1" }, ignored)],
  );
  expect(storedDeliveries(again.log)).toMatchObject([
    { offset: 0, deliveryId: "whd_1", verdict: "ignored", readings: 3, reading: [{ about: "nothing" }] },
    { offset: 1, deliveryId: "whd_2", verdict: "processed", readings: 1 },
  ]);
});

test("of which the log says nothing are not invented", () => {
  expect(storedDeliveries(given(...running()).log)).toEqual([]);
  expect(storedDeliveries(two.and([90, readAgain({ deliveryId: "whd_9" })]).log)).toHaveLength(2);
});

test("from before readings were kept have none", () => {
  const { correlated: _correlated, ...facts } = delivery();
  const older = given(...running(), [5, { type: "delivery_recorded", ...facts, verdict: "processed", reason: null }]);
  expect(storedDeliveries(older.log)).toMatchObject([{ reading: null, readings: 1 }]);
});
