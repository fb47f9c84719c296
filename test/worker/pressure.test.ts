// How an outbox digests a burst: what waits, what waited at most, and how long it took. Counted exactly, at little cost.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { enqueue, flush, type OutboxPort, waiting } from "../../src/platform/outbox.ts";
import { BURST_MESSAGES, type Pressure, pressureOf } from "../../src/platform/pressure.ts";
import { agentEvent, call, cancel, eventually, runningSync, webhook } from "../support/worker/client.ts";
import { asAdmin } from "../support/worker/control.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { query, sessionObject, settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const START = 1_800_000_000_000;

interface Outbox {
  /** Writes so many messages for a destination. */
  readonly add: (n: number, destination?: string) => void;
  /** Delivers everything that is due, `onBatch` between two batches; a number of batches is taken, then none. */
  readonly flush: (batches?: number, onBatch?: () => void) => Promise<void>;
  readonly pass: (ms: number) => void;
  readonly pressure: (destination?: string) => Pressure | undefined;
  readonly sql: SqlStorage;
}

/** An outbox in real storage, with a clock of its own. */
function withOutbox(act: (outbox: Outbox) => Promise<void>): Promise<void> {
  return runInDurableObject(workspaceObject(), async (_instance, { storage }) => {
    let clock = START;
    const { sql } = storage;
    const add = (n: number, destination = "d1") => {
      for (let index = 0; index < n; index++) enqueue(sql, destination, `${index}`, clock);
    };
    const portFor = (batches: number, onBatch: () => void): OutboxPort => {
      let taken = 0;
      return {
        storage,
        inFlight: new Set(),
        now: () => clock,
        random: () => 0.5,
        deliver: async (_destination, messages) => {
          if (taken++ >= batches) throw new Error("the destination is away");
          onBatch();
          return messages.length;
        },
        gatherMs: () => 0,
        onFailure: () => {},
      };
    };
    await act({
      ...{
        add,
        sql,
        pass: (ms) => {
          clock += ms;
        },
      },
      flush: (batches = Number.POSITIVE_INFINITY, onBatch = () => {}) => flush(portFor(batches, onBatch)),
      pressure: (destination = "d1") => pressureOf(sql, clock).find((one) => one.destination === destination),
    });
  });
}

describe("an outbox", () => {
  test("writes nothing down for single messages, and says what waits and for how long", async () => {
    await withOutbox(async ({ add, flush: deliver, pass, pressure, sql }) => {
      add(BURST_MESSAGES - 1);
      pass(4_000);
      expect(pressure()).toEqual({ destination: "d1", waiting: 99, oldestWaitingMs: 4_000, burst: null });
      await deliver();
      expect(sql.exec("SELECT * FROM outbox_pressure").toArray()).toEqual([]);
      expect(pressure()).toBeUndefined();
    });
  });

  test("remembers of a burst when it began, how much waited at most, and when nothing did any more", async () => {
    await withOutbox(async ({ add, flush: deliver, pass, pressure }) => {
      add(250);
      await deliver(undefined, () => pass(500));
      const burst = { since: START, peak: 250, drainedAt: START + 1_500, drainMs: 1_500 };
      expect(pressure()).toEqual({ destination: "d1", waiting: 0, oldestWaitingMs: null, burst });
      add(3);
      await deliver();
      expect(pressure()).toMatchObject({ waiting: 0, burst });
    });
  });

  test("counts what arrives while it is delivering, and other destinations apart", async () => {
    await withOutbox(async ({ add, flush: deliver, pass, pressure }) => {
      add(150);
      let batches = 0;
      await deliver(undefined, () => {
        pass(10);
        if (++batches <= 3) add(120);
      });
      add(500, "workspace");
      add(5);
      await deliver();
      expect(pressure("workspace")).toMatchObject({ waiting: 0, burst: { peak: 500 } });
      const { waiting: left, burst } = pressure() ?? { waiting: -1, burst: null };
      expect([left, burst?.peak]).toEqual([0, 150 + 3 * 120 - 200]);
    });
  });

  test("keeps counting while the destination is away, to the last message", async () => {
    await withOutbox(async ({ add, flush: deliver, pass, pressure, sql }) => {
      let expected = 0;
      let peak = 0;
      for (const n of [60, 70, 40, 300, 1, 2]) {
        add(n);
        expected += n;
        pass(60_000);
        await deliver(0);
        peak = Math.max(peak, expected);
        expect(pressure()?.waiting).toBe(expected);
        expect(waiting(sql, "d1")).toBe(expected);
      }
      expect(pressure()).toMatchObject({ oldestWaitingMs: 360_000, burst: { since: START, peak, drainedAt: null } });
      pass(60_000);
      await deliver(2);
      expect(pressure()).toMatchObject({ waiting: expected - 200, burst: { peak, drainedAt: null, drainMs: null } });
      expect(pressure()?.waiting).toBe(waiting(sql, "d1"));
      pass(60_000);
      await deliver();
      expect(pressure()).toMatchObject({ waiting: 0, burst: { peak, drainMs: 8 * 60_000 } });
    });
  });

  test("replaces the last burst by the next one", async () => {
    await withOutbox(async ({ add, flush: deliver, pass, pressure }) => {
      add(400);
      await deliver();
      pass(5_000);
      add(110);
      await deliver();
      expect(pressure()?.burst).toMatchObject({ since: START + 5_000, peak: 110, drainedAt: START + 5_000 });
    });
  });

  test("is not asked for every message: a burst of a thousand is written down ten times", async () => {
    await withOutbox(async ({ add, flush: deliver, sql }) => {
      add(1_000);
      const exec = vi.spyOn(Object.getPrototypeOf(sql), "exec");
      await deliver();
      const written = exec.mock.calls.filter(([statement]) => String(statement).includes("INTO outbox_pressure"));
      exec.mockRestore();
      expect(written).toHaveLength(10);
    });
  });
});

describe("a burst of deliveries", () => {
  test("shows in the run's account and in diagnostics, with its end", async () => {
    const run = await runningSync();
    const repair = breakD1();
    const sent = Array.from({ length: 120 }, (_, index) =>
      agentEvent(run, "content_review", "in_progress", { execution_id: `try ${index}` }),
    );
    for (const payload of sent) expect((await webhook(payload)).status).toBe(200);
    const during = await asAdmin("GET", "/api/diagnostics/last-webhook");
    repair();
    const stats = (pressure: { destination: string }[]) => pressure.find(({ destination }) => destination === "stats");
    const session = during.body.pressure.find(({ owner }: { owner: string }) => owner === run.session_id);
    expect(stats(session.outbox)).toMatchObject({ waiting: 120, oldest_waiting_ms: expect.any(Number) });
    await cancel(run.session_id);
    await settled(run.session_id);
    const { body } = await eventually(
      () => call("GET", `/api/webhook-events/ledger/${run.session_id}`),
      (answer) => answer.body.pending?.arrivals === 0,
    );
    expect(body).toMatchObject({ adds_up: true, received: 120 });
    expect(stats(body.pressure)).toMatchObject({
      waiting: 0,
      last_burst: { peak: 120, drained_at: expect.stringMatching(/Z$/), drain_ms: expect.any(Number) },
    });
    expect(await query(sessionObject(run.session_id), "SELECT count(*) AS n FROM outbox")).toEqual([{ n: 0 }]);
  });
});
