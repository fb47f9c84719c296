// The addresses at which anybody may knock, what opens each, and which answers are allowed. Runs in Node and in the
// Worker alike.
import fc from "fast-check";
import { type Attempt, forgedAttempt, genuineAttempt } from "./fuzz-attempts.ts";
import { type Body, bodies } from "./fuzz-bodies.ts";
import { noticeDocument, toolDocument, webhookDocument } from "./fuzz-documents.ts";
import type { Scheme } from "./fuzz-headers.ts";

export type Opens = "signature" | "token";

export interface Door {
  readonly path: string;
  readonly opens: Opens;
  /** Takes deliveries; the others only answer questions, or are not there at all. */
  readonly takes: "deliveries" | "questions" | "nothing";
  /** Also accepts a digest without a name, in `x-webhook-signature`. */
  readonly readsBare: boolean;
}

const webhook = (path: string, takes: Door["takes"] = "deliveries"): Door => ({
  ...{ path, opens: "signature", takes },
  readsBare: path.includes("/external/"),
});
const tool = (path: string, takes: Door["takes"] = "deliveries"): Door => ({
  ...{ path, opens: "token", takes, readsBare: false },
});

const WEBHOOK_DOORS: readonly Door[] = [
  webhook("/api/webhooks/opal-workflow"),
  webhook("/api/webhooks/opal-workflow/default"),
  webhook("/api/webhooks/opal-workflow/nobody", "nothing"),
  webhook("/api/webhooks/opal-workflow/__proto__", "nothing"),
  webhook("/api/webhooks/opal-workflow/%00", "nothing"),
  webhook("/api/webhooks/opal-workflow/..%2f..%2fapi", "nothing"),
  webhook(`/api/webhooks/opal-workflow/${"x".repeat(2_000)}`, "nothing"),
];

const NOTICE_DOORS: readonly Door[] = [
  webhook("/api/webhooks/ga4"),
  webhook("/api/webhooks/ga4/default"),
  webhook("/api/webhooks/salesforce"),
  webhook("/api/webhooks/salesforce/nobody", "nothing"),
  webhook("/api/webhooks/external/erp"),
  webhook("/api/webhooks/external/crm/default"),
  webhook("/api/webhooks/external/erp/nobody", "nothing"),
  webhook("/api/webhooks/external/a%20b", "nothing"),
  webhook("/api/webhooks/hubspot", "nothing"),
];

const TOOL_DOORS: readonly Door[] = [
  tool("/api/tools/osa_send_data_to_osa_webhook"),
  tool("/api/tools/osa_store_workflow_data"),
  tool("/api/tools/osa_workflow_data"),
  tool("/api/opal/osa-workflow"),
  tool("/api/opal/api/tools/osa_workflow_data"),
  tool("/api/opal/agent-data/content_review"),
  tool("/api/opal/agent-data/geo_audit_recommendations"),
  tool("/api/opal/agent-data/nobody", "nothing"),
  tool("/api/tools/osa_retrieve_workflow_context", "questions"),
  tool("/api/tools/osa_validate_workflow_data", "questions"),
  tool("/api/tools/osa_compile_final_results", "questions"),
  tool("/api/tools/nothing", "nothing"),
  tool("/api/tools/__proto__", "nothing"),
  tool("/api/tools/toString", "nothing"),
];

const TOKEN_FORGERIES = [
  ...[
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Bearer null",
    "Bearer undefined",
    "Basic $token",
    "$token",
    "bearer: $token",
  ],
  ...[
    "Bearer $token$token",
    "Bearer $token x",
    "Bearer x $token",
    "Bearer  $token",
    "Bearer $capital",
    "Bearer $short",
  ],
] as const;
const TOKENS = ["Bearer $token", "bearer $token", "BEARER $token"] as const;

const MEDIA = [
  "application/json; charset=utf-8",
  "application/json; charset=latin1",
  "application/json;",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "*/*",
  "",
] as const;
const PLAIN = /^application\/json(; charset=utf-8|;)?$/;

/** One request, before it is signed and the ids of a run are put in. */
export interface Knock {
  readonly door: Door;
  readonly body: Body;
  /** For doors that a signature opens. */
  readonly attempt: Attempt;
  /** For doors that a token opens: the Authorization header with `$token` in it. Null for none. */
  readonly token: string | null;
  readonly media: string;
  /** Whether the credential is one that must open the door. */
  readonly isGenuine: boolean;
}

const media = fc.oneof(
  { weight: 12, arbitrary: fc.constant("application/json") },
  { weight: 1, arbitrary: fc.constantFrom(...MEDIA) },
);

interface Sender {
  readonly doors: readonly Door[];
  readonly document: fc.Arbitrary<string>;
  readonly schemes: readonly Scheme[];
}

const SENDERS: readonly { readonly weight: number; readonly sender: Sender }[] = [
  { weight: 3, sender: { doors: WEBHOOK_DOORS, document: webhookDocument, schemes: ["osa", "osa", "standard"] } },
  { weight: 2, sender: { doors: TOOL_DOORS, document: toolDocument, schemes: ["osa"] } },
  { weight: 1, sender: { doors: NOTICE_DOORS, document: noticeDocument, schemes: ["osa", "standard"] } },
  {
    weight: 1,
    sender: { doors: NOTICE_DOORS.filter(({ readsBare }) => readsBare), document: noticeDocument, schemes: ["bare"] },
  },
];

function knocks({ doors, document, schemes }: Sender, isGenuine: boolean): fc.Arbitrary<Knock> {
  const open = doors.filter(({ takes }) => takes !== "nothing");
  return fc.record({
    door: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...open) },
      { weight: 1, arbitrary: fc.constantFrom(...doors) },
    ),
    body: bodies(document),
    attempt: isGenuine ? genuineAttempt(schemes) : forgedAttempt,
    token: isGenuine ? fc.constantFrom(...TOKENS) : fc.constantFrom(null, ...TOKEN_FORGERIES),
    media,
    isGenuine: fc.constant(isGenuine),
  });
}

const anyKnock = (isGenuine: boolean) =>
  fc.oneof(...SENDERS.map(({ weight, sender }) => ({ weight, arbitrary: knocks(sender, isGenuine) })));

export const genuineKnock: fc.Arbitrary<Knock> = anyKnock(true);
export const forgedKnock: fc.Arbitrary<Knock> = anyKnock(false);

const MIB = 1024 * 1024;
/** Around the size of a stored part, and around the limit. */
const SIZES = [MIB - 1, MIB, MIB + 1, 3 * MIB, 10 * MIB - 1, 10 * MIB, 10 * MIB + 1];
/** Around what is read of objects and lists: 250,000, the document itself and the list of these lists among them. */
const MOST_LISTS = 249_998;
const LISTS = [MOST_LISTS, MOST_LISTS + 1, 1_000_000];

/** Signed, well-formed and too large, or nearly. */
export const largeKnock: fc.Arbitrary<Knock> = fc.record({
  door: fc.constantFrom(...WEBHOOK_DOORS.slice(0, 2)),
  body: fc.oneof(
    fc.constantFrom(...SIZES).map((size): Body => ({ kind: "large", size, lists: 0 })),
    fc.constantFrom(...LISTS).map((lists): Body => ({ kind: "large", size: 0, lists })),
  ),
  attempt: genuineAttempt(["osa", "standard"]),
  token: fc.constant(null),
  media: fc.constant("application/json"),
  isGenuine: fc.constant(true),
});

/** Statuses that this request may be answered with; a forged one that turned out genuine counts as genuine. */
export function allowedAnswers({ door, media, body }: Knock, isGenuine: boolean): readonly number[] {
  if (door.takes === "nothing") return isGenuine ? [404, 413, 415] : [401, 404, 413, 415];
  if (!isGenuine) return [400, 401, 408, 413, 415];
  if (!PLAIN.test(media)) return [413, 415];
  if (body.kind === "large") return body.size > 10 * MIB || body.lists > MOST_LISTS ? [413] : [200, 202];
  return door.takes === "questions" ? [200, 400, 404, 413] : [200, 202, 400, 413];
}

export function tokenOf({ token }: Knock, genuine: string): string | null {
  if (token === null) return null;
  const written = token.replaceAll("$token", genuine).replaceAll("$capital", genuine.toUpperCase());
  return written.replaceAll("$short", genuine.slice(0, -1));
}
