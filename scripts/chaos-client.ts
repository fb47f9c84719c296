// Asks the Worker and the simulator, as a careful caller does: a question that got no answer is asked again.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

const ANSWER_LIMIT_MS = 8_000;
const AGAIN_MS = 100;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: unknown;
}

export interface Question {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Asker {
  /** Rejects when no answer comes. */
  readonly ask: (question: Question) => Promise<Answer>;
  /** Asks again until an answer satisfies; rejects with GaveUp, and the last answer, after so long. */
  readonly askUntil: (question: Question, satisfies: (answer: Answer) => boolean, limitMs: number) => Promise<Answer>;
  /** Asks until the answer is a 2xx, and reads it. */
  readonly read: <Schema extends z.ZodType>(path: string, schema: Schema) => Promise<z.infer<Schema>>;
}

/** What was waited for did not come, although it was promised. */
export class GaveUp extends Error {}

const READ_LIMIT_MS = 60_000;

export function askerAt(origin: string, standing: () => Readonly<Record<string, string>>): Asker {
  async function ask({ method = "GET", path, headers, body }: Question): Promise<Answer> {
    const response = await fetch(`${origin}${path}`, {
      method,
      headers: { ...standing(), ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    return { status: response.status, headers: response.headers, json: parseJson(await response.text()) };
  }

  async function askUntil(question: Question, satisfies: (answer: Answer) => boolean, limitMs: number) {
    const giveUpAt = Date.now() + limitMs;
    let last: unknown;
    while (Date.now() < giveUpAt) {
      try {
        const answer = await ask(question);
        if (satisfies(answer)) return answer;
        last = { status: answer.status, json: answer.json };
      } catch (error) {
        // Nobody is there: the Worker was killed a moment ago.
        last = error instanceof Error ? error.message : error;
      }
      await sleep(AGAIN_MS);
    }
    const { method = "GET", path } = question;
    throw new GaveUp(
      `${method} ${path}: no answer to go on with in ${limitMs / 1000} s; last: ${JSON.stringify(last)}`,
    );
  }

  return {
    ask,
    askUntil,
    read: async (path, schema) =>
      schema.parse((await askUntil({ path }, ({ status }) => status >= 200 && status < 300, READ_LIMIT_MS)).json),
  };
}

/** An administrator, by the development sign-in. The cookie outlives restarts of the Worker. */
export async function signIn(origin: string, email: string, password: string): Promise<Asker> {
  const anybody = askerAt(origin, () => ({ Origin: origin }));
  const login = { method: "POST", path: "/api/auth/login", body: { email, password } };
  const { headers } = await anybody.askUntil(login, ({ status }) => status === 200, READ_LIMIT_MS);
  const cookie = headers.getSetCookie()[0]?.split(";")[0] ?? "";
  return askerAt(origin, () => ({ Origin: origin, Cookie: cookie }));
}

/** A refusal in the API's form. */
const refusal = z.object({ type: z.string() });

/** The code of a refusal, such as `run_active`; empty for any other answer. */
export function refusalCode({ json }: Answer): string {
  const parsed = refusal.safeParse(json);
  return parsed.success ? (parsed.data.type.split("/").at(-1) ?? "") : "";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
