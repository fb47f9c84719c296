// Bodies as senders have them: whole documents, spoilt ones, what is no document at all, and very large ones. Runs in Node
// and in the Worker alike.
import fc from "fast-check";
import { deep, value, writeObject } from "./fuzz-json.ts";

/** Ids of the run that is under way, to be put into bodies. */
export interface RunNames {
  readonly session: string;
  readonly correlation: string;
}

/** A body as a sender has it. */
export type Body =
  | { readonly kind: "document" | "value" | "deep" | "broken" | "wide"; readonly text: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** A document of so many bytes, or with so many lists in one. */
  | { readonly kind: "large"; readonly size: number; readonly lists: number };

const RAW = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xef, 0xbb, 0xbf], [0x00], [0xc0, 0x80]];

export function bodies(document: fc.Arbitrary<string>): fc.Arbitrary<Body> {
  const broken = fc.tuple(document, fc.nat(), fc.nat(5)).map(([whole, at, way]) => breakText(whole, at, way));
  const wide = fc.tuple(document, fc.integer({ min: 1, max: 3_000 })).map(([whole, times]) =>
    writeObject([{ key: "wide", value: `[${Array.from({ length: times }, () => "{}")}]` }])
      .slice(0, -1)
      .concat(`,${whole.slice(1)}`),
  );
  const spoilt = fc.tuple(document, fc.nat(), fc.constantFrom(...RAW)).map(([whole, at, raw]): Body => {
    const bytes = new TextEncoder().encode(whole);
    const index = at % (bytes.length + 1);
    return { kind: "bytes", bytes: Uint8Array.of(...bytes.slice(0, index), ...raw, ...bytes.slice(index)) };
  });
  const written =
    (kind: "document" | "value" | "deep" | "broken" | "wide") =>
    (text: string): Body => ({ kind, text });
  return fc.oneof(
    { weight: 10, arbitrary: document.map(written("document")) },
    { weight: 2, arbitrary: value.map(written("value")) },
    { weight: 2, arbitrary: broken.map(written("broken")) },
    { weight: 2, arbitrary: spoilt },
    { weight: 1, arbitrary: deep.map(written("deep")) },
    { weight: 1, arbitrary: wide.map(written("wide")) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes): Body => ({ kind: "bytes", bytes })) },
  );
}

function breakText(whole: string, at: number, way: number): string {
  const index = at % (whole.length + 1);
  const [before, behind] = [whole.slice(0, index), whole.slice(index)];
  return [before, behind, `${whole},`, `${whole}${whole}`, `${before},${behind}`, `\ufeff${whole}`][way] ?? whole;
}

/** The bytes that are sent, with the ids of the run in them. */
export function bytesOf(body: Body, { session, correlation }: RunNames): Uint8Array {
  if (body.kind === "bytes") return body.bytes;
  if (body.kind === "large") return largeDocument(body.size, body.lists, session);
  const text = body.text.replaceAll("$session", session).replaceAll("$correlation", correlation);
  return new TextEncoder().encode(text.replaceAll("$remote", `opal-${session}`));
}

function largeDocument(size: number, lists: number, session: string): Uint8Array {
  const entries = Array.from({ length: lists }, () => "[]").join(",");
  const start = `{"workflow_id":"opal-${session}","event_type":"workflow_progress","lists":[${entries}],"text":"`;
  return new TextEncoder().encode(`${start}${"x".repeat(Math.max(0, size - start.length - 2))}"}`);
}
