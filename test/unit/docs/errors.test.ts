// Style 21: every code that a caller can meet has its place in docs/errors.md, and nothing else has.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { REFUSALS } from "../../../src/platform/refusal.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/errors.md"), "utf8");
const headings = page.split("\n").flatMap((line) => /^## `?([^`]+?)`?\s*$/.exec(line)?.[1] ?? []);

test("docs/errors.md explains every code, once, and no code that is gone", () => {
  expect(headings.toSorted()).toEqual(Object.keys(REFUSALS).toSorted());
});
