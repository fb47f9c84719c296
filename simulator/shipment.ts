// The two ways from OPAL to OSA: a signed webhook, or a call of one of OSA's functions with a bearer token. Bytes stay the
// same for every attempt; address and credential are made afresh.

import type { Call } from "./calls.ts";
import type { Discovery } from "./discovery.ts";
import type { Settings } from "./settings.ts";
import { sign } from "./sign.ts";

const WEBHOOK_PATH = "/api/webhooks/opal-workflow";

export interface Shipment {
  /** `webhook`, or the name of the function. */
  readonly via: string;
  readonly body: Buffer;
  /** With a credential that is right, or forged. Rejects while OSA does not say where to. */
  readonly address: (isForged: boolean) => Promise<Addressed>;
}

export interface Addressed {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

export function webhookShipment({ target, webhookSecret }: Settings, body: Buffer): Shipment {
  return {
    via: "webhook",
    body,
    address: async (isForged) => {
      const secret = isForged ? `not ${webhookSecret}` : webhookSecret;
      return {
        url: webhookUrl(target),
        headers: { "X-OSA-Signature": sign(secret, body, Math.floor(Date.now() / 1000)) },
      };
    },
  };
}

export function callShipment({ toolsToken = "" }: Settings, discovery: Discovery, { name, body }: Call): Shipment {
  return {
    via: name,
    body,
    address: async (isForged) => {
      const token = isForged ? `not-${toolsToken}` : toolsToken;
      return { url: await discovery.addressOf(name), headers: { Authorization: `Bearer ${token}` } };
    },
  };
}

/** A target with a path is used as it is, so that another workspace's webhook can be named. */
function webhookUrl(target: URL): URL {
  return target.pathname === "/" ? new URL(WEBHOOK_PATH, target) : target;
}
