import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ensureDevVars } from "../../scripts/dev-vars.ts";
import { ROOT } from "../../scripts/processes.ts";

const EXAMPLE = '# Comment\nNAME="of the example"\nSECRET="shared"\n';
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "osa-edge-front-door-"));
  writeFileSync(join(directory, ".dev.vars.example"), EXAMPLE);
});

afterEach(() => rmSync(directory, { recursive: true }));

describe(".dev.vars", () => {
  test("is made from the example when it is missing", () => {
    const { wasCreated, missing, values } = ensureDevVars(directory);
    expect({ wasCreated, missing, values }).toEqual({
      wasCreated: true,
      missing: [],
      values: { NAME: "of the example", SECRET: "shared" },
    });
    expect(readFileSync(join(directory, ".dev.vars"), "utf8")).toBe(EXAMPLE);
  });

  test("is never overwritten, and names that it lacks are reported", () => {
    writeFileSync(join(directory, ".dev.vars"), 'NAME="my own"\n');
    const { wasCreated, missing, values } = ensureDevVars(directory);
    expect({ wasCreated, missing, values }).toEqual({
      wasCreated: false,
      missing: ["SECRET"],
      values: { NAME: "my own" },
    });
    expect(readFileSync(join(directory, ".dev.vars"), "utf8")).toBe('NAME="my own"\n');
  });

  test("keeps a name that is empty on purpose", () => {
    writeFileSync(join(directory, ".dev.vars"), 'NAME=""\nSECRET="mine"\n');
    expect(ensureDevVars(directory).missing).toEqual([]);
  });
});

test("the committed example holds what npm start prints", () => {
  const example = readFileSync(join(ROOT, ".dev.vars.example"), "utf8");
  for (const name of ["DEV_ADMIN_EMAIL", "DEV_ADMIN_PASSWORD", "DEV_API_KEY", "OPAL_WEBHOOK_URL"]) {
    expect(example).toMatch(new RegExp(`^${name}=".+"$`, "m"));
  }
});
