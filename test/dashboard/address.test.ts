// Addresses: what is looked at is in the URL.
import { describe, expect, test } from "vitest";
import { parseAddress, runAddress } from "../../src/dashboard/address.ts";

test.each(["/", "/engine/admin", "/engine/admin/"])("%s shows the active run or the last one", (path) => {
  expect(parseAddress(path)).toEqual({ page: "now" });
});

describe("a run", () => {
  test("has an address of its own that leads back to it", () => {
    const sessionId = "sync-1795274831914-xhh34";
    expect(parseAddress(runAddress(sessionId))).toEqual({ page: "run", sessionId });
    expect(parseAddress(`${runAddress(sessionId)}/`)).toEqual({ page: "run", sessionId });
  });

  test.each([
    "/engine/admin/runs",
    "/engine/admin/runs/a/b",
    "/engine/admin/runs/..",
    "/engine/admin/runs/%3Cscript%3E",
    `/engine/admin/runs/${"a".repeat(129)}`,
    "/elsewhere",
  ])("%s names nothing", (path) => {
    expect(parseAddress(path)).toEqual({ page: "unknown" });
  });
});
