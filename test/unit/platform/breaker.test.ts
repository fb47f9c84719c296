// When a destination is left alone, and how it is tried again.
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  askPermit,
  type Breaker,
  type BreakerRules,
  breakerState,
  breakerView,
  type CallVerdict,
  CLOSED,
  isRefusing,
  OPAL_BREAKER,
  recordOutcome,
  returnPermit,
} from "../../../src/platform/breaker.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const NOW = Date.UTC(2026, 0, 5, 9, 0, 0);
const SECOND = 1_000;
const LEASE_MS = 20 * SECOND;
const TWO_PROBES: BreakerRules = { ...OPAL_BREAKER, probes: 2 };

/** A breaker with its rules and a clock, so that a test reads as a story. */
class Story {
  breaker: Breaker = CLOSED;
  now = NOW;
  readonly rules: BreakerRules;

  constructor(rules: BreakerRules = OPAL_BREAKER) {
    this.rules = rules;
  }

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  /** What the answer was: granted, or why not and how long until the next one may be asked, in ms. */
  ask(id: string, leaseMs = LEASE_MS): "granted" | readonly [string, number] {
    const permission = askPermit(this.breaker, this.rules, { id, leaseMs }, this.now);
    this.breaker = permission.breaker;
    return permission.granted ? "granted" : [permission.because, permission.retryAt - this.now];
  }

  record(permitId: string, outcome: CallVerdict, at = this.now): this {
    this.breaker = recordOutcome(this.breaker, this.rules, { permitId, outcome, at }, this.now);
    return this;
  }

  failures(count: number): this {
    for (let n = 1; n <= count; n++) this.record(`call-${n}`, "failure");
    return this;
  }

  giveBack(id: string): this {
    this.breaker = returnPermit(this.breaker, id);
    return this;
  }

  get view() {
    return breakerView(this.breaker, this.rules, this.now);
  }
}

const opened = (rules?: BreakerRules) => new Story(rules).failures(3);
const openOver = (rules?: BreakerRules) => opened(rules).after(30 * SECOND);

test("OPAL is left alone for thirty seconds after three failures in five minutes, and two good probes end it", () => {
  expect(OPAL_BREAKER).toEqual({ failures: 3, successes: 2, openMs: 30_000, windowMs: 300_000, probes: 1 });
});

describe("closed", () => {
  test("every call is granted, and asking leaves no trace", () => {
    const story = new Story().failures(2);
    const before = story.breaker;
    for (const id of ["a", "b", "c", "a"]) expect(story.ask(id)).toBe("granted");
    expect(story.breaker).toBe(before);
  });

  test("the third failure inside the window opens it, the second does not", () => {
    const story = new Story().failures(2);
    expect(story.view).toMatchObject({ state: "closed", since: null, failures: 2, retryAt: null });
    story.record("call-3", "failure");
    expect(story.breaker).toEqual({ state: "open", since: NOW, until: NOW + 30_000, failures: 3 });
  });

  test("failures older than the window are forgotten", () => {
    const story = new Story().failures(2).after(300 * SECOND - 1);
    expect(story.view.failures).toBe(2);
    story.after(1);
    expect(story.view.failures).toBe(0);
    story.failures(2);
    expect(story.breaker).toEqual({ state: "closed", failures: [story.now, story.now] });
  });

  test("the window slides: it opens on three failures close together, however long ago the first one ever was", () => {
    const story = new Story().record("a", "failure").after(200 * SECOND);
    story
      .record("b", "failure")
      .after(100 * SECOND)
      .record("c", "failure");
    expect(story.view).toMatchObject({ state: "closed", failures: 2 });
    expect(story.after(99 * SECOND).record("d", "failure").view.state).toBe("open");
  });

  test("a failure counts from when it happened, and the breaker is open from when it was told", () => {
    const story = new Story().failures(2).after(10 * SECOND);
    story.record("c", "failure", NOW);
    expect(story.breaker).toMatchObject({ state: "open", since: NOW + 10_000, until: NOW + 40_000 });
  });

  test("a failure that happened before the window does not count", () => {
    const story = new Story().failures(2).record("c", "failure", NOW - 300 * SECOND);
    expect(story.view).toMatchObject({ state: "closed", failures: 2 });
  });

  test("a failure from a clock ahead of ours is forgotten no later than any other", () => {
    const story = new Story().record("a", "failure", NOW + 3_600 * SECOND).after(300 * SECOND);
    expect(story.view.failures).toBe(0);
  });

  test("a success forgives nothing", () => {
    const story = new Story().failures(2).record("c", "success");
    expect(story.view.failures).toBe(2);
    expect(story.record("d", "failure").view.state).toBe("open");
  });

  test("an outcome that says nothing about the destination changes nothing", () => {
    const story = new Story().failures(2);
    const before = story.breaker;
    for (let n = 0; n < 5; n++) story.record("c", "neutral");
    expect(story.breaker).toBe(before);
  });
});

describe("open", () => {
  test("every call is refused until its time is over", () => {
    const story = opened();
    expect(story.ask("a")).toEqual(["breaker_open", 30_000]);
    expect(story.after(29_999).ask("a")).toEqual(["breaker_open", 1]);
    expect(story.breaker.state).toBe("open");
    expect(story.after(1).ask("a")).toBe("granted");
  });

  test.each<CallVerdict>(["success", "failure", "neutral"])("a late %s neither ends nor lengthens it", (outcome) => {
    const story = opened();
    const before = story.breaker;
    story.after(5 * SECOND);
    for (const id of ["call-1", "x", "y", "z"]) story.record(id, outcome);
    expect(story.breaker).toBe(before);
  });

  test("it stays open until somebody asks, but says that asking would help", () => {
    const story = opened();
    expect(story.view).toEqual({
      state: "open",
      since: NOW,
      failures: 3,
      successes: 0,
      retryAt: NOW + 30_000,
      permitsOut: 0,
    });
    expect(story.after(3_600 * SECOND).view).toMatchObject({ state: "open", failures: 3, retryAt: null });
  });

  test("the first to ask afterwards holds the probe, and half-open begins with it", () => {
    const story = openOver().after(5 * SECOND);
    expect(story.ask("probe")).toBe("granted");
    expect(story.breaker).toEqual({
      state: "half_open",
      since: story.now,
      successes: 0,
      permits: [{ id: "probe", expiresAt: story.now + LEASE_MS }],
    });
  });
});

describe("half-open", () => {
  test("one probe is out at a time; the others are told when it comes back at the latest", () => {
    const story = openOver();
    expect(story.ask("a")).toBe("granted");
    expect(story.after(SECOND).ask("b")).toEqual(["breaker_probing", LEASE_MS - SECOND]);
    expect(story.view).toMatchObject({ state: "half_open", permitsOut: 1, retryAt: NOW + 30_000 + LEASE_MS });
  });

  test("with more probes allowed, the wait is until the first of them comes back", () => {
    const story = openOver(TWO_PROBES);
    expect(story.ask("a", 9 * SECOND)).toBe("granted");
    expect(story.view.retryAt).toBeNull();
    expect(story.ask("b", 4 * SECOND)).toBe("granted");
    expect(story.ask("c")).toEqual(["breaker_probing", 4 * SECOND]);
  });

  test("asking again for the same call is granted and takes no second permit", () => {
    const story = openOver(TWO_PROBES);
    for (let n = 0; n < 3; n++) expect(story.ask("a")).toBe("granted");
    expect(story.view.permitsOut).toBe(1);
    expect(story.ask("b")).toBe("granted");
    expect(story.ask("a")).toBe("granted");
    expect(story.view.permitsOut).toBe(2);
  });

  test("whoever is granted a permit again has it for a whole lease from then, and never for less than before", () => {
    const story = openOver();
    story.ask("a");
    expect(story.after(LEASE_MS - 1).ask("a")).toBe("granted");
    expect(story.ask("b")).toEqual(["breaker_probing", LEASE_MS]);
    expect(story.ask("a", SECOND)).toBe("granted");
    expect(story.ask("b")).toEqual(["breaker_probing", LEASE_MS]);
  });

  test("two successful probes close it, and the window begins empty", () => {
    const story = openOver();
    story.ask("a");
    story.record("a", "success");
    expect(story.view).toMatchObject({ state: "half_open", successes: 1, permitsOut: 0, retryAt: null });
    expect(story.ask("b")).toBe("granted");
    story.record("b", "success");
    expect(story.breaker).toEqual(CLOSED);
    expect(story.failures(2).view.state).toBe("closed");
  });

  test("a failed probe opens it again for the whole time, and what had succeeded is forgotten", () => {
    const story = openOver();
    story.ask("a");
    story.record("a", "success").ask("b");
    story.after(2 * SECOND).record("b", "failure");
    expect(story.breaker).toEqual({ state: "open", since: story.now, until: story.now + 30_000, failures: 1 });
    story.after(30 * SECOND).ask("c");
    expect(story.record("c", "success").view).toMatchObject({ state: "half_open", successes: 1 });
  });

  test("a neutral outcome gives the permit back and says nothing", () => {
    const story = openOver();
    story.ask("a");
    story.record("a", "success").ask("b");
    const easier = { ...OPAL_BREAKER, successes: 1 };
    const neutral = { permitId: "b", outcome: "neutral", at: story.now } as const;
    expect(recordOutcome(story.breaker, easier, neutral, story.now).state).toBe("half_open");
    expect(story.record("b", "neutral").view).toMatchObject({ state: "half_open", successes: 1, permitsOut: 0 });
  });

  test("a permit given back unused lets the next one go", () => {
    const story = openOver();
    story.ask("a");
    expect(story.giveBack("somebody else").ask("b")).toEqual(["breaker_probing", LEASE_MS]);
    expect(story.giveBack("a").ask("b")).toBe("granted");
  });

  test("the permit of a holder that never comes back returns by itself", () => {
    const story = openOver();
    story.ask("a");
    expect(story.after(LEASE_MS - 1).ask("b")).toEqual(["breaker_probing", 1]);
    expect(story.after(1).view).toMatchObject({ permitsOut: 0, retryAt: null });
    expect(story.ask("b")).toBe("granted");
    expect(story.view.permitsOut).toBe(1);
  });

  test.each<CallVerdict>(["success", "failure", "neutral"])(
    "a %s of somebody without a permit is ignored",
    (outcome) => {
      const story = openOver();
      story.ask("a");
      const before = story.breaker;
      for (const id of ["call-1", "call-2", "x"]) story.record(id, outcome);
      expect(story.breaker).toBe(before);
    },
  );

  test.each<CallVerdict>(["success", "failure"])("a %s is ignored once its permit has expired", (outcome) => {
    const story = openOver();
    story.ask("a");
    story.after(LEASE_MS).record("a", outcome);
    expect(story.view).toMatchObject({ state: "half_open", successes: 0 });
  });

  test("a success counts once, however often it is told", () => {
    const story = openOver();
    story.ask("a");
    for (let n = 0; n < 5; n++) story.record("a", "success");
    expect(story.view).toMatchObject({ state: "half_open", successes: 1 });
  });

  test("a permit of an earlier half-open is worth nothing in this one", () => {
    const story = openOver(TWO_PROBES);
    story.ask("a", 3_600 * SECOND);
    story.ask("b");
    story.record("b", "failure");
    story.after(30 * SECOND).ask("c");
    expect(story.record("a", "failure").view).toMatchObject({ state: "half_open", permitsOut: 1 });
  });
});

describe("giving a permit back", () => {
  test.each<[string, Story]>([
    ["closed", new Story().failures(2)],
    ["open", opened()],
  ])("changes nothing while %s", (_state, story) => {
    const before = story.breaker;
    expect(story.giveBack("call-1").breaker).toBe(before);
  });
});

describe("starting a new run", () => {
  test("is refused while the breaker is open, for as long as it will be", () => {
    const story = opened();
    expect(isRefusing(story.breaker, NOW)).toBe(30_000);
    expect(isRefusing(story.breaker, NOW + 29_999)).toBe(1);
    expect(isRefusing(story.breaker, NOW + 30_000)).toBeUndefined();
  });

  test("is allowed while closed and while probing, even when every permit is out", () => {
    expect(isRefusing(new Story().failures(2).breaker, NOW)).toBeUndefined();
    const probing = openOver();
    probing.ask("a");
    expect(isRefusing(probing.breaker, probing.now)).toBeUndefined();
  });
});

type Deed = { readonly id: string; readonly now: number } & (
  | { readonly did: "ask"; readonly leaseMs: number }
  | { readonly did: "end"; readonly outcome: CallVerdict; readonly at: number }
  | { readonly did: "return" }
);

type Entry =
  | { readonly what: Breaker["state"]; readonly at: number }
  | { readonly what: "granted"; readonly id: string; readonly until: number }
  | { readonly what: CallVerdict | "returned"; readonly id: string; readonly at: number };

/** The rules told as a list of all that happened: nothing is kept up to date, the present is counted out of the list. */
class Chronicle {
  readonly #entries: Entry[] = [{ what: "closed", at: 0 }];
  readonly #rules: BreakerRules;

  constructor(rules: BreakerRules) {
    this.#rules = rules;
  }

  /** The answer to an ask: "yes", or the time to come back. */
  add(deed: Deed): "yes" | number | undefined {
    const { id, now } = deed;
    if (deed.did === "ask") return this.#ask(id, now, now + deed.leaseMs);
    const { state } = this.present(now);
    if (state === "open" || (state === "half_open" && !this.out(now).has(id))) return undefined;
    const at = deed.did === "end" ? Math.min(deed.at, now) : now;
    this.#entries.push({ what: deed.did === "end" ? deed.outcome : "returned", id, at });
    const { failures, successes } = this.present(now);
    if (failures >= (state === "closed" ? this.#rules.failures : 1)) this.#entries.push({ what: "open", at: now });
    if (state === "half_open" && successes >= this.#rules.successes) this.#entries.push({ what: "closed", at: now });
    return undefined;
  }

  present(now: number) {
    const [turn, ...since] = this.#chapter();
    const told = since.filter((entry) => entry.what === "failure" && entry.at + this.#rules.windowMs > now);
    const failed = since.filter((entry) => entry.what === "failure");
    const state = turn?.what;
    return {
      state,
      since: turn !== undefined && "at" in turn ? turn.at : Number.NaN,
      failures: state === "closed" ? told.length : failed.length,
      successes: since.filter((entry) => entry.what === "success").length,
    };
  }

  /** Who holds a permit, and until when. */
  out(now: number): ReadonlyMap<string, number> {
    const holders = new Map<string, number>();
    for (const entry of this.#chapter()) {
      if (entry.what === "granted") holders.set(entry.id, Math.max(entry.until, holders.get(entry.id) ?? 0));
      else if ("id" in entry) holders.delete(entry.id);
    }
    return new Map([...holders].filter(([, until]) => until > now));
  }

  #ask(id: string, now: number, until: number): "yes" | number {
    const { state, since } = this.present(now);
    if (state === "closed") return "yes";
    if (state === "open" && since + this.#rules.openMs > now) return since + this.#rules.openMs;
    if (state === "open") this.#entries.push({ what: "half_open", at: now });
    const out = this.out(now);
    if (!out.has(id) && out.size === this.#rules.probes) return Math.min(...out.values());
    this.#entries.push({ what: "granted", id, until });
    return "yes";
  }

  /** From the last time it opened, half opened or closed. */
  #chapter(): readonly Entry[] {
    return this.#entries.slice(this.#entries.findLastIndex(({ what }) => /^(closed|open|half_open)$/.test(what)));
  }
}

const rulesInUse = fc.record({
  failures: fc.integer({ min: 1, max: 4 }),
  successes: fc.integer({ min: 1, max: 3 }),
  openMs: fc.integer({ min: 1, max: 40 }),
  windowMs: fc.integer({ min: 1, max: 100 }),
  probes: fc.integer({ min: 1, max: 3 }),
});

const ids = fc.constantFrom("a", "b", "c", "d", "e");
const verdicts = fc.constantFrom<CallVerdict>("success", "failure", "neutral");
const step = fc.record({
  passMs: fc.oneof(fc.constant(0), fc.nat(8), fc.nat(60)),
  deed: fc.oneof(
    { weight: 4, arbitrary: fc.record({ did: fc.constant("ask" as const), id: ids, leaseMs: fc.nat(50) }) },
    {
      weight: 5,
      // Sometimes from before the window, sometimes from a clock ahead of ours.
      arbitrary: fc.record({
        did: fc.constant("end" as const),
        id: ids,
        outcome: verdicts,
        ageMs: fc.oneof(fc.constant(0), fc.integer({ min: -30, max: 120 })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ did: fc.constant("return" as const), id: ids }) },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;
const steps = fc.array(step, { maxLength: 80, size: "max" });

/** Random steps with the times at which they were done. */
function deeds(taken: readonly Step[]): Deed[] {
  let now = NOW;
  return taken.map(({ passMs, deed }) => {
    now += passMs;
    return deed.did === "end" ? { ...deed, at: now - deed.ageMs, now } : { ...deed, now };
  });
}

interface Move {
  readonly deed: Deed;
  readonly before: Breaker;
  readonly next: Breaker;
  /** To an ask: "yes", or when to come back. */
  readonly answer: "yes" | number | undefined;
}

/** Does all of it, one after the other, to breakers that throw when they are changed in place. */
function moves(rules: BreakerRules, taken: readonly Step[]): Move[] {
  let breaker = CLOSED;
  return deeds(taken).map((deed) => {
    const before = frozen(breaker);
    const permission = deed.did === "ask" ? askPermit(before, rules, deed, deed.now) : undefined;
    const answer = permission?.granted === false ? permission.retryAt : permission && "yes";
    if (permission !== undefined) breaker = permission.breaker;
    else if (deed.did === "end") breaker = recordOutcome(before, rules, { ...deed, permitId: deed.id }, deed.now);
    else breaker = returnPermit(before, deed.id);
    return { deed, before, next: breaker, answer };
  });
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) frozen(part);
    Object.freeze(value);
  }
  return value;
}

/** `begin` makes what looks at every move of one story. */
function always(begin: (rules: BreakerRules) => (move: Move) => void): void {
  fc.assert(
    fc.property(rulesInUse, steps, (rules, taken) => moves(rules, taken).forEach(begin(rules))),
    {
      numRuns: 1_000,
    },
  );
}

/** The property of the breaker that a whole story left behind. */
function afterwards(property: (breaker: Breaker, rules: BreakerRules, now: number) => void): void {
  const story = (rules: BreakerRules, taken: readonly Step[]) => {
    const last = moves(rules, taken).at(-1);
    property(last?.next ?? CLOSED, rules, last?.deed.now ?? NOW);
  };
  fc.assert(fc.property(rulesInUse, steps, story), { numRuns: 2_000 });
}

describe("whatever is asked and told in whatever order", () => {
  test("it opens, probes and closes exactly when a chronicle of all calls says", () => {
    const seen = new Set<string>();
    always((rules) => {
      const chronicle = new Chronicle(rules);
      return ({ deed, before, next, answer }) => {
        seen.add(`${before.state} to ${next.state}`);
        expect(answer).toBe(chronicle.add(deed));
        const { state, since, failures, successes } = chronicle.present(deed.now);
        const out = chronicle.out(deed.now).size;
        const view = breakerView(next, rules, deed.now);
        expect([view.state, view.since, view.permitsOut]).toEqual([state, state === "closed" ? null : since, out]);
        if (state === "closed") expect(view.failures).toBe(failures);
        if (state === "half_open") expect(view.successes).toBe(successes);
        const openForMs = state === "open" ? since + rules.openMs - deed.now : 0;
        expect(isRefusing(next, deed.now)).toBe(openForMs > 0 ? openForMs : undefined);
      };
    });
    // The stories have been everywhere: nothing above is true only because it never happened.
    expect([...seen].toSorted()).toEqual([
      "closed to closed",
      "closed to open",
      "half_open to closed",
      "half_open to half_open",
      "half_open to open",
      "open to half_open",
      "open to open",
    ]);
  });

  test("never more probes are out at once than allowed, counted by those who hold them", () => {
    let most = 0;
    always((rules) => {
      const holders = new Map<string, number>();
      return ({ deed, next, answer }) => {
        if (next.state !== "half_open") holders.clear();
        else if (deed.did !== "ask") holders.delete(deed.id);
        else if (answer === "yes") {
          holders.set(deed.id, Math.max(deed.now + deed.leaseMs, holders.get(deed.id) ?? 0));
        }
        const out = [...holders.values()].filter((until) => until > deed.now).length;
        expect(out).toBeLessThanOrEqual(rules.probes);
        most = Math.max(most, out);
      };
    });
    expect(most).toBe(3);
  });

  test("failures alone open it at the first that has enough others close before it", () => {
    const gaps = fc.array(fc.nat(60), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(rulesInUse, gaps, (rules, waits) => {
        const times = waits.map((_, index) => NOW + waits.slice(0, index + 1).reduce((sum, wait) => sum + wait, 0));
        const expected = times.findIndex((time, index) => {
          const first = times[index - rules.failures + 1];
          return first !== undefined && time - first < rules.windowMs;
        });
        let breaker = CLOSED;
        const opening = times.findIndex((at) => {
          breaker = recordOutcome(breaker, rules, { permitId: "a", outcome: "failure", at }, at);
          return breaker.state === "open";
        });
        expect(opening).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  test("it closes only on the last of enough successes in a row by holders of a permit", () => {
    always((rules) => {
      let inARow = 0;
      return ({ deed, before, next }) => {
        const isSuccess = deed.did === "end" && deed.outcome === "success";
        if (isSuccess && before.state === "half_open") {
          if (before.permits.some(({ id, expiresAt }) => id === deed.id && expiresAt > deed.now)) inARow++;
        }
        if (before.state === "half_open" && next.state === "closed") {
          expect([isSuccess, inARow]).toEqual([true, rules.successes]);
        }
        if (next.state !== "half_open") inARow = 0;
      };
    });
  });

  test("the state can be written down and read back, and stays small", () => {
    always((rules) => ({ next }) => {
      expect(breakerState.parse(JSON.parse(JSON.stringify(next)))).toEqual(next);
      if (next.state === "closed") expect(next.failures.length).toBeLessThan(rules.failures);
      if (next.state === "half_open") expect(next.permits.length).toBeLessThanOrEqual(rules.probes);
    });
  });

  test("holders that crash block nobody for ever: at the time given, and no sooner, the next one is granted", () => {
    afterwards((breaker, rules, now) => {
      const permit = { id: "new", leaseMs: 10 };
      const first = askPermit(breaker, rules, permit, now);
      if (first.granted) return;
      expect(first.retryAt).toBeGreaterThan(now);
      const justBefore = askPermit(first.breaker, rules, permit, first.retryAt - 1);
      expect(justBefore).toMatchObject({ granted: false, because: first.because, retryAt: first.retryAt });
      expect(askPermit(justBefore.breaker, rules, permit, first.retryAt).granted).toBe(true);
    });
  });

  test("a destination that answers again is soon called as before", () => {
    afterwards((left, rules, now) => {
      // One wait until anybody is let through, then one good call after the other.
      const waits = askPermit(left, rules, { id: "new", leaseMs: 10 }, now);
      const at = waits.granted ? now : waits.retryAt;
      let breaker = left;
      for (let n = 0; n < rules.successes && breaker.state !== "closed"; n++) {
        const permission = askPermit(breaker, rules, { id: `good-${n}`, leaseMs: 10 }, at);
        expect(permission.granted).toBe(true);
        breaker = recordOutcome(permission.breaker, rules, { permitId: `good-${n}`, outcome: "success", at }, at);
      }
      expect(breaker.state).toBe("closed");
    });
  });
});

describe("whatever state is found and whatever the clock says", () => {
  const anyTime = fc.oneof(
    fc.integer({ min: NOW - 100, max: NOW + 100 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const anyCount = fc.nat();
  const anyState: fc.Arbitrary<Breaker> = fc.oneof(
    fc.record({ state: fc.constant("closed" as const), failures: fc.array(anyTime) }),
    fc.record({ state: fc.constant("open" as const), since: anyTime, until: anyTime, failures: anyCount }),
    fc.record({
      state: fc.constant("half_open" as const),
      since: anyTime,
      successes: anyCount,
      permits: fc.array(fc.record({ id: ids, expiresAt: anyTime })),
    }),
  );
  const anyRules = fc.record({
    failures: fc.integer(),
    successes: fc.integer(),
    openMs: fc.integer(),
    windowMs: fc.integer(),
    probes: fc.integer({ min: -1, max: 4 }),
  });
  const anyNow = fc.oneof(anyTime, fc.double());

  test("every state is one that can be read", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(breakerState.parse(state)).toEqual(state);
      }),
    );
  });

  test("every function answers, and changes nothing it was given", () => {
    const anyCall = fc.record({ permitId: ids, outcome: verdicts, at: anyNow });
    fc.assert(
      fc.property(anyState, anyRules, anyCall, anyNow, anyNow, (state, rules, call, leaseMs, now) => {
        const given = frozen(state);
        const results = [
          askPermit(given, rules, { id: call.permitId, leaseMs }, now).breaker,
          recordOutcome(given, rules, call, now),
          returnPermit(given, call.permitId),
        ];
        for (const result of results) expect(["closed", "open", "half_open"]).toContain(result.state);
        expect(breakerView(given, rules, now).state).toBe(given.state);
        expect(isRefusing(given, now) ?? 1).toBeGreaterThan(0);
      }),
      { numRuns: 5_000 },
    );
  });

  test("what the view says about asking is what asking says", () => {
    fc.assert(
      fc.property(anyState, anyRules, anyTime, (state, rules, now) => {
        const permission = askPermit(state, rules, { id: "new", leaseMs: 10 }, now);
        expect(breakerView(state, rules, now).retryAt).toBe(permission.granted ? null : permission.retryAt);
        const isOpen = !permission.granted && permission.because === "breaker_open";
        expect(isRefusing(state, now) !== undefined).toBe(isOpen);
      }),
      { numRuns: 5_000 },
    );
  });

  test("rules that allow no probe still let one through, or it would never close", () => {
    const story = openOver({ ...OPAL_BREAKER, probes: 0 });
    expect(story.ask("a")).toBe("granted");
    expect(story.ask("b")).toEqual(["breaker_probing", LEASE_MS]);
  });
});
