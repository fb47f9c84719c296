// Refusals become answers here and nowhere else: problem details (RFC 9457), as a superset of the bodies older callers read.
import { REFUSALS, type Refusal } from "./refusal.ts";

/** Where a code is explained, for people and for `type`. */
export function problemAddress(code: string): string {
  return `/api/problems/${code}`;
}

export interface ProblemContext {
  readonly instance: string;
  readonly requestId: string;
  readonly now: number;
}

export function problemResponse(refusal: Refusal, context: ProblemContext, headers: HeadersInit = {}): Response {
  const { status, word, title, explanation } = REFUSALS[refusal.code];
  const detail = refusal.detail ?? explanation;
  const document = {
    success: false,
    error: word,
    message: detail,
    ...refusal.members,
    type: problemAddress(refusal.code),
    title,
    status,
    detail,
    instance: context.instance,
    code: refusal.code,
    ...(refusal.errors ? { errors: refusal.errors } : {}),
    request_id: context.requestId,
    timestamp: new Date(context.now).toISOString(),
  };
  const all = new Headers(headers);
  all.set("Content-Type", "application/problem+json");
  all.set("Cache-Control", "no-store");
  if (refusal.retryAfterSeconds !== undefined) all.set("Retry-After", String(refusal.retryAfterSeconds));
  return new Response(JSON.stringify(document), { status, headers: all });
}
