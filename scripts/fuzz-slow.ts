// Senders that stop in the middle of a body. They must be given up, and must not keep anybody else waiting. All of them
// write a signature header: without one the Worker refuses at once, but wrangler's local front keeps such an answer back
// until the body has come.
import { connect } from "node:net";

export interface SlowSender {
  readonly what: string;
  /** 0 when the connection was closed without an answer. */
  readonly status: number;
  readonly afterMs: number;
}

const LIMIT_MS = 60_000;
const HEADER = `t=${Math.floor(Date.now() / 1000)},v1=${"0".repeat(64)}`;

const SENDERS: readonly (readonly [what: string, lines: readonly string[], body: string])[] = [
  ["half a body, well-formed signature", [`X-OSA-Signature: ${HEADER}`, "Content-Length: 1000"], '{"workflow_id":'],
  ["no body at all, well-formed signature", [`X-OSA-Signature: ${HEADER}`, "Content-Length: 1000"], ""],
  [
    "a chunk and no end, well-formed signature",
    [`X-OSA-Signature: ${HEADER}`, "Transfer-Encoding: chunked"],
    "1\r\n{\r\n",
  ],
];

export function sendSlowly(origin: string): Promise<SlowSender[]> {
  return Promise.all(SENDERS.map(([what, lines, body]) => sendOne(origin, what, lines, body)));
}

function sendOne(origin: string, what: string, lines: readonly string[], body: string): Promise<SlowSender> {
  const { hostname, port } = new URL(origin);
  const begin = performance.now();
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    const end = (status: number) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ what, status, afterMs: Math.round(performance.now() - begin) });
    };
    const timer = setTimeout(() => end(-1), LIMIT_MS);
    socket.once("data", (data) => end(Number(/^HTTP\/1.1 ([0-9]{3})/.exec(data.toString())?.[1] ?? 0)));
    socket.once("close", () => end(0));
    socket.once("error", () => end(0));
    const head = ["POST /api/webhooks/opal-workflow HTTP/1.1", `Host: ${hostname}`, "Content-Type: application/json"];
    socket.write(`${[...head, ...lines].join("\r\n")}\r\n\r\n${body}`);
  });
}
