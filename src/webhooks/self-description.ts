// What a receiver says of itself to whoever asks: how to sign, how large, which types. No secret.
import { WEBHOOK_LIMIT_BYTES } from "./authenticate.ts";
import type { NoticeKind } from "./notices.ts";
import { TOLERANCE_SECONDS } from "./signature.ts";

const TYPES = {
  opal: null,
  ga4: ["conversion_update", "audience_insight", "performance_alert"],
  salesforce: ["lead_created", "opportunity_updated", "account_modified"],
  external: ["analytics_update", "performance_alert", "system_notification"],
} as const satisfies Record<"opal" | NoticeKind, readonly string[] | null>;

const BARE = {
  header: "x-webhook-signature",
  format: "<hex HMAC-SHA256 of `x-webhook-timestamp.body`>",
  further_headers: ["x-webhook-timestamp"],
};

export function selfDescription(kind: "opal" | NoticeKind) {
  return {
    success: true,
    endpoint: kind === "opal" ? "opal-workflow" : kind,
    signature: {
      header: "X-OSA-Signature",
      format: "t=<unix seconds>,v1=<hex HMAC-SHA256 of `t.body`>",
      tolerance_seconds: TOLERANCE_SECONDS,
    },
    // Looked at only when X-OSA-Signature is absent.
    other_signature: {
      standard: "Standard Webhooks",
      header: "webhook-signature",
      format: "v1,<base64 HMAC-SHA256 of `webhook-id.webhook-timestamp.body`>, several separated by spaces",
      further_headers: ["webhook-id", "webhook-timestamp"],
      key: "the shared secret's UTF-8 bytes, or what follows `whsec_` in it, in base64",
      tolerance_seconds: TOLERANCE_SECONDS,
    },
    ...(kind === "external" ? { bare_signature: BARE } : {}),
    ...(TYPES[kind] === null ? {} : { types: TYPES[kind] }),
    content_type: "application/json",
    max_bytes: WEBHOOK_LIMIT_BYTES,
  };
}
