// Who is signed in. A 401 from anywhere ends the session here, so that the sign-in form appears at once.
import { signal } from "@preact/signals";
import { type Answer, type Method, type Problem, type RequestOptions, request } from "./api.ts";

export type Session =
  | { readonly state: "unknown" }
  /** Nobody could be asked; not the same as signed out. */
  | { readonly state: "unreachable"; readonly problem: Problem }
  | { readonly state: "signed_out"; readonly wasSignedIn: boolean }
  | { readonly state: "signed_in"; readonly name: string };

export const session = signal<Session>({ state: "unknown" });

interface SessionAnswer {
  readonly name: string;
}

/** A request that needs somebody signed in. */
export async function ask<Value>(method: Method, path: string, options?: RequestOptions): Promise<Answer<Value>> {
  const answer = await request<Value>(method, path, options);
  if (!answer.ok && answer.problem.status === 401 && session.value.state !== "signed_out") {
    session.value = { state: "signed_out", wasSignedIn: session.value.state === "signed_in" };
  }
  return answer;
}

export async function checkSession(): Promise<void> {
  const answer = await ask<SessionAnswer>("GET", "/api/auth/session");
  if (answer.ok) session.value = { state: "signed_in", name: answer.value.name };
  else if (session.value.state === "unknown" || session.value.state === "unreachable") {
    session.value = { state: "unreachable", problem: answer.problem };
  }
}

/** The problem when it was not accepted. */
export async function signIn(email: string, password: string): Promise<Problem | undefined> {
  const answer = await request<SessionAnswer>("POST", "/api/auth/login", { body: { email, password } });
  if (!answer.ok) return answer.problem;
  session.value = { state: "signed_in", name: answer.value.name };
  return undefined;
}

/** Why signing out did not work, which nobody must overlook; null otherwise. */
export const signOutProblem = signal<Problem | null>(null);

/** The cookie is the server's to take back, so without its answer nobody is signed out. */
export async function signOut(): Promise<void> {
  const answer = await ask<unknown>("POST", "/api/auth/logout");
  const isSignedOut = answer.ok || answer.problem.status === 401;
  signOutProblem.value = isSignedOut ? null : answer.problem;
  if (isSignedOut) session.value = { state: "signed_out", wasSignedIn: false };
}
