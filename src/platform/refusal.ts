// Every way in which we say no: one closed list of codes with status, the word older callers read and a page of explanation.

export const REFUSALS = {
  validation_failed: {
    status: 400,
    word: "validation_failed",
    title: "A field is missing or wrong",
    explanation:
      "The request was understood but one or more fields do not fit. `errors` names each field by JSON pointer. Nothing was changed.",
  },
  unreadable_body: {
    status: 400,
    word: "validation_failed",
    title: "The body is not readable JSON",
    explanation: "The body must be one JSON document in UTF-8, at most 64 levels deep. Nothing was stored.",
  },
  authentication_failed: {
    status: 401,
    word: "authentication_failed",
    title: "Not signed in",
    explanation: "Sign in on the dashboard, or send `Authorization: Bearer <key>`.",
  },
  signature_invalid: {
    status: 401,
    word: "authentication_failed",
    title: "The signature was not accepted",
    explanation:
      "The signature header must be `X-OSA-Signature: t=<unix seconds>,v1=<64 lower-case hex digits>`, an HMAC-SHA256 over `<t>.<raw body>` with the shared secret, at most 300 seconds from now. Without that header, a Standard Webhooks signature (`webhook-id`, `webhook-timestamp`, `webhook-signature`) is accepted as well. The answer is the same for every kind of failure; the log holds the reason.",
  },
  origin_refused: {
    status: 403,
    word: "access_denied",
    title: "The request came from another site",
    explanation: "Requests that use the session cookie must come from the dashboard's own origin.",
  },
  access_denied: {
    status: 403,
    word: "access_denied",
    title: "This needs another role",
    explanation: "You are known, but your role may not do this. `required_permissions` names what is missing.",
  },
  workflow_not_allowed: {
    status: 403,
    word: "access_denied",
    title: "This workflow may not be started",
    explanation: "Only `strategy_workflow` can be triggered.",
  },
  resource_not_found: {
    status: 404,
    word: "resource_not_found",
    title: "There is no such thing",
    explanation: "The address or id names nothing in this workspace.",
  },
  session_not_found: {
    status: 404,
    word: "resource_not_found",
    title: "No run has this id",
    explanation: "No run of this workspace has this session, correlation, workflow or OPAL id.",
  },
  read_timeout: {
    status: 408,
    word: "operation_timeout",
    title: "The body did not arrive in time",
    explanation: "The rest of the body was not sent within 30 seconds. Nothing was stored; send it again.",
  },
  run_active: {
    status: 409,
    word: "conflict",
    title: "A force sync is already running",
    explanation:
      "One run at a time and workspace. `active_session` names the run that holds the lease; follow or cancel it, or try again when it has ended.",
  },
  run_ended: {
    status: 409,
    word: "conflict",
    title: "The run has already ended",
    explanation:
      "A run that has ended cannot be cancelled, and its agents cannot be run once more one by one. `state` tells how it ended.",
  },
  nothing_to_retry: {
    status: 409,
    word: "conflict",
    title: "There is nothing to run again",
    explanation:
      "The run has no failed agent, is still under way, or was not started by us. `detail` says which; nothing was changed.",
  },
  not_resumable: {
    status: 409,
    word: "conflict",
    title: "This run cannot be resumed",
    explanation: "Only a run that a refused credential stopped can be resumed. Any other one can be retried.",
  },
  credential_unchanged: {
    status: 409,
    word: "conflict",
    title: "The refused credential is still the same",
    explanation:
      "The credential that OPAL refused has not been changed since, so OPAL would refuse it again. Change it, or send `credential_confirmed: true` if it was made valid on the other side.",
  },
  queue_full: {
    status: 409,
    word: "conflict",
    title: "Another run is waiting already",
    explanation: "One run may wait for its turn. `queued_session` names it; withdraw it or try again later.",
  },
  idempotency_key_in_flight: {
    status: 409,
    word: "conflict",
    title: "The same request is being worked on",
    explanation:
      "A request with this Idempotency-Key has not been answered yet. Send it again after `Retry-After` seconds.",
  },
  schedule_limit: {
    status: 409,
    word: "conflict",
    title: "There are too many schedules",
    explanation: "A workspace has room for 50 schedules. Delete one that is no longer needed.",
  },
  delivery_expired: {
    status: 410,
    word: "gone",
    title: "The stored deliveries are gone",
    explanation:
      "Bodies of deliveries are kept for a limited time. `detail` names the first delivery that is gone and its date.",
  },
  payload_too_large: {
    status: 413,
    word: "validation_failed",
    title: "The body is too large",
    explanation: "Webhook bodies may have at most 10 MiB, other requests 64 KiB. Nothing was stored.",
  },
  unsupported_media_type: {
    status: 415,
    word: "validation_failed",
    title: "This content type is not accepted",
    explanation: "Send `Content-Type: application/json`, in UTF-8, without a content encoding.",
  },
  idempotency_key_reused: {
    status: 422,
    word: "validation_failed",
    title: "The idempotency key was used for another request",
    explanation: "An Idempotency-Key belongs to one request body for 24 hours. Use a new key for a new request.",
  },
  upgrade_required: {
    status: 426,
    word: "validation_failed",
    title: "This address speaks WebSocket",
    explanation: "Connect with a WebSocket client.",
  },
  rate_limited: {
    status: 429,
    word: "rate_limited",
    title: "Too many requests",
    explanation:
      "More requests come from this address than are let through. Nothing was stored; send it again after `Retry-After` seconds.",
  },
  configuration_error: {
    status: 500,
    word: "Configuration Error",
    title: "The service is not configured correctly",
    explanation:
      "Environment validation failed: a setting is missing, too short or still a placeholder. The log names the setting; nothing was sent to OPAL.",
  },
  internal_server_error: {
    status: 500,
    word: "internal_server_error",
    title: "Something went wrong on our side",
    explanation:
      "The details are in the log under the request id. Repeating the request is safe where it carries an idempotency key.",
  },
  breaker_open: {
    status: 503,
    word: "service_unavailable",
    title: "OPAL is not answering",
    explanation:
      "The last calls to OPAL failed, so new runs are refused until it has been tried again. Nothing was sent to OPAL; try again after `Retry-After` seconds.",
  },
  triggering_disabled: {
    status: 503,
    word: "service_unavailable",
    title: "Force sync is switched off",
    explanation:
      "An administrator has switched all triggering off. `disabled_by`, `disabled_at` and `reason` say who, when and why.",
  },
  service_unavailable: {
    status: 503,
    word: "service_unavailable",
    title: "Not available right now",
    explanation:
      "A part that this request needs does not answer at the moment. Nothing was lost; try again after `Retry-After` seconds.",
  },
} as const satisfies Record<string, { status: number; word: string; title: string; explanation: string }>;

export type RefusalCode = keyof typeof REFUSALS;

/** A problem with one field: `pointer` is an RFC 6901 JSON pointer into the body, or `?name` for a query parameter. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

type Scalar = string | number | boolean | null;
/** Plain data, so that a refusal can travel from an object to the edge. */
type Member = Scalar | readonly string[] | { readonly [name: string]: Scalar };

export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  /** For the caller: no secrets, no internals. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Further members of the problem document, such as the session that holds the lease. */
  readonly members?: { readonly [name: string]: Member };
  readonly retryAfterSeconds?: number;
}

export function refuse(code: RefusalCode, rest: Omit<Refusal, "ok" | "code"> = {}): Refusal {
  return { ok: false, code, ...rest };
}
