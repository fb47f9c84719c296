// Requests to our own server. Whatever goes wrong comes back as a problem (RFC 9457), never as an exception.

const TIMEOUT_MS = 20_000;

export interface Problem {
  /** 0 when no answer came. */
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string | null;
  /** What is wrong with single fields, in words. */
  readonly fields: readonly string[];
  /** The whole document: some codes say more. */
  readonly members: Readonly<Record<string, unknown>>;
}

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: Problem };

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface RequestOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function request<Value>(
  method: Method,
  path: string,
  { body, headers }: RequestOptions = {},
): Promise<Answer<Value>> {
  try {
    const response = await fetch(path, {
      method,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return response.ok
      ? { ok: true, value: readOwnAnswer<Value>(text) }
      : { ok: false, problem: readProblem(response.status, text) };
  } catch (error) {
    return { ok: false, problem: noAnswer(error) };
  }
}

/** The answer of our own server, which declares it with the same type. Throws when it is not JSON. */
function readOwnAnswer<Value>(text: string): Value {
  const value: Value = JSON.parse(text);
  return value;
}

/** A problem document, or as much of one as there is: a gateway in between may answer with anything. */
export function readProblem(status: number, text: string): Problem {
  const document = parseObject(text);
  return {
    status,
    code: textOf(document.code) ?? "unreadable_answer",
    title: textOf(document.title) ?? `The server answered with HTTP ${status}`,
    detail: textOf(document.detail) ?? "The answer gave no reason.",
    requestId: textOf(document.request_id),
    fields: Array.isArray(document.errors) ? document.errors.flatMap(fieldProblem) : [],
    members: document,
  };
}

function noAnswer(error: unknown): Problem {
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  const isUnreadable = error instanceof SyntaxError;
  return {
    status: 0,
    code: isUnreadable ? "unreadable_answer" : "unreachable",
    title: isUnreadable ? "The answer could not be read" : "The server could not be reached",
    detail: isTimeout
      ? `No answer came within ${TIMEOUT_MS / 1000} seconds. Whether the request was carried out is not known.`
      : "Check the network connection. Whether the request was carried out is not known.",
    requestId: null,
    fields: [],
    members: {},
  };
}

function fieldProblem(error: unknown): string[] {
  const { pointer, detail } = objectOf(error);
  return typeof pointer === "string" && typeof detail === "string" ? [`${pointer} ${detail}`] : [];
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return {};
  }
}

/** An object as it is; anything else has no members. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
