import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "../../scripts/processes.ts";

const WANTED = {
  "": { version: "0.1.0" },
  "node_modules/one": { version: "1.0.0" },
  "node_modules/other-platform": { version: "1.0.0", optional: true },
};
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "osa-edge-front-door-"));
  writePackages("package-lock.json", WANTED);
});

afterEach(() => rmSync(directory, { recursive: true }));

describe("packages are installed", () => {
  test("when all but the optional ones are there", () => {
    writeInstalled({ "node_modules/one": { version: "1.0.0" } });
    expect(isInstalled()).toBe(true);
  });

  test("when the optional ones are there too", () => {
    writeInstalled({ "node_modules/one": { version: "1.0.0" }, "node_modules/other-platform": { version: "1.0.0" } });
    expect(isInstalled()).toBe(true);
  });
});

describe("packages are installed again", () => {
  test("when there are none", () => {
    expect(isInstalled()).toBe(false);
  });

  test("when the lock file wants another version", () => {
    writeInstalled({ "node_modules/one": { version: "0.9.0" } });
    expect(isInstalled()).toBe(false);
  });

  test("when the lock file wants one more", () => {
    writeInstalled({});
    expect(isInstalled()).toBe(false);
  });

  test("when the lock file has dropped one", () => {
    writeInstalled({ "node_modules/one": { version: "1.0.0" }, "node_modules/two": { version: "1.0.0" } });
    expect(isInstalled()).toBe(false);
  });

  test("when npm was interrupted while it wrote its record", () => {
    mkdirSync(join(directory, "node_modules"));
    writeFileSync(join(directory, "node_modules", ".package-lock.json"), '{"packages":');
    expect(isInstalled()).toBe(false);
  });
});

function writeInstalled(packages: object): void {
  mkdirSync(join(directory, "node_modules"));
  writePackages("node_modules/.package-lock.json", packages);
}

function writePackages(path: string, packages: object): void {
  writeFileSync(join(directory, path), JSON.stringify({ lockfileVersion: 3, packages }));
}

/** By the Node that the machine has, as in real life; it is the last one on PATH. */
function isInstalled(): boolean {
  const url = new URL(`file://${join(ROOT, "scripts/install.mjs")}`);
  const program = `const { isInstalled } = await import(${JSON.stringify(url.href)});
    process.stdout.write(String(isInstalled(${JSON.stringify(directory)})));`;
  const path = (process.env.PATH ?? "").split(":").filter((entry) => !entry.includes("node_modules"));
  const { stdout, stderr } = spawnSync("node", ["--input-type=module", "-e", program], {
    encoding: "utf8",
    env: { ...process.env, PATH: path.join(":") },
  });
  expect(stderr).toBe("");
  return stdout === "true";
}
