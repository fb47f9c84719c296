// What a workspace knows of deliveries that no run's or inbox's own account shows yet.
import type { Pressure } from "../platform/pressure.ts";

/** A held delivery whose owner is known: it is on its way there, and may have arrived. */
export interface HandedOver {
  readonly deliveryId: string;
  readonly repeats: number;
  /** A session or an inbox. */
  readonly owner: string;
}

export interface WorkspaceAccount {
  /** Deliveries held, and how often they came again meanwhile; those handed over included. */
  readonly held: { readonly count: number; readonly repeats: number };
  readonly handedOver: readonly HandedOver[];
  /** Sessions of which D1 may not know everything, newest first, up to the limit asked for. */
  readonly unsettled: readonly string[];
  readonly pressure: readonly Pressure[];
}
