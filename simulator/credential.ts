// The bearer key that the trigger asks for. It can be changed while the simulator runs, as a person would renew it.

import { z } from "zod";

export const credentialRequest = z.strictObject({ key: z.string().min(1).optional() });

export interface Credential {
  /** Whether this is the value of an Authorization header that shows the key. */
  isShownBy(authorization: string | null): boolean;
  /** The key before is wrong from now on. */
  change(key: string): void;
}

export function createCredential(firstKey: string): Credential {
  let key = firstKey;
  return {
    isShownBy: (authorization) => authorization === `Bearer ${key}`,
    change(next) {
      key = next;
    },
  };
}
