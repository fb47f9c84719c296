// What middleware hands to handlers.
import type { Principal } from "./access/principal.ts";
import type { Env } from "./env.ts";
import type { Refusal } from "./platform/refusal.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    principal: Principal;
    /** What the request was refused for, if it was. */
    refusal?: Refusal;
    /** Answers a refusal as a problem document. */
    problem: (refusal: Refusal, headers?: HeadersInit) => Response;
  };
}
