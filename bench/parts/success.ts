// What was refused is not measured.

/** A figure of refusals would be none: throws when anything but a 2xx came. */
export function onlySuccess(
  { statuses }: { readonly statuses: Readonly<Record<string, number>> },
  errors: readonly string[],
): void {
  if (Object.keys(statuses).every((status) => status.startsWith("2"))) return;
  throw new Error(`answers by status: ${JSON.stringify(statuses)}; last errors: ${errors.slice(-3).join("\n")}`);
}
