// A stored delivery as a shell script that posts the very same bytes again, signed anew. The secret is not in it: it
// comes from the caller's environment.

/** What is seen as what it is and survives being copied. */
const PLAIN_TEXT = /^[\n\t \p{L}\p{M}\p{N}\p{P}\p{S}]*$/u;
/** Longer lines openssl does not read. */
const BASE64_LINE = /.{1,64}/g;

export interface Replayable {
  readonly deliveryId: string;
  readonly source: string;
  /** Undefined for the default workspace, whose name is not part of the address. */
  readonly workspace: string | undefined;
  /** As in https://osa.example. */
  readonly origin: string;
  readonly body: Uint8Array;
}

/** For sh, with openssl and curl. */
export function curlScript({ deliveryId, source, workspace, origin, body }: Replayable): string {
  const path = [receiverOf(source), ...(workspace === undefined ? [] : [workspace])].join("/");
  return [
    `# Posts delivery ${deliveryId} again: the same ${body.length} bytes, signed now. A run that has it already answers`,
    '# "duplicate". Needs the secret that deliveries of this source are signed with:',
    "#   export OSA_WEBHOOK_SHARED_SECRET=…",
    `: "\${OSA_WEBHOOK_SHARED_SECRET:?is not set}"`,
    `origin=${quoted(origin)}`,
    `url="\${OSA_URL:-$origin}/api/webhooks/${path}"`,
    `delivery_body() { ${bodyCommand(body)}`,
    "}",
    "signed_at=$(date +%s)",
    `signature=$({ printf '%s.' "$signed_at"; delivery_body; } |`,
    `  openssl dgst -sha256 -hmac "$OSA_WEBHOOK_SHARED_SECRET" | sed 's/^.*[ =]//')`,
    'delivery_body | curl -sS -X POST "$url" \\',
    "  -H 'Content-Type: application/json' \\",
    `  -H "X-OSA-Signature: t=$signed_at,v1=$signature" \\`,
    "  --data-binary @-",
    "",
  ].join("\n");
}

/** The receiver that takes what a source sends. What came as a function call is posted as the webhook it was kept as. */
function receiverOf(source: string): string {
  if (source === "ga4" || source === "salesforce") return source;
  const external = /^external:([A-Za-z0-9_-]+)$/.exec(source)?.[1];
  return external === undefined ? "opal-workflow" : `external/${external}`;
}

/** Writes the body and nothing else: text between quotes, anything else by way of base64. */
function bodyCommand(body: Uint8Array): string {
  const text = plainText(body);
  return text === undefined
    ? `openssl base64 -d <<'END_OF_BODY'\n${base64Lines(body)}\nEND_OF_BODY`
    : `printf '%s' ${quoted(text)};`;
}

/** Undefined when it is not text that survives being copied. */
function plainText(body: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    return PLAIN_TEXT.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** One word of the shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function base64Lines(bytes: Uint8Array): string {
  return base64(bytes).match(BASE64_LINE)?.join("\n") ?? "";
}

const CHUNK_BYTES = 24 * 1024;

export function base64(bytes: Uint8Array): string {
  let text = "";
  // A whole number of groups of three, so that the pieces can be put together.
  for (let first = 0; first < bytes.length; first += CHUNK_BYTES) {
    text += btoa(String.fromCharCode(...bytes.subarray(first, first + CHUNK_BYTES)));
  }
  return text;
}
