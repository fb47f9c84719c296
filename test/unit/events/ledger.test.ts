// Accounts of the same deliveries are held against each other, and whatever one of them lacks is named.
import { describe, expect, test } from "vitest";
import { accountOfRun, addsUpForInbox, type StoredAccount, sumOf } from "../../../src/events/ledger.ts";
import { EMPTY_LEDGER, type Ledger } from "../../../src/platform/ledger.ts";
import { foldVerdicts, type LoggedVerdict, type SessionAccount } from "../../../src/sync/account.ts";

const recorded = (seq: number, deliveryId: string, verdict: LoggedVerdict["verdict"] = "processed"): LoggedVerdict => ({
  ...{ seq, deliveryId, verdict, receivedAt: 1_000 + seq },
});
const read = (seq: number, deliveryId: string, verdict: LoggedVerdict["verdict"]): LoggedVerdict => ({
  ...{ seq, deliveryId, verdict, receivedAt: null },
});
const counts = (more: Partial<Ledger>): Ledger => ({ ...EMPTY_LEDGER, ...more });

const LOG = foldVerdicts([
  recorded(2, "a"),
  recorded(4, "b", "late"),
  recorded(5, "c", "quarantined"),
  read(7, "c", "processed"),
]);

const SESSION: SessionAccount = {
  ledger: counts({ received: 53, processed: 2, late: 1, duplicate: 50 }),
  receipts: [
    { deliveryId: "a", repeats: 50 },
    { deliveryId: "b", repeats: 0 },
    { deliveryId: "c", repeats: 0 },
  ],
  deliveries: LOG,
  lastSeq: 9,
  untoldFrom: null,
  uncounted: 0,
  pressure: [],
};

const STORED: StoredAccount = {
  rows: LOG.map(({ deliveryId, verdict, verdictSeq }) => ({ deliveryId, verdict, verdictSeq })),
  ledger: { ...SESSION.ledger, expired: 0 },
  expiredBefore: 0,
};

const account = (session: Partial<SessionAccount> = {}, stored: Partial<StoredAccount> = {}) =>
  accountOfRun({ ...SESSION, ...session }, { ...STORED, ...stored });
const without = (id: string) => STORED.rows.filter(({ deliveryId }) => deliveryId !== id);

describe("the accounts of a run", () => {
  test("agree when every delivery is everywhere, and a delivery counts as it was read last", () => {
    const found = account();
    expect(found).toMatchObject({ addsUp: true, unaccounted: 0, expired: 0 });
    expect(found.journal).toEqual(SESSION.ledger);
    expect(found.rows).toEqual({ processed: 2, late: 1, ignored: 0, quarantined: 0 });
    expect(found.pending).toEqual({ deliveries: 0, readings: 0, arrivals: 0 });
  });

  test("name a delivery that D1 lacks though it was told of it", () => {
    const found = account({}, { rows: without("b") });
    expect(found).toMatchObject({ addsUp: false, missing: { d1: { total: 1, deliveryIds: ["b"] } } });
  });

  test("wait for what D1 has not been told yet", () => {
    const found = account({ untoldFrom: 4, uncounted: 3 }, { rows: [STORED.rows[0] ?? fail()], ledger: undefined });
    expect(found).toMatchObject({ addsUp: true, pending: { deliveries: 2, readings: 0, arrivals: 3 } });
    const later = [{ deliveryId: "c", verdict: "quarantined", verdictSeq: 5 }];
    const reread = account({ untoldFrom: 7 }, { rows: [...without("c"), ...later] });
    expect(reread).toMatchObject({ addsUp: true, pending: { deliveries: 0, readings: 1 } });
    expect(account({}, { rows: [...without("c"), ...later] })).toMatchObject({
      ...{ addsUp: false, differing: { deliveryIds: ["c"] } },
    });
  });

  test("forgive D1 what retention has deleted, and nothing younger", () => {
    expect(account({}, { rows: without("a"), expiredBefore: 1_003 })).toMatchObject({ addsUp: true, expired: 1 });
    expect(account({}, { rows: without("a"), expiredBefore: 1_002 })).toMatchObject({ addsUp: false, expired: 0 });
  });

  test("name a receipt that is gone, and one that nothing was recorded of", () => {
    const gone = account({ receipts: SESSION.receipts.slice(1) });
    expect(gone).toMatchObject({ addsUp: false, missing: { receipts: { total: 1, deliveryIds: ["a"] } } });
    const silent = account({ receipts: [...SESSION.receipts, { deliveryId: "d", repeats: 0 }] });
    expect(silent).toMatchObject({ addsUp: false, missing: { log: { total: 1, deliveryIds: ["d"] } } });
  });

  test("do not agree when a counter is off by one, whichever it is", () => {
    for (const entry of ["received", "processed", "duplicate", "late", "ignored", "quarantined"] as const) {
      for (const by of [1, -1]) {
        const ledger = { ...SESSION.ledger, [entry]: SESSION.ledger[entry] + by };
        expect([entry, by, account({ ledger }).addsUp]).toEqual([entry, by, false]);
        expect(account({ ledger }).unaccounted).toBe(entry === "received" ? by : -by);
      }
    }
    const shifted = counts({ received: 53, processed: 3, duplicate: 50 });
    expect(account({ ledger: shifted })).toMatchObject({ addsUp: false, unaccounted: 0 });
  });

  test("do not agree when D1's counters know less, or something else", () => {
    const less = { ...counts({ received: 52, processed: 2, late: 1, duplicate: 49 }), expired: 0 };
    expect(account({}, { ledger: less }).addsUp).toBe(false);
    expect(account({}, { ledger: undefined }).addsUp).toBe(false);
    expect(account({ uncounted: 1 }, { ledger: less }).addsUp).toBe(true);
    const moved = { ...STORED.ledger, ...counts({ received: 53, processed: 3, duplicate: 50 }), expired: 0 };
    expect(account({}, { ledger: moved }).addsUp).toBe(false);
  });

  test("name a row that is in nobody's log", () => {
    const strange = { deliveryId: "x", verdict: "processed", verdictSeq: 3 };
    const found = account({}, { rows: [...STORED.rows, strange] });
    expect(found).toMatchObject({
      addsUp: false,
      unknown: { deliveryIds: ["x"] },
      missing: { receipts: { total: 1 } },
    });
  });

  test("name a few of many, and count all", () => {
    const receipts = Array.from({ length: 200 }, (_, index) => ({ deliveryId: `r${index}`, repeats: 0 }));
    const { missing } = account({ receipts });
    expect([missing.log.total, missing.log.deliveryIds.length]).toEqual([200, 50]);
  });
});

test("an inbox adds up when its rows and what expired are what it kept, unless D1 waits for some", () => {
  const ledger = counts({ received: 7, processed: 3, quarantined: 2, duplicate: 2 });
  expect(addsUpForInbox({ ledger, waiting: 0 }, undefined)).toBe(true);
  expect(addsUpForInbox({ ledger, waiting: 0 }, { rows: 4, expired: 1 })).toBe(true);
  expect(addsUpForInbox({ ledger, waiting: 0 }, { rows: 4, expired: 0 })).toBe(false);
  expect(addsUpForInbox({ ledger, waiting: 1 }, { rows: 4, expired: 0 })).toBe(true);
  expect(addsUpForInbox({ ledger: { ...ledger, processed: 2 }, waiting: 1 }, undefined)).toBe(false);
});

test("a sum is taken entry by entry", () => {
  const sum = sumOf([SESSION.ledger, counts({ received: 2, ignored: 1, quarantined: 1 })]);
  expect(sum).toEqual({ received: 55, processed: 2, duplicate: 50, late: 1, ignored: 1, quarantined: 1 });
  expect(sumOf([])).toEqual(EMPTY_LEDGER);
});

function fail(): never {
  throw new Error("there is no such row");
}
