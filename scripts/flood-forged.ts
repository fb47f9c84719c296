// Requests that no receiver may take in: without a signature, with a broken one, or with one of something else.
import type { Request } from "../bench/load/http.ts";
import { type Draw, drawFrom } from "../simulator/random.ts";
import { sign } from "../simulator/sign.ts";

const DOORS = ["opal-workflow", "opal-workflow/flood-1", "ga4", "salesforce", "external/crm"] as const;
const HOUR_SECONDS = 3_600;
/** Of all forged requests, so many come from a single address and run into the wall for addresses. */
const FROM_ONE_ADDRESS = 0.3;

export interface Keys {
  /** Genuine at the door of the default workspace. */
  readonly genuine: string;
  /** Genuine elsewhere. */
  readonly other: string;
}

interface Forgery {
  readonly body: Buffer;
  readonly seconds: number;
  readonly keys: Keys;
}

/** Headers of each kind of forgery. */
const KINDS: Readonly<Record<string, (forgery: Forgery, draw: Draw) => Readonly<Record<string, string>>>> = {
  "no signature": () => ({}),
  "no signature that can be read": (_forgery, draw) => ({
    "X-OSA-Signature": draw.pick(["v1=abc", "t=1,v1=", "sha256=00", "t=x,v1=y"]),
  }),
  "an unknown secret": ({ body, seconds }) => ({
    "X-OSA-Signature": sign("nobody-has-this-secret-of-forty-characters", body, seconds),
  }),
  "another workspace's secret": ({ body, seconds, keys }) => ({ "X-OSA-Signature": sign(keys.other, body, seconds) }),
  "an old time": ({ body, seconds, keys }) => ({ "X-OSA-Signature": sign(keys.genuine, body, seconds - HOUR_SECONDS) }),
  "another body": ({ seconds, keys }) => ({ "X-OSA-Signature": sign(keys.genuine, Buffer.from("{}"), seconds) }),
  "no JSON": () => ({ "Content-Type": "text/plain" }),
};

export type ForgedRequest = Request & { readonly kind: string };

/** An endless stream. */
export function* forgedRequests(seed: number, keys: Keys): Generator<ForgedRequest, never> {
  const draw = drawFrom(seed, "forged");
  for (let number = 0; ; number++) {
    const kind = draw.pick(Object.keys(KINDS));
    const text = JSON.stringify({
      event_id: `forged-${number}`,
      execution_status: "completed",
      agent_id: "geo_audit",
      workflow_id: "opal-wf-forged",
    });
    // The other secret is genuine at the other workspace's own door.
    const door = draw.pick(
      kind === "another workspace's secret" ? DOORS.filter((name) => !name.includes("/flood-")) : DOORS,
    );
    const forgery = { body: Buffer.from(text), seconds: Math.floor(Date.now() / 1000), keys };
    const address = draw.chance(FROM_ONE_ADDRESS) ? "192.0.2.1" : `172.16.${(number >> 8) & 255}.${number & 255}`;
    const headers = {
      "Content-Type": "application/json",
      "CF-Connecting-IP": address,
      ...KINDS[kind]?.(forgery, draw),
    };
    yield { kind, method: "POST", path: `/api/webhooks/${door}`, headers, body: text };
  }
}
