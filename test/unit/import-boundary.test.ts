// Style 2, 3, 8, 10, 19: walls that a reader can rely on. Reads the source and lists what breaks through.
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../../src");

interface Source {
  readonly path: string;
  /** Without comments; line numbers as in the file. */
  readonly code: string;
}

const sources: readonly Source[] = globSync("**/*.ts", { cwd: ROOT })
  .map((path) => path.replaceAll("\\", "/"))
  .toSorted()
  .map((path) => ({ path, code: withoutComments(readFileSync(join(ROOT, path), "utf8")) }));

/** What the Worker runs; the dashboard runs in a browser and has walls of its own. */
const worker = sources.filter(({ path }) => !path.startsWith("dashboard/"));
const pure = worker.filter(({ path }) => path.startsWith("sync/run/"));
const platform = worker.filter(({ path }) => path.startsWith("platform/"));

function withoutComments(code: string): string {
  return code
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|[\s;{}(,])\/\/.*$/gm, "$1");
}

/** `file:line match`, for every match outside the files that are allowed it. */
function findings(among: readonly Source[], pattern: RegExp, allowed: readonly string[] = []): string[] {
  return among
    .filter(({ path }) => !allowed.includes(path))
    .flatMap(({ path, code }) =>
      [...code.matchAll(pattern)].map(
        (match) => `${path}:${code.slice(0, match.index).split("\n").length} ${match[0].trim()}`,
      ),
    );
}

interface Import {
  readonly from: string;
  readonly isTypeOnly: boolean;
}

function importsOf({ path, code }: Source): Import[] {
  const statements = code.matchAll(/\b(?:import|export)\s+(type\s+)?([^;'"]*?from\s+)?["']([^"']+)["']/g);
  const dynamic = code.matchAll(/\bimport\(\s*["']([^"']+)["']/g);
  const resolve = (target: string) => (target.startsWith(".") ? posix.join(posix.dirname(path), target) : target);
  return [
    ...[...statements].map(([, typeOnly, names, target = ""]) => ({
      from: resolve(target),
      isTypeOnly: typeOnly !== undefined || hasOnlyTypes(names),
    })),
    ...[...dynamic].map(([, target = ""]) => ({ from: resolve(target), isTypeOnly: false })),
  ];
}

function hasOnlyTypes(names: string | undefined): boolean {
  const named = /^\{([^}]*)\}/.exec(names?.trim() ?? "")?.[1];
  return named?.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type ")) ?? false;
}

function importFindings(among: readonly Source[], isForbidden: (found: Import, source: Source) => boolean): string[] {
  return among.flatMap((source) =>
    importsOf(source)
      .filter((found) => isForbidden(found, source))
      .map(({ from }) => `${source.path} imports ${from}`),
  );
}

test("there is something to read", () => {
  expect(pure.map(({ path }) => path)).toEqual(expect.arrayContaining(["sync/run/decide.ts", "sync/run/reduce.ts"]));
  expect(
    importsOf({
      path: "a/b.ts",
      code: 'import { type A, b } from "../c.ts";\nimport type { D } from "zod";\nexport * from "./e.ts";',
    }),
  ).toEqual([
    { from: "c.ts", isTypeOnly: false },
    { from: "zod", isTypeOnly: true },
    { from: "a/e.ts", isTypeOnly: false },
  ]);
});

describe("the pure core of a run", () => {
  const MAY_USE = /^(zod|sync\/run\/.*|opal\/agents\.ts|platform\/(refusal|ids|backoff)\.ts)$/;

  test("imports no runtime, no framework, no database and no environment", () => {
    expect(importFindings(pure, ({ from }) => !MAY_USE.test(from))).toEqual([]);
  });

  test("takes types from the schemas' two files, never the schemas, so that the browser needs no zod", () => {
    const schemas = ["sync/run/events.ts", "sync/run/request.ts"];
    const rules = pure.filter(({ path }) => !schemas.includes(path));
    expect(
      importFindings(rules, ({ from, isTypeOnly }) => from === "zod" || (schemas.includes(from) && !isTypeOnly)),
    ).toEqual([]);
  });

  test("waits for nothing and reaches for nothing global", () => {
    expect(findings(pure, /\b(await|fetch|setTimeout|setInterval|crypto|globalThis|process)\b(?!:)/g)).toEqual([]);
  });

  test("makes no date of now", () => {
    expect(findings(pure, /new Date\(\s*\)|Date\(\)/g)).toEqual([]);
  });
});

test("the platform's parts know nothing of ours", () => {
  const isOurs = ({ from }: Import) => /^[a-z].*\.ts$/.test(from) && !from.startsWith("platform/");
  expect(importFindings(platform, isOurs)).toEqual([]);
});

test("the clock is read in one file, and randomness made in one", () => {
  expect(findings(worker, /\bDate\.now\b|new Date\(\s*\)|performance\.now/g, ["platform/clock.ts"])).toEqual([]);
  expect(findings(worker, /\bMath\.random\b|getRandomValues|randomUUID/g, ["platform/random.ts"])).toEqual([]);
});

test("the console is written to in one file", () => {
  expect(findings(worker, /\bconsole\b/g, ["platform/log.ts"])).toEqual([]);
});

test("an answer that refuses is built in one file", () => {
  const refusing =
    /new Response\([^;]*?status:?\s*[:,]?\s*[45]\d\d|\bc\.(?:json|text|body|html)\([^;]*?,\s*[45]\d\d\b|\bc\.status\(\s*[45]\d\d|Response\.(?:json|error)\(|new HTTPException/g;
  expect(findings(worker, refusing, ["platform/problem.ts"])).toEqual([]);
  const built = worker.filter(({ code }) => /new Response\(/.test(code)).map(({ path }) => path);
  expect(built.filter((path) => path !== "platform/problem.ts" && path !== "platform/live.ts")).toEqual([]);
});

test("an object's SQL is in its journals and in the platform's storage files", () => {
  const storage = [
    "sync/journal.ts",
    "workspace/journal.ts",
    "workspace/control-journal.ts",
    "workspace/estimate-journal.ts",
    "schedules/journal.ts",
    "live/journal.ts",
    "inbox/journal.ts",
    "inbox/rejection-journal.ts",
    ...["outbox", "pressure", "ledger", "migrate", "sql", "bodies"].map((name) => `platform/${name}.ts`),
  ];
  expect(findings(worker, /\.exec\(\s*[`"']|\bsql\.exec\b|#sql\.exec\b/g, storage)).toEqual([]);
});

describe("an object's one alarm", () => {
  const objects = worker.filter(({ code }) => /extends DurableObject\b/.test(code));

  test("is set by the platform's rule for it and nowhere else", () => {
    expect(findings(worker, /\b(?:set|delete)Alarm\(/g, ["platform/alarm.ts"])).toEqual([]);
  });

  test.each(objects.map(({ path, code }) => [path, code] as const))("%s: is armed in #arm", (_path, code) => {
    expect(methodsThat(code, /\barmAlarm\(/)).toEqual(["#arm"]);
  });

  test.each(objects.map(({ path, code }) => [path, code] as const))(
    "%s: is armed for safety before alarm() waits for anything else",
    (_path, code) => {
      expect(methodsThat(code, /\barmSafety\(/)).toEqual(["alarm"]);
      const alarm = /^ {2}(?:override )?async alarm\([\s\S]*?^ {2}\}/m.exec(code)?.[0] ?? "";
      const [firstWait = ""] = alarm.split("\n").filter((line) => line.includes("await "));
      expect(firstWait).toContain("armSafety(");
    },
  );

  /** Names of the class's methods whose body matches. */
  function methodsThat(code: string, pattern: RegExp): string[] {
    const bodies = code.split(/^ {2}(?=(?:override |static )*(?:async )?#?[A-Za-z]\w*(?:<[^>]*>)?\([\s\S]*?\{$)/m);
    return bodies.slice(1).flatMap((body) => {
      const name = /^(?:override |static )*(?:async )?(#?\w+)/.exec(body)?.[1] ?? "";
      return pattern.test(body) ? [name] : [];
    });
  }
});
