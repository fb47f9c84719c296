// A call of a function as OPAL sends it: `{parameters, auth?}`, or the parameters alone.
import { readBytes, refuseUnreadable } from "../platform/body.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { type Fields, isFields } from "./documents.ts";

export interface ToolCall {
  readonly parameters: Fields;
  /** Where they are in the body, for naming what is wrong with them. */
  readonly path: readonly string[];
}

/** Refuses: payload_too_large, unsupported_media_type, read_timeout, unreadable_body, validation_failed. */
export async function readCall(
  request: Request,
  limitBytes: number,
): Promise<({ readonly ok: true } & ToolCall) | Refusal> {
  const refused = refuseUnreadable(request, limitBytes);
  if (refused) return refused;
  const body = await readBytes(request, limitBytes);
  if (!body.ok) return body;
  const document = parseJsonBytes(body.bytes);
  if (!document.ok) return refuse(document.code, { detail: `${document.why}.` });
  const call = callFrom(document.value);
  if (call) return { ok: true, ...call };
  const detail = "must be an object";
  return refuse("validation_failed", { detail: `/: ${detail}.`, errors: [{ pointer: "", detail }] });
}

/** Undefined when the document is no object. OPAL's own credentials (`auth`) are no parameters and are never kept. */
export function callFrom(document: unknown): ToolCall | undefined {
  if (!isFields(document)) return undefined;
  if (isFields(document.parameters)) return { parameters: document.parameters, path: ["parameters"] };
  const { auth: _auth, ...parameters } = document;
  return { parameters, path: [] };
}
