// One HTTP attempt with real bytes: node:http instead of fetch, because a body must be slowed down or cut half-way.

import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { rest } from "./rest.ts";

export interface Posting {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly timeoutMs: number;
  /** The second half of the body follows this much later. */
  readonly pauseMs: number;
  /** Destroys the connection after half of the body. */
  readonly cut: boolean;
  readonly signal: AbortSignal;
}

export interface Answer {
  /** Null when there was no answer; `text` then says why. */
  readonly status: number | null;
  readonly text: string;
}

const SHOWN_ANSWER_CHARACTERS = 500;

export function post(posting: Posting): Promise<Answer> {
  const { url, headers, body, timeoutMs, pauseMs, cut, signal } = posting;
  return new Promise((resolve) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    // A connection of its own per attempt: a pooled one that the server just closed would look like a fault.
    const request = send(url, {
      method: "POST",
      agent: false,
      signal,
      headers: { ...headers, "Content-Length": String(body.length) },
    });
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer in ${timeoutMs + pauseMs} ms`)),
      timeoutMs + pauseMs,
    );
    const done = (answer: Answer) => {
      clearTimeout(timer);
      resolve(answer);
    };

    request.on("error", (error) => done({ status: null, text: error.message }));
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", (error) => done({ status: null, text: error.message }));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8").slice(0, SHOWN_ANSWER_CHARACTERS);
        done({ status: response.statusCode ?? null, text });
      });
    });

    if (!cut && pauseMs === 0) {
      request.end(body);
      return;
    }
    const middle = Math.floor(body.length / 2);
    request.write(body.subarray(0, middle), () => {
      if (cut) {
        request.destroy(new Error("cut after half of the body, on purpose"));
        return;
      }
      rest(pauseMs, signal).then(
        () => request.end(body.subarray(middle)),
        () => request.destroy(),
      );
    });
  });
}
