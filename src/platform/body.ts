// Reading a request's body once, as bytes, with a limit that no header can talk us out of.
import { type Refusal, refuse } from "./refusal.ts";

/** A body that stops arriving is given up after this time, in ms. */
const READ_LIMIT_MS = 30_000;

type ReadBody = { readonly ok: true; readonly bytes: Uint8Array } | Refusal;

/** What the headers alone rule out: payload_too_large, unsupported_media_type. */
export function refuseUnreadable(request: Request, limitBytes: number): Refusal | undefined {
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > limitBytes) return refuse("payload_too_large");
  return isPlainJson(request.headers) ? undefined : refuse("unsupported_media_type");
}

/** JSON in UTF-8 without a content encoding. */
export function isPlainJson(headers: Headers): boolean {
  const encoding = headers.get("Content-Encoding")?.trim().toLowerCase() ?? "identity";
  const [type, ...parameters] = (headers.get("Content-Type") ?? "").toLowerCase().split(";");
  const charsets = parameters.map((part) => part.trim()).filter((part) => part.startsWith("charset="));
  const isUtf8 = charsets.every((charset) => /^charset="?utf-?8"?$/.test(charset));
  return encoding === "identity" && type?.trim() === "application/json" && isUtf8;
}

/** Refuses: payload_too_large, read_timeout, unreadable_body. */
export async function readBytes(request: Request, limitBytes: number): Promise<ReadBody> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  const reader = request.body?.getReader();
  if (reader === undefined) return { ok: true, bytes: new Uint8Array() };
  let timer: ReturnType<typeof setTimeout> | null = null;
  const timeout = new Promise<"timeout">((resolve) => {
    timer = setTimeout(() => resolve("timeout"), READ_LIMIT_MS);
  });
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), timeout]);
      if (read === "timeout") return refuse("read_timeout");
      if (read.done) return { ok: true, bytes: concatenate(chunks, total) };
      total += read.value.byteLength;
      if (total > limitBytes) return refuse("payload_too_large");
      chunks.push(read.value);
    }
  } catch {
    return refuse("unreadable_body", { detail: "the body broke off" });
  } finally {
    clearTimeout(timer);
    // A body that was not read to its end is of no use to anybody.
    reader.cancel().catch(() => undefined);
  }
}

function concatenate(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const all = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return all;
}
