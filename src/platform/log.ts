// One structured line per request, alarm and delivery. The only place that writes to the console.

export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export function log(level: "debug" | "info" | "warn" | "error", event: string, fields: Fields): void {
  const line = JSON.stringify({ level, event, ...fields });
  // biome-ignore lint/suspicious/noConsole: the platform collects log lines from the console.
  console[level](line);
}

/**
 * An error as something a log line can hold. The cause says why where there is one: a failed query's own message would
 * repeat its parameters.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? describeError(error.cause) : `${error.name}: ${error.message}`;
}
