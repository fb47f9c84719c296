// What GA4, Salesforce and other systems send: notices that belong to no run. Stored whole whatever their shape; what does
// not fit its schema is quarantined, and the sender told which field is wrong.
import { z } from "zod";
import type { InboxDelivery, InboxName } from "../inbox/delivery.ts";
import { sha256Hex } from "../platform/hash.ts";
import { jsonPointer } from "../platform/pointer.ts";
import type { FieldError } from "../platform/refusal.ts";
import type { Headers } from "../sync/delivery.ts";
import { hashTuple, parseTime, safeWord } from "./identity.ts";

export type NoticeKind = Exclude<InboxName, "opal">;

const text = z.string().min(1).max(256);
const number = z.number();
const count = z.number().int().min(0);
const time = z
  .union([z.string(), z.number()])
  .refine((given) => parseTime(given) !== undefined, "must be a time: ISO 8601, or unix seconds or milliseconds");

const ga4 = z.looseObject({
  event_type: z.enum(["conversion_update", "audience_insight", "performance_alert"]),
  property_id: z.union([text, z.number().int()]),
  timestamp: time,
  data: z.looseObject({
    conversions: z
      .array(
        z.looseObject({
          conversion_name: text,
          conversion_count: count,
          conversion_value: number,
          time_period: text,
        }),
      )
      .optional(),
    audiences: z
      .array(z.looseObject({ audience_id: text, audience_name: text, audience_size: count, growth_rate: number }))
      .optional(),
    performance_alerts: z
      .array(
        z.looseObject({
          alert_type: text,
          metric_name: text,
          threshold_value: number,
          current_value: number,
          severity: text,
        }),
      )
      .optional(),
  }),
});

const salesforce = z.looseObject({
  event_type: z.enum(["lead_created", "opportunity_updated", "account_modified"]),
  organization_id: text,
  timestamp: time,
  data: z.looseObject({
    lead: z
      .looseObject({
        lead_id: text,
        lead_source: text.nullish(),
        lead_score: number.nullish(),
        conversion_probability: number.nullish(),
      })
      .optional(),
    opportunity: z
      .looseObject({ opportunity_id: text, stage: text, amount: number.nullish(), close_date: text.nullish() })
      .optional(),
    account: z
      .looseObject({
        account_id: text,
        account_type: text.nullish(),
        annual_revenue: number.nullish(),
        industry: text.nullish(),
      })
      .optional(),
  }),
});

const external = z.looseObject({
  type: z.enum(["analytics_update", "performance_alert", "system_notification"]),
  data: z.record(z.string(), z.unknown()),
});

/** Ids such as `properties/123`. */
const PLAIN_SUBJECT = /^[\w./:-]{1,64}$/;

const NOTICES = { ga4, salesforce, external } as const satisfies Record<NoticeKind, z.ZodObject>;

/** What is read of a notice that does not fit: whatever of it is there. */
const loose = z
  .looseObject({
    event_type: z.string().optional().catch(undefined),
    type: z.string().optional().catch(undefined),
    id: z
      .union([z.string().max(256), z.number()])
      .optional()
      .catch(undefined),
    event_id: z
      .union([z.string().max(256), z.number()])
      .optional()
      .catch(undefined),
    property_id: z.union([z.string(), z.number()]).optional().catch(undefined),
    organization_id: z.string().optional().catch(undefined),
    timestamp: z.union([z.string(), z.number()]).optional().catch(undefined),
  })
  .catch({});

export interface NoticeReceipt {
  readonly kind: NoticeKind;
  readonly deliveryId: string;
  /** The kind, or `external:<name>`. */
  readonly source: string;
  readonly receivedAt: number;
  readonly secret: string;
  readonly headers: Headers;
  /** The signed id of a Standard Webhooks message. */
  readonly messageId: string | undefined;
}

export interface ReadNotice {
  readonly delivery: InboxDelivery;
  /** Why it was quarantined; empty when it fits. */
  readonly errors: readonly FieldError[];
}

export async function readNotice(raw: Uint8Array, document: unknown, receipt: NoticeReceipt): Promise<ReadNotice> {
  const { kind, messageId, ...arrival } = receipt;
  const fits = NOTICES[kind].safeParse(document);
  const errors = fits.success
    ? []
    : fits.error.issues.map(({ path, message: detail }) => ({ pointer: jsonPointer(path), detail }));
  const given = loose.parse(document);
  const word = given.event_type ?? given.type;
  const sha256 = await sha256Hex(raw);
  const timestampMs = parseTime(given.timestamp);
  const eventId = given.event_id ?? given.id;
  const hasTime = timestampMs !== undefined;
  const subject = given.property_id ?? given.organization_id;
  const dedupKey =
    eventId === undefined
      ? await hashTuple({
          source: receipt.source,
          subject: subject?.toString(),
          event_type: word,
          timestamp: timestampMs?.toString(),
          webhook_id: hasTime ? undefined : messageId,
          sha256: hasTime || messageId !== undefined ? undefined : sha256,
        })
      : await hashTuple({ source: receipt.source, event_id: String(eventId) });
  const eventType = safeWord(word);
  const about = subject !== undefined && PLAIN_SUBJECT.test(String(subject)) ? ` of ${subject}` : "";
  return {
    errors,
    delivery: {
      facts: {
        ...arrival,
        ...{ eventType, remoteId: null, bytes: raw.length, sha256 },
        verdict: fits.success ? "processed" : "quarantined",
        reason: fits.success ? null : "invalid_payload",
        summary: fits.success ? `${eventType.replaceAll("_", " ")}${about}` : "invalid payload",
      },
      dedupKey,
      repeats: 0,
      raw,
    },
  };
}
