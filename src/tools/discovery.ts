// What OPAL and people are told about the functions. Pure; the same for every workspace.
import { z } from "zod";
import { type FunctionName, functionEntries, scopeOf } from "./functions.ts";
import type { ToolCategory } from "./schema.ts";

/** Where functions are called, below the address that OPAL knows us by. OPAL takes relative addresses only. */
export const TOOLS_PATH = "/api/tools";

/** Who gives the token with which functions are called. */
const PROVIDER = "osa_edge";

const API_VERSION = "1.0.0";
/** When the functions last changed. */
const LAST_UPDATED = "2026-11-21T00:00:00.000Z";

const WIRE_TYPES = ["string", "integer", "number", "boolean", "array", "object"] as const;
type WireType = (typeof WIRE_TYPES)[number];

interface Parameter {
  readonly name: string;
  readonly type: WireType;
  readonly description: string;
  readonly required: boolean;
  /** Null when there is none. */
  readonly default: unknown;
}

/** In the form of OPAL's SDK: parameters are a list of descriptors. */
export function discoveryDocument() {
  return {
    functions: functionEntries().map(([name, { description, parameters }]) => ({
      name,
      description,
      parameters: describeParameters(parameters).map(({ default: _default, ...descriptor }) => descriptor),
      endpoint: endpointOf(name),
      http_method: "POST" as const,
    })),
  };
}

export function enhancedToolsDocument(category: ToolCategory | "all", workspace: string) {
  const tools = functionEntries()
    .filter(([, tool]) => category === "all" || tool.category === category)
    .map(([name, tool]) => ({
      id: name,
      name,
      description: tool.description,
      version: API_VERSION,
      category: tool.category,
      parameters: describeParameters(tool.parameters),
      capabilities: tool.capabilities,
      endpoint: endpointOf(name),
      auth_requirements: authRequirements(name),
      deprecated: false,
      last_updated: LAST_UPDATED,
    }));
  return { success: true, tools, total_count: tools.length, api_version: API_VERSION, workspace_id: workspace };
}

function endpointOf(name: FunctionName): string {
  return `${TOOLS_PATH}/${name}`;
}

/** The scope that a token needs for the function. Told to people only: OPAL looks providers up among its own. */
function authRequirements(name: FunctionName) {
  return [{ provider: PROVIDER, scope_bundle: scopeOf(name), required: true }];
}

function describeParameters(parameters: z.ZodObject): Parameter[] {
  const { properties = {}, required = [] } = z.toJSONSchema(parameters, { io: "input" });
  return Object.entries(properties).map(([name, property]) => {
    const schema = typeof property === "boolean" ? {} : property;
    return {
      name,
      type: wireType(schema),
      description: schema.description ?? "",
      required: required.includes(name),
      default: schema.default ?? null,
    };
  });
}

function wireType({ type, anyOf }: z.core.JSONSchema.BaseSchema): WireType {
  const first = anyOf?.[0];
  const named = type ?? (typeof first === "object" ? first.type : undefined);
  const known = WIRE_TYPES.find((candidate) => candidate === named);
  if (known === undefined) throw new TypeError(`OPAL knows no parameters of type ${named}`);
  return known;
}
