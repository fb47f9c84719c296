// Whether everything that is configured really works: each part is used once, and what is broken is named.

import migrations from "../../migrations/meta/_journal.json";
import { type Env, type SettingState, type Settings, settingStates, settingsFrom } from "../env.ts";
import { inboxId } from "../inbox/delivery.ts";
import { now } from "../platform/clock.ts";
import { objectName } from "../platform/ids.ts";
import { describeError } from "../platform/log.ts";
import { withinLimit } from "../platform/wait.ts";
import { signatureChecks } from "./signature-check.ts";

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** For people; never a value of a setting. */
  readonly detail: string;
  readonly durationMs: number;
}

interface Plan {
  readonly name: string;
  /** The binding that it needs. */
  readonly binding?: keyof Env & string;
  /** Says what was found; throws what is wrong. */
  readonly run: () => Promise<string>;
}

/** A part that does not answer in this time is broken, in ms. */
const LIMIT_MS = 5_000;
/** By how much D1's clock and ours may differ, in ms. */
const CLOCK_MS = 60_000;
/** A name that no run has. */
const NO_RUN = "configuration-test";

/** Every check is made, whatever the others find. Nothing is written, and OPAL is not called. */
export async function checkConfiguration(env: Env, workspace: string): Promise<Check[]> {
  const settings = settingsFrom(env);
  const checks = settingStates(env).map(settingCheck);
  const plans = [...storagePlans(env), ...objectPlans(env, workspace), ...otherPlans(env, settings, workspace)];
  return [...checks, ...(await Promise.all(plans.map((plan) => carryOut(env, plan))))];
}

/** A setting that is not set has a default, or what needs it is switched off. */
export function settingCheck({ name, state, problem }: SettingState): Check {
  const detail = state === "wrong" ? (problem ?? "is wrong") : state === "set" ? "is set" : "is not set";
  return { name: `setting ${name}`, ok: state !== "wrong", detail, durationMs: 0 };
}

async function carryOut(env: Env, { name, binding, run }: Plan): Promise<Check> {
  const startedAt = now();
  const outcome = (ok: boolean, detail: string) => ({ name, ok, detail, durationMs: now() - startedAt });
  if (binding !== undefined && env[binding] === undefined) {
    return outcome(false, `The binding ${binding} is missing.`);
  }
  try {
    return outcome(true, await withinLimit(run(), LIMIT_MS));
  } catch (error) {
    const where = binding === undefined ? "" : `${binding}: `;
    return outcome(false, `${where}${describeError(error)}`);
  }
}

function storagePlans({ DB }: Env): Plan[] {
  const binding = "DB";
  return [
    {
      name: "D1 answers",
      binding,
      run: async () => {
        await DB.prepare("SELECT 1 AS one").all();
        return "SELECT answers.";
      },
    },
    {
      name: "D1 has every migration",
      binding,
      run: async () => {
        const { results } = await DB.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
        const applied = new Set(results.map((row) => row.name));
        const missing = migrations.entries.map(({ tag }) => `${tag}.sql`).filter((name) => !applied.has(name));
        if (missing.length > 0) throw new Error(`not applied: ${missing.join(", ")}`);
        return `All ${migrations.entries.length} are applied.`;
      },
    },
    {
      name: "D1 searches",
      binding,
      run: async () => {
        await DB.prepare("SELECT rowid FROM webhook_search WHERE webhook_search MATCH ? LIMIT 1").bind('"test"').all();
        return "The full-text index answers.";
      },
    },
    {
      name: "clock",
      binding,
      run: async () => {
        const row = await DB.prepare("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS at").first<{
          at: number;
        }>();
        const apartMs = Math.abs((row?.at ?? 0) - now());
        if (apartMs > CLOCK_MS) throw new Error(`ours and D1's clock are ${apartMs} ms apart`);
        return `Ours and D1's are ${apartMs} ms apart.`;
      },
    },
  ];
}

function objectPlans(env: Env, workspace: string): Plan[] {
  const named = (id: string) => objectName(workspace, id);
  const answers = async (asked: Promise<unknown>) => {
    await asked;
    return "An object answers.";
  };
  return [
    {
      name: "session objects",
      binding: "SYNC_SESSION",
      run: () => answers(env.SYNC_SESSION.getByName(named(NO_RUN)).events(0, 0)),
    },
    {
      name: "workspace object",
      binding: "WORKSPACE",
      run: () => answers(env.WORKSPACE.getByName(named("workspace")).hasToTell(NO_RUN)),
    },
    {
      name: "inbox objects",
      binding: "INBOX",
      run: () => answers(env.INBOX.getByName(named(inboxId("rejections"))).rejectionTotals()),
    },
  ];
}

function otherPlans(env: Env, settings: Settings, workspace: string): Plan[] {
  return [
    {
      name: "dashboard files",
      binding: "ASSETS",
      run: async () => {
        const { status } = await env.ASSETS.fetch("https://osa.invalid/");
        if (status >= 400) throw new Error(`the dashboard's page answers ${status}`);
        return "The dashboard's page is there.";
      },
    },
    {
      name: "rate limit of the receivers",
      binding: "RECEIVER_WALL",
      run: async () => {
        await env.RECEIVER_WALL.limit({ key: NO_RUN });
        return "It counts.";
      },
    },
    {
      name: "address of OPAL",
      run: async () => {
        const address = URL.parse(settings.opal.url);
        if (address === null) throw new Error("is no address");
        return `Is well-formed, ${address.protocol.slice(0, -1)}; it was not called.`;
      },
    },
    ...signatureChecks(settings, workspace, now()).map(({ source, secret, form, run }) => ({
      name: `signature of ${source}, secret ${secret}, form ${form}`,
      run: async () => {
        await run();
        return "What it signs is accepted.";
      },
    })),
  ];
}
