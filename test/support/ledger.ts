/** One call that the test's OPAL received. */
export interface LedgerEntry {
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly at: number;
  readonly step: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isSigned: boolean;
}
