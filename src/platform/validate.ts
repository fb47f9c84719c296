// Turning what a caller sent into typed data, or into a refusal that names every wrong field.
import type { z } from "zod";
import { readJsonBody } from "./body.ts";
import { parseJsonBytes } from "./json.ts";
import { type FieldError, type Refusal, refuse } from "./refusal.ts";

/** Requests other than webhooks are small. */
const BODY_LIMIT_BYTES = 64 * 1024;

export type Valid<Value> = { readonly ok: true; readonly value: Value } | Refusal;

/** Reads and checks a JSON body. `whenEmpty` stands in for a request without any body. */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  whenEmpty?: unknown,
): Promise<Valid<z.infer<Schema>>> {
  const isEmpty = request.body === null || request.headers.get("Content-Length") === "0";
  if (isEmpty && whenEmpty !== undefined) return check(schema, whenEmpty);
  const body = await readJsonBody(request, BODY_LIMIT_BYTES);
  if (!body.ok) return body;
  const document = parseJsonBytes(body.bytes);
  return document.ok ? check(schema, document.value) : refuse("unreadable_body", { detail: `${document.why}.` });
}

export function readQuery<Schema extends z.ZodType>(url: string, schema: Schema): Valid<z.infer<Schema>> {
  const parsed = schema.safeParse(Object.fromEntries(new URL(url).searchParams));
  if (parsed.success) return { ok: true, value: parsed.data };
  return invalid(parsed.error.issues, (path) => `?${path.join(".")}`);
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): Valid<z.infer<Schema>> {
  const parsed = schema.safeParse(value);
  return parsed.success ? { ok: true, value: parsed.data } : invalid(parsed.error.issues, toPointer);
}

function invalid(issues: readonly z.core.$ZodIssue[], locate: (path: readonly PropertyKey[]) => string): Refusal {
  const errors = issues.flatMap((issue): FieldError[] =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ pointer: locate([...issue.path, key]), detail: "is not a known field" }))
      : [{ pointer: locate(issue.path), detail: issue.message }],
  );
  const details = errors.map((error) => `${error.pointer || "/"}: ${error.detail}`);
  return refuse("validation_failed", { detail: `${details.join("; ")}.`, errors, members: { details } });
}

/** RFC 6901 */
function toPointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
