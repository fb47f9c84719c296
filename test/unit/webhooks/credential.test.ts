// An agent whose credential was refused says so by a code. Words in an error's text are never taken for it.
import { describe, expect, test } from "vitest";
import { report } from "./read.ts";

const failure = { workflow_id: "opal-1", agent_id: "geo_audit", execution_status: "failure", agent_data: {} };

describe("a refused credential", () => {
  test.each([401, 403, "401", "Unauthorized", "authentication_failed", "agent_authentication_failure"])(
    "is known by its code: %s",
    async (error_code) => {
      expect(await report({ ...failure, error_code })).toMatchObject({ outcome: "failed", isCredentialRefused: true });
      expect(await report({ ...failure, metadata: { error_code } })).toMatchObject({ isCredentialRefused: true });
    },
  );

  test.each([500, "timeout", "", null, { code: 401 }])("is not any other code: %j", async (error_code) => {
    expect(await report({ ...failure, error_code })).toMatchObject({ outcome: "failed", isCredentialRefused: false });
  });

  test("is not looked for in words", async () => {
    const said = await report({ ...failure, error: "401 unauthorized: credential refused" });
    expect(said).toMatchObject({ outcome: "failed", isCredentialRefused: false });
  });

  test("is not read into anything but a failure", async () => {
    const done = { ...failure, execution_status: "success", error_code: 401 };
    expect(await report(done)).toMatchObject({ outcome: "completed", isCredentialRefused: false });
    expect(await report({ ...done, execution_status: "timeout" })).toMatchObject({ isCredentialRefused: false });
  });
});
