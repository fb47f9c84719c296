import { describe, expect, test } from "vitest";
import { countTests } from "../../scripts/vitest-stage.ts";

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

describe("npm test counts", () => {
  test("passed and failed tests of all files, and no skipped ones", () => {
    const testResults = [file("passed", "passed", "passed", "skipped"), file("failed", "passed", "failed", "todo")];
    expect(countTests({ testResults }, 1)).toEqual({ passed: 3, failed: 1 });
  });

  test("a file that does not load as one failed test", () => {
    expect(countTests({ testResults: [file("passed", "passed"), file("failed")] }, 1)).toEqual({
      passed: 1,
      failed: 1,
    });
  });

  test("an error outside of all tests as one failed test", () => {
    expect(countTests({ testResults: [file("passed", "passed")] }, 1)).toEqual({ passed: 1, failed: 1 });
  });

  test("a crash before any report as one failed test, whatever the exit code", () => {
    expect(countTests(undefined, 1)).toEqual({ passed: 0, failed: 1 });
    expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1 });
  });
});
