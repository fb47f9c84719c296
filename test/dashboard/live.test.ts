// The socket around the rules, against a real WebSocket server.
import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type WebSocket as ServerSocket, WebSocketServer } from "ws";
import { type LiveConnection, openLive } from "../../src/dashboard/live.ts";
import type { LogMessage } from "../../src/dashboard/messages.ts";

let server: WebSocketServer;
let live: LiveConnection | undefined;
const sockets: ServerSocket[] = [];
const asked: (string | undefined)[] = [];
const heard: string[] = [];
const taken: LogMessage<string, string>[] = [];

beforeEach(async () => {
  for (const list of [sockets, asked, heard, taken]) list.length = 0;
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket: ServerSocket, request: IncomingMessage) => {
    asked.push(request.url);
    sockets.push(socket);
    socket.on("message", (data) => {
      heard.push(String(data));
      if (String(data) === "ping") socket.send("pong");
    });
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  vi.stubGlobal("location", { href: `http://127.0.0.1:${port}/engine/admin` });
});

afterEach(async () => {
  live?.stop();
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
  vi.unstubAllGlobals();
});

function open(isWorthRetrying = async () => true): LiveConnection {
  live = openLive<string, string>({ path: "/live", take: (message) => void taken.push(message), isWorthRetrying });
  return live;
}

const send = (socket: ServerSocket | undefined, message: Readonly<Record<string, unknown>>) =>
  socket?.send(JSON.stringify({ epoch: "a", now: Date.now(), ...message }));
const until = (holds: () => void) => vi.waitFor(holds, { timeout: 5_000 });

test("connects, pings, and takes what the server sends", async () => {
  const { connection } = open();
  await until(() => expect(heard).toEqual(["ping"]));
  send(sockets[0], { type: "snapshot", seq: 1, state: "s" });
  send(sockets[0], { type: "change", seq: 2, change: "c" });
  await until(() => expect(taken.map((message) => message.seq)).toEqual([1, 2]));
  expect(connection.value).toMatchObject({ status: "live", answerBy: null });
  expect(asked).toEqual(["/live"]);
});

test("comes back by itself and asks for what it has not seen", async () => {
  const { connection } = open();
  await until(() => expect(connection.value.status).toBe("live"));
  send(sockets[0], { type: "snapshot", seq: 7, state: "s" });
  await until(() => expect(taken).toHaveLength(1));
  sockets[0]?.terminate();
  await until(() => expect(connection.value.status).toBe("waiting"));
  await until(() => expect(asked).toEqual(["/live", "/live?since=a.7"]));
});

test("a nudge does not wait for the next try", async () => {
  const { connection, nudge } = open();
  await until(() => expect(connection.value.status).toBe("live"));
  sockets[0]?.terminate();
  await until(() => expect(connection.value.status).toBe("waiting"));
  nudge();
  expect(connection.value.status).toBe("opening");
  await until(() => expect(connection.value.status).toBe("live"));
});

test("a socket that was let go is not heard any more", async () => {
  open();
  await until(() => expect(sockets).toHaveLength(1));
  send(sockets[0], { type: "snapshot", seq: 1, state: "s" });
  send(sockets[0], { type: "change", seq: 3, change: "after a gap" });
  await until(() => expect(sockets).toHaveLength(2));
  send(sockets[0], { type: "change", seq: 2, change: "too late" });
  send(sockets[1], { type: "snapshot", seq: 3, state: "t" });
  await until(() =>
    expect(taken.map((message) => [message.type, message.seq])).toEqual([
      ["snapshot", 1],
      ["snapshot", 3],
    ]),
  );
  expect(asked).toEqual(["/live", "/live"]);
});

test("a message that cannot be used is followed by a fresh snapshot", async () => {
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  const unusable = new Error("no such thing");
  live = openLive<string, string>({
    path: "/live",
    take: (message) => {
      if (message.type === "change") throw unusable;
      taken.push(message);
    },
    isWorthRetrying: async () => true,
  });
  await until(() => expect(sockets).toHaveLength(1));
  send(sockets[0], { type: "snapshot", seq: 1, state: "s" });
  send(sockets[0], { type: "change", seq: 2, change: "c" });
  await until(() => expect(asked).toEqual(["/live", "/live"]));
  expect(reported).toHaveBeenCalledExactlyOnceWith(unusable);
});

test("stops for good when there is no use in trying again", async () => {
  server.removeAllListeners("connection");
  server.options.verifyClient = () => false;
  const { connection } = open(async () => false);
  await until(() => expect(connection.value.status).toBe("stopped"));
});
