// A client of the live sockets that keeps what it was sent.
import { exports } from "cloudflare:workers";
import { API_KEY, eventually, ORIGIN } from "./client.ts";

export interface LiveMessage {
  readonly type: "snapshot" | "change" | "resync";
  readonly epoch: string;
  readonly seq: number;
  /** With a snapshot. */
  readonly state?: unknown;
  /** With a change. */
  readonly change?: unknown;
}

export interface Watcher {
  readonly messages: readonly LiveMessage[];
  /** Code of the close, once there was one. */
  readonly closedWith: () => number | undefined;
  readonly acknowledge: (seq: number) => void;
  readonly send: (text: string) => void;
  readonly close: () => void;
}

export function handshake(path: string, headers: Readonly<Record<string, string>> = withKey): Promise<Response> {
  return exports.default.fetch(`${ORIGIN}${path}`, { headers: { Upgrade: "websocket", ...headers } });
}

const withKey = { Authorization: `Bearer ${API_KEY}` };

export async function watch(path: string): Promise<Watcher> {
  const { status, webSocket: socket } = await handshake(path);
  if (socket === null) throw new Error(`no socket, but ${status}`);
  const messages: LiveMessage[] = [];
  let code: number | undefined;
  socket.addEventListener("message", ({ data }) => {
    if (typeof data === "string" && data !== "pong") messages.push(JSON.parse(data));
  });
  socket.addEventListener("close", (event) => {
    code = event.code;
  });
  socket.accept();
  return {
    messages,
    closedWith: () => code,
    acknowledge: (seq) => socket.send(JSON.stringify({ type: "acknowledge", seq })),
    send: (text) => socket.send(text),
    close: () => socket.close(1000),
  };
}

/** Waits until a watcher has been sent everything up to a number. */
export async function seen(watcher: Watcher, seq: number): Promise<readonly LiveMessage[]> {
  return eventually(
    async () => watcher.messages,
    (messages) => (messages.at(-1)?.seq ?? -1) >= seq,
  );
}
