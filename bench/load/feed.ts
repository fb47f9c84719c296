// A listener on a live feed, as the page is one: it acknowledges, so that the feed goes on.
import { WebSocket } from "ws";
import { OPERATOR } from "../settings.ts";

const ACKNOWLEDGE_EVERY = 64;

export interface Change {
  readonly seq: number;
  readonly change: unknown;
}

export interface Feed {
  readonly close: () => void;
}

/** Resolves when the snapshot is there. `onChange` is called with the text of a change as it arrives. */
export function openFeed(url: string, path: string, onChange: (text: string, atMs: number) => void): Promise<Feed> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}${path}`, {
    headers: { ...OPERATOR },
    perMessageDeflate: false,
  });
  let count = 0;
  return new Promise((done, fail) => {
    socket.once("error", fail);
    socket.once("unexpected-response", (_request, { statusCode }) => fail(new Error(`${path} answered ${statusCode}`)));
    socket.on("message", (data: Buffer) => {
      const atMs = performance.now();
      const text = data.toString("utf8");
      if (text.startsWith('{"type":"snapshot"')) {
        done({ close: () => socket.terminate() });
        return;
      }
      if (!text.startsWith('{"type":"change"')) return;
      onChange(text, atMs);
      count += 1;
      const seq = count % ACKNOWLEDGE_EVERY === 0 ? /"seq":(\d+)/.exec(text)?.[1] : undefined;
      if (seq !== undefined) socket.send(`{"type":"acknowledge","seq":${seq}}`);
    });
  });
}
