// The form in which OPAL registers functions: what it does not know, it refuses to register.
import { describe, expect, test } from "vitest";
import { discoveryDocument, enhancedToolsDocument } from "../../../src/tools/discovery.ts";

const { functions } = discoveryDocument();

test("every function is told with a relative address, a method and a list of parameters", () => {
  expect(functions).toHaveLength(6);
  for (const tool of functions) {
    expect(tool).toEqual({
      name: expect.stringMatching(/^osa_[a-z_]+$/),
      description: expect.stringMatching(/^[A-Z].+\.$/),
      parameters: expect.any(Array),
      endpoint: `/api/tools/${tool.name}`,
      http_method: "POST",
    });
  }
});

test("each function says which scope a token needs for it", () => {
  const { tools } = enhancedToolsDocument("all", "default");
  const scopes = tools.map(({ name, auth_requirements: [needed] }) => [name, needed?.scope_bundle]);
  expect(Object.fromEntries(scopes)).toEqual({
    ...{ osa_send_data_to_osa_webhook: "deliver", osa_store_workflow_data: "deliver", osa_workflow_data: "deliver" },
    ...{ osa_retrieve_workflow_context: "read", osa_validate_workflow_data: "read", osa_compile_final_results: "read" },
  });
});

test.each(functions.map((tool) => [tool.name, tool.parameters] as const))(
  "%s: every parameter has a wire type, a description, and says whether it is required",
  (_name, parameters) => {
    expect(parameters[0]).toMatchObject({ name: "workflow_id", type: "string", required: true });
    for (const parameter of parameters) {
      expect(parameter).toEqual({
        name: expect.stringMatching(/^[a-z_]+$/),
        type: expect.stringMatching(/^(string|integer|number|boolean|array|object)$/),
        description: expect.stringMatching(/^.{10,}\.$/),
        required: expect.any(Boolean),
      });
    }
  },
);

test("the types are those that OPAL's callers use", () => {
  const types = (name: string) =>
    Object.fromEntries(
      functions.find((tool) => tool.name === name)?.parameters.map((parameter) => [parameter.name, parameter.type]) ??
        [],
    );
  expect(types("osa_workflow_data")).toEqual({
    ...{ workflow_id: "string", agent_data: "array", client_name: "string", business_objectives: "array" },
    ...{ workflow_timestamp: "string", workflow_execution_time_ms: "number" },
  });
  expect(types("osa_store_workflow_data")).toMatchObject({ agent_results: "object", execution_order: "integer" });
  expect(types("osa_validate_workflow_data")).toMatchObject({ validation_criteria: "object" });
  expect(types("osa_compile_final_results")).toMatchObject({
    ...{ compilation_format: "string", include_quality_metrics: "boolean" },
  });
});

describe("the enhanced list", () => {
  test("tells of all, or of one category, and counts them", () => {
    const all = enhancedToolsDocument("all", "acme");
    expect(all).toMatchObject({ total_count: 6, workspace_id: "acme", api_version: expect.any(String) });
    const parts = (["analysis", "optimization", "reporting"] as const).map((category) =>
      enhancedToolsDocument(category, "acme"),
    );
    expect(parts.map(({ total_count }) => total_count)).toEqual([3, 1, 2]);
    expect(parts.flatMap(({ tools }) => tools.map(({ id }) => id)).toSorted()).toEqual(
      all.tools.map(({ id }) => id).toSorted(),
    );
  });

  test("names defaults", () => {
    const { tools } = enhancedToolsDocument("reporting", "acme");
    const compile = tools.find(({ id }) => id === "osa_compile_final_results");
    expect(compile?.parameters).toContainEqual(
      expect.objectContaining({ name: "compilation_format", required: false, default: "executive_summary" }),
    );
  });
});
