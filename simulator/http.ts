// Reading and answering HTTP with node:http, and leaving a caller without an answer.

import type { IncomingMessage, ServerResponse } from "node:http";

const MAX_BODY_BYTES = 1_000_000;

/** The whole body; undefined when it is larger than the simulator cares to read. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    // Read to the end all the same: leaving the loop would destroy the connection before it is answered.
    if (bytes <= MAX_BODY_BYTES) chunks.push(part);
  }
  return bytes <= MAX_BODY_BYTES ? Buffer.concat(chunks) : undefined;
}

/** Undefined for anything that is not JSON. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

/** RFC 9457, so that a mistake in a control call names the field. */
export function sendProblem(
  response: ServerResponse,
  status: number,
  title: string,
  errors: readonly { field: string; message: string }[] = [],
): void {
  sendJson(
    response,
    status,
    { type: "about:blank", title, status, errors },
    { "Content-Type": "application/problem+json" },
  );
}

export function header(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
}
