// .dev.vars: made from the example once, then the developer's own.
import { constants, copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";

export interface DevVars {
  readonly path: string;
  readonly wasCreated: boolean;
  /** Names that the example has and .dev.vars lacks. */
  readonly missing: readonly string[];
  readonly values: Readonly<Record<string, string>>;
}

export function ensureDevVars(directory: string): DevVars {
  const path = join(directory, ".dev.vars");
  const example = join(directory, ".dev.vars.example");
  const wasCreated = !existsSync(path);
  if (wasCreated) copyFileSync(example, path, constants.COPYFILE_EXCL);
  const values = readVars(path);
  const missing = Object.keys(readVars(example)).filter((name) => values[name] === undefined);
  return { path, wasCreated, missing, values };
}

export function readVars(path: string): Readonly<Record<string, string>> {
  const values = Object.entries(parseEnv(readFileSync(path, "utf8")));
  return Object.fromEntries(values.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
