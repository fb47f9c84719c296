// Which part of the dashboard an address names. What is looked at is in the URL, so that links, reload and back work.

export type Address =
  /** The active run, or the last one. */
  { readonly page: "now" } | { readonly page: "run"; readonly sessionId: string } | { readonly page: "unknown" };

const HOME = "/engine/admin";
const RUN = /^\/engine\/admin\/runs\/([A-Za-z0-9_-]{1,128})$/;

export function parseAddress(pathname: string): Address {
  const path = pathname.replace(/\/+$/, "");
  if (path === "" || path === HOME) return { page: "now" };
  const sessionId = RUN.exec(path)?.[1];
  return sessionId === undefined ? { page: "unknown" } : { page: "run", sessionId };
}

export function homeAddress(): string {
  return HOME;
}

export function runAddress(sessionId: string): string {
  return `${HOME}/runs/${encodeURIComponent(sessionId)}`;
}
