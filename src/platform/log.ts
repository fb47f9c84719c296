// One structured line per request, alarm and delivery. The only place that writes to the console.

export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export function log(level: "info" | "warn" | "error", event: string, fields: Fields): void {
  const line = JSON.stringify({ level, event, ...fields });
  // biome-ignore lint/suspicious/noConsole: the platform collects log lines from the console.
  console[level](line);
}

/** An error as something a log line can hold; its message may name settings, never their values. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
