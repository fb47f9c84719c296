// OSA's functions, as OPAL learns of them: it reads the discovery document and calls what is advertised there, nowhere else.

import { z } from "zod";

const DISCOVERY_PATH = "/discovery";
const TIMEOUT_MS = 10_000;

const document = z.object({
  functions: z.array(
    z.object({
      name: z.string(),
      endpoint: z.string().startsWith("/"),
      http_method: z.literal("POST"),
      parameters: z.array(
        z.object({ name: z.string(), type: z.string(), description: z.string(), required: z.boolean() }),
      ),
    }),
  ),
});

/** OSA does not offer the function, so there is nothing to try again. */
export class NotAdvertised extends Error {}

export interface Discovery {
  /** Rejects with NotAdvertised, or with another error while the document cannot be read. */
  addressOf(name: string): Promise<URL>;
}

/** Reads the document when it is first needed, for all who need it then, and again until it could be read once. */
export function createDiscovery(target: URL, signal: AbortSignal): Discovery {
  let reading: Promise<ReadonlyMap<string, URL>> | undefined;
  return {
    async addressOf(name) {
      reading ??= readFunctions(target, signal).catch((error: unknown) => {
        reading = undefined;
        throw error;
      });
      const address = (await reading).get(name);
      if (address === undefined) throw new NotAdvertised(`${name} is not in OSA's discovery document`);
      return address;
    },
  };
}

async function readFunctions(target: URL, signal: AbortSignal): Promise<ReadonlyMap<string, URL>> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const response = await fetch(new URL(DISCOVERY_PATH, target), { signal: limit });
  if (!response.ok) throw new Error(`the discovery document was answered with ${response.status}`);
  const { functions } = document.parse(await response.json());
  return new Map(functions.map(({ name, endpoint }) => [name, new URL(endpoint, target)]));
}
