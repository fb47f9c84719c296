// The workspace against a model that fits on a page: who holds the lease, who waits, and whether triggering is on.
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { type Answer, cancel, eventually } from "../support/worker/client.ts";
import { post, report, ringSession, switchOff, switchOn, takeOverClock } from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import { evict, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const CASES = 25;
const COMMANDS = 15;

interface Model {
  readonly holder: string | null;
  readonly queued: string | null;
  readonly isOff: boolean;
}

const NOTHING: Model = { holder: null, queued: null, isOff: false };

const COMMAND_NAMES = [
  ...["trigger", "trigger_queue", "ring", "cancel", "finish"],
  ...["withdraw", "off", "on", "evict_workspace", "evict_session"],
] as const;

/** What chance alone would do too seldom: somebody has to wait before it matters how the wait ends. */
const LIKELY = [...COMMAND_NAMES, ...Array.from({ length: 5 }, () => "trigger_queue"), "cancel", "off", "on"];

const BOTH = ["trigger", "trigger_queue"] as const;
const EXAMPLES: [string[]][] = [
  [[...BOTH, "off", "finish", "evict_workspace", "trigger", "on", "ring", "finish"]],
  [[...BOTH, "withdraw", "cancel", "trigger_queue", "trigger_queue", "trigger_queue", "ring", "cancel", "cancel"]],
  [[...BOTH, "off", "cancel", "withdraw", "on", "trigger_queue", "evict_session", "finish"]],
];

/** Whoever waits has its turn when the lease is free, unless triggering is off. */
function grantQueued(model: Model): Model {
  const isTheirTurn = model.holder === null && model.queued !== null && !model.isOff;
  return isTheirTurn ? { ...model, holder: model.queued, queued: null } : model;
}

function start(on_busy: "refuse" | "queue"): Promise<Answer> {
  return post("/api/force-sync/trigger", {
    on_busy,
    agent_filter: ["geo_audit"],
    client_context: { client_name: "ok" },
  });
}

async function triggered(model: Model, onBusy: "refuse" | "queue"): Promise<Model> {
  const { status, body } = await start(onBusy);
  if (model.isOff) {
    expect([status, body.code]).toEqual([503, "triggering_disabled"]);
    return model;
  }
  if (model.holder === null) {
    expect([status, body.state]).toEqual([200, "requested"]);
    return { ...model, holder: body.session_id };
  }
  if (onBusy === "refuse") {
    expect([status, body.code, body.active_session]).toEqual([409, "run_active", model.holder]);
    return model;
  }
  if (model.queued !== null) {
    expect([status, body.code, body.queued_session]).toEqual([409, "queue_full", model.queued]);
    return model;
  }
  expect([status, body.state]).toEqual([202, "queued"]);
  return { ...model, queued: body.session_id };
}

/** Does it, and says what should be so afterwards. */
async function carryOut(command: string, model: Model): Promise<Model> {
  const { holder, queued } = model;
  switch (command) {
    case "trigger":
      return triggered(model, "refuse");
    case "trigger_queue":
      return triggered(model, "queue");
    case "ring":
      if (holder !== null) await ringSession(holder);
      return model;
    case "cancel":
      if (holder === null) return model;
      expect((await cancel(holder)).body.state).toBe("cancelled");
      return grantQueued({ ...model, holder: null });
    case "finish":
      if (holder === null) return model;
      await report({ session_id: holder, correlation_id: `force-${holder}` }, ["geo_audit"]);
      return grantQueued({ ...model, holder: null });
    case "withdraw":
      if (queued === null) return model;
      expect((await cancel(queued)).body.state).toBe("cancelled");
      return { ...model, queued: null };
    case "off":
      expect((await switchOff()).status).toBe(200);
      return { ...model, isOff: true };
    case "on":
      expect((await switchOn()).status).toBe(200);
      return grantQueued({ ...model, isOff: false });
    case "evict_workspace":
      await evict(workspaceObject());
      return model;
    case "evict_session":
      if (holder !== null) await evict(sessionObject(holder));
      return model;
    default:
      throw new Error(`no such command: ${command}`);
  }
}

async function seen(): Promise<Model> {
  const { activeSessionId, queued, switchedOff } = await workspaceObject().overview();
  return { holder: activeSessionId, queued: queued?.sessionId ?? null, isOff: switchedOff !== null };
}

test("whatever is asked of it, in whatever order, the workspace shows what the model says", {
  timeout: 240_000,
}, async () => {
  const commands = fc.array(fc.constantFrom(...LIKELY), { minLength: 5, maxLength: COMMANDS, size: "max" });
  const property = fc.asyncProperty(commands, async (given) => {
    await startOver();
    takeOverClock();
    let model = NOTHING;
    for (const command of given) {
      model = await carryOut(command, model);
      const expected = JSON.stringify(model);
      await eventually(seen, (shown) => JSON.stringify(shown) === expected, 3_000);
      advanceClock(100);
    }
  });
  await fc.assert(property, { numRuns: CASES, examples: EXAMPLES, endOnFailure: true });
});
