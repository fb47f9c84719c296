// Workers under measurement: bundled as for a deployment and run by Miniflare, which talks to the runtime directly;
// `wrangler dev` would put a proxy before it and measure that.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_splitSqlQuery as splitSql, unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";
import { ROOT } from "../scripts/processes.ts";
import { cpuMs, runtimes } from "./cpu.ts";
import { ADMIN, OPERATOR_KEY, SECRET } from "./settings.ts";

export interface RunningWorker {
  readonly url: string;
  /** Its D1, from outside. */
  readonly database: () => ReturnType<Miniflare["getD1Database"]>;
  /** Processor time of its runtime so far, in ms; NaN where that is not known. */
  readonly cpuMs: () => number;
  /** Error lines it logged, oldest first. */
  readonly errors: readonly string[];
  readonly stop: () => Promise<void>;
}

export interface Place {
  /** Where D1 and the objects keep their files. */
  readonly directory: string;
  readonly opalUrl: string;
  /** Any that is free when nothing is said. */
  readonly port?: number;
  /** Variables of the Worker besides those of a measurement. */
  readonly vars?: Readonly<Record<string, string>>;
  /** What is run: the product with a meter beside it when nothing is said. */
  readonly worker?: URL;
}

/** The product as wrangler.toml says, with other variables and a migrated D1. */
export async function startProduct(place: Place): Promise<RunningWorker> {
  const running = await runProduct(place);
  const migrations = readdirSync(join(ROOT, "migrations")).filter((name) => name.endsWith(".sql"));
  for (const name of migrations.sort()) {
    await applySql(running, readFileSync(join(ROOT, "migrations", name), "utf8"));
  }
  return running;
}

/** The same where it has run before, with what is stored there. */
export async function runProduct({ directory, opalUrl, port, vars, worker }: Place): Promise<RunningWorker> {
  // Locally two more Workers stand in for what serves the page's files, before every request; the API needs none.
  const { assets: _assets, ...options } = workerOptionsOf(join(ROOT, "wrangler.toml")).workerOptions;
  const bindings = {
    ENVIRONMENT: "development",
    OPAL_WEBHOOK_URL: `${opalUrl}/webhooks/strategy-workflow/trigger`,
    OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "bench-opal-bearer-key-of-forty-characters-",
    OSA_WEBHOOK_SHARED_SECRET: SECRET,
    SESSION_SECRET: "bench-session-secret-of-forty-characters-",
    DEV_API_KEY: OPERATOR_KEY,
    DEV_ADMIN_EMAIL: ADMIN.email,
    DEV_ADMIN_PASSWORD: ADMIN.password,
    // No agent is over its limit while a part of the benchmark goes on.
    DEADLINE_SCALE: "10",
    // What is measured is how fast it can be, not how fast a single run may be.
    RECEIVER_RATE_PER_SECOND: "100000",
    RECEIVER_BURST: "1000000",
    ...vars,
  };
  const script = await bundle(worker ?? new URL("./workers/product.ts", import.meta.url));
  return start({ name: "osa-edge", ...options, bindings }, script, join(directory, "product"), port);
}

export async function startFloor({ directory }: Place): Promise<RunningWorker> {
  const script = await bundle(new URL("./workers/floor.ts", import.meta.url));
  const options = {
    compatibilityDate: "2026-10-01",
    bindings: { SECRET },
    d1Databases: { DB: "floor" },
    durableObjects: { FLOOR: { className: "Floor", useSQLite: true } },
  };
  const running = await start(options, script, join(directory, "floor"));
  await applySql(running, "CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB);");
  return running;
}

async function applySql({ database }: RunningWorker, sql: string): Promise<void> {
  const db = await database();
  for (const statement of splitSql(sql)) await db.prepare(statement).run();
}

async function start(options: object, script: string, directory: string, port = 0): Promise<RunningWorker> {
  const errors: string[] = [];
  const others = runtimes();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      // Nothing else keeps the files; alarms that fire without files bring the runtime down.
      resourcePersistencePath: directory,
      logRequests: false,
      // The product's log lines are written as ever, and go no further.
      handleStructuredLogs: ({ level, message }) => void (level === "error" && errors.push(message)),
      workers: [{ ...options, modules: [{ type: "ESModule", path: join(ROOT, "worker.mjs"), contents: script }] }],
    }),
  );
  const url = (await miniflare.ready).origin;
  const pid = runtimes().find((known) => !others.includes(known));
  return {
    url,
    database: () => miniflare.getD1Database("DB"),
    cpuMs: () => cpuMs(pid),
    errors,
    stop: () => miniflare.dispose(),
  };
}

/** With the choices that `wrangler deploy` makes. */
async function bundle(entry: URL): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    keepNames: true,
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    loader: { ".sql": "text", ".txt": "text", ".html": "text" },
    logLevel: "error",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`${entry} came to nothing`);
  return file.text;
}
