// One suffix names a run in three forms; nothing else does.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { objectName, runIds, runIdsFrom, SAFE_NAME } from "../../../src/platform/ids.ts";

const IDS = {
  sessionId: "sync-1767603600000-abcde",
  correlationId: "force-sync-1767603600000-abcde",
  workflowId: "workflow-1767603600000-abcde",
};

test("the ids of a run differ in their prefix only", () => {
  expect(runIds(1_767_603_600_000, "abcde")).toEqual(IDS);
});

test.each(Object.values(IDS))("%s leads to all ids of its run", (id) => {
  expect(runIdsFrom(id)).toEqual(IDS);
});

test("a correlation id in seconds is one of ours too", () => {
  expect(runIdsFrom("force-sync-1767603600-abcde")?.sessionId).toBe("sync-1767603600-abcde");
});

test.each([
  ["nothing", ""],
  ["a prefix alone", "sync-"],
  ["a suffix alone", "1767603600000-abcde"],
  ["an unknown prefix", "opal-1767603600000-abcde"],
  ["no letters", "sync-1767603600000"],
  ["too few letters", "sync-1767603600000-abcd"],
  ["too many letters", "sync-1767603600000-abcdefghijklm"],
  ["capital letters", "sync-1767603600000-ABCDE"],
  ["too few digits", "sync-176760360-abcde"],
  ["too many digits", "sync-176760360000000-abcde"],
  ["something in front", "x-sync-1767603600000-abcde"],
  ["something behind", "sync-1767603600000-abcde "],
  ["a line break behind", "sync-1767603600000-abcde\n"],
  ["a path", "sync-1767603600000-abcde/.."],
  ["another object", "sync-1767603600000-abcde:acme"],
  ["a capital prefix", "Sync-1767603600000-abcde"],
])("we cannot have issued %s", (_what, id) => {
  expect(runIdsFrom(id)).toBeUndefined();
});

test("every id that we issue leads back to its run", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1_600_000_000_000, max: 99_999_999_999_999 }),
      fc.stringMatching(/^[a-z0-9]{5}$/),
      (now, letters) => {
        const ids = runIds(now, letters);
        for (const id of Object.values(ids)) expect(runIdsFrom(id)).toEqual(ids);
      },
    ),
  );
});

describe("the name of an object", () => {
  test("holds the workspace, so that no two workspaces meet in one object", () => {
    expect(objectName("default", IDS.sessionId)).toBe("default:sync-1767603600000-abcde");
  });

  test("is unambiguous for safe names", () => {
    const safe = fc.stringMatching(SAFE_NAME);
    fc.assert(
      fc.property(safe, safe, safe, safe, (workspace, id, otherWorkspace, otherId) => {
        const isSame = workspace === otherWorkspace && id === otherId;
        expect(objectName(workspace, id) === objectName(otherWorkspace, otherId)).toBe(isSame);
      }),
    );
  });

  test.each(["default", "acme-1", "A_b-9", "x".repeat(64)])("may be made of %s", (name) => {
    expect(SAFE_NAME.test(name)).toBe(true);
  });

  test.each(["", "a:b", "a/b", "a b", "ä", "x".repeat(65), "a\n", ".."])("is never made of %j", (name) => {
    expect(SAFE_NAME.test(name)).toBe(false);
  });
});
