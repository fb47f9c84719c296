// Whether an answer is one that may be given: its status, and that it is a well-formed answer of its kind. Runs in Node
// and in the Worker alike.
import { z } from "zod";

export interface Given {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const problem = z
  .looseObject({
    success: z.literal(false),
    error: z.string().min(1),
    message: z.string().min(1),
    type: z.string(),
    title: z.string().min(1),
    status: z.number(),
    detail: z.string().min(1),
    instance: z.string().startsWith("/"),
    code: z.string().regex(/^[a-z_]+$/),
    request_id: z.string().min(1),
    timestamp: z.iso.datetime(),
    errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .refine(({ type, code }) => type === `/api/problems/${code}`);

/** What a delivery was answered, by either door. */
const receipt = z.looseObject({
  success: z.literal(true),
  status: z.enum(["processed", "duplicate", "stored"]),
  webhook_id: z.string().regex(/^whd_[0-9a-z]{20}$/),
  first_webhook_id: z.string().optional(),
});

const success = z.looseObject({ success: z.literal(true) });

/** Undefined when all is well. */
export function faultIn({ status, type, text }: Given, allowed: readonly number[]): string | undefined {
  if (!allowed.includes(status)) return `answered ${status}, allowed are ${allowed.join(", ")}`;
  const document = parse(text);
  if (status >= 400) {
    const read = problem.safeParse(document);
    if (!type.startsWith("application/problem+json")) return `a problem of type ${type}`;
    if (!read.success) return `no well-formed problem: ${z.prettifyError(read.error)}`;
    return read.data.status === status ? undefined : `says ${read.data.status} in an answer of ${status}`;
  }
  if (!type.startsWith("application/json")) return `an answer of type ${type}`;
  return success.safeParse(document).success ? undefined : "no well-formed answer";
}

/** The id under which the body is stored: that of the first delivery for a duplicate. Undefined when it is not said. */
export function storedAs(text: string): string | undefined {
  const read = receipt.safeParse(parse(text));
  return read.success ? (read.data.first_webhook_id ?? read.data.webhook_id) : undefined;
}

/** Every id under which something of the request is stored. */
export function acknowledgedIn(text: string): string[] {
  const read = several.safeParse(parse(text));
  return read.success ? [read.data, ...(read.data.deliveries ?? [])].flatMap(idIn) : [];
}

const told = z.looseObject({ webhook_id: z.string().optional(), first_webhook_id: z.string().optional() });
const several = told.extend({ deliveries: z.array(told).optional() });

function idIn({ webhook_id: id, first_webhook_id: first }: z.infer<typeof told>): string[] {
  return [first ?? id].flatMap((known) => known ?? []);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
