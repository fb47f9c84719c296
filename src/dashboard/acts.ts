// Small requests beside starting a run: each has a name, is under way at most once, and keeps what went wrong with it.
import { signal } from "@preact/signals";
import type { Answer, Problem } from "./api.ts";

export type Act =
  | { readonly state: "sending" }
  | { readonly state: "failed"; readonly problem: Problem; readonly again: () => void };

/** By name; one that is not in it is neither under way nor did it fail. */
export const acts = signal<ReadonlyMap<string, Act>>(new Map());

export function isUnderWay(name: string): boolean {
  return acts.value.get(name)?.state === "sending";
}

/** Does nothing while the same act is under way. Resolves to whether it was carried out. */
export async function perform(name: string, send: () => Promise<Answer<unknown>>): Promise<boolean> {
  if (acts.peek().get(name)?.state === "sending") return false;
  keep(name, { state: "sending" });
  const answer = await send();
  if (answer.ok) forgetAct(name);
  else keep(name, { state: "failed", problem: answer.problem, again: () => void perform(name, send) });
  return answer.ok;
}

export function forgetAct(name: string): void {
  acts.value = new Map([...acts.peek()].filter(([known]) => known !== name));
}

function keep(name: string, act: Act): void {
  acts.value = new Map([...acts.peek(), [name, act] as const]);
}
