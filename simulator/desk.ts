// What answering a request needs: the simulator's parts, made once in simulator.ts.

import type { Credential } from "./credential.ts";
import type { FaultBook } from "./fault-book.ts";
import type { Ledger } from "./ledger.ts";
import type { Settings } from "./settings.ts";
import type { Workflows } from "./workflows.ts";

export interface Desk {
  readonly settings: Settings;
  readonly credential: Credential;
  readonly faults: FaultBook;
  readonly workflows: Workflows;
  readonly ledger: Ledger;
  readonly closing: AbortSignal;
}
