// One kept-alive HTTP/1.1 connection with one request under way: as little work as possible beside what is measured.
import { connect, type Socket } from "node:net";

export interface Reply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** The runtime closes a connection after 5 s without a request; one that is as good as closed is opened anew, in ms. */
const IDLE_MS = 4_000;

export class Connection {
  readonly #url: URL;
  #socket: Socket;
  #usedAt = performance.now();
  #received = "";
  #waiting: { readonly done: (reply: Reply) => void; readonly fail: (error: Error) => void } | undefined;

  constructor(url: URL) {
    this.#url = url;
    this.#socket = this.#open();
  }

  get isFree(): boolean {
    return this.#waiting === undefined;
  }

  send(request: string): Promise<Reply> {
    if (performance.now() - this.#usedAt > IDLE_MS) {
      this.#socket.removeAllListeners().destroy();
      this.#socket = this.#open();
    }
    return new Promise((done, fail) => {
      this.#waiting = { done, fail };
      this.#socket.write(request, "utf8");
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #open(): Socket {
    const socket = connect(Number(this.#url.port), this.#url.hostname);
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => this.#take(chunk));
    socket.on("error", (error) => this.#waiting?.fail(error));
    socket.on("close", () => this.#waiting?.fail(new Error("the connection was closed")));
    return socket;
  }

  #take(chunk: string): void {
    this.#received += chunk;
    const reply = parse(this.#received);
    if (reply === undefined) return;
    this.#received = "";
    this.#usedAt = performance.now();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.done(reply);
  }
}

/** Undefined while the answer has not come to its end. */
function parse(text: string): Reply | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const body = text.slice(headEnd + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const isWhole = length === undefined ? body.endsWith("0\r\n\r\n") : body.length >= Number(length);
  return isWhole ? { status: Number(head.slice(9, 12)), head, body } : undefined;
}

export interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function requestText(url: URL, { method, path, headers, body = "" }: Request): string {
  const all = { Host: url.host, ...headers, ...(method === "POST" ? lengthOf(body) : {}) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

function lengthOf(body: string): Record<string, string> {
  return { "Content-Length": String(Buffer.byteLength(body)) };
}
