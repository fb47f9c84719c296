// What the Worker itself says of the flood when it is over: its ledgers add up, and its search finds what was sent.
import { z } from "zod";
import type { Finding } from "./flood-accounts.ts";
import type { Told } from "./flood-answers.ts";
import type { Receiver } from "./flood-events.ts";
import { type Town, WORKSPACES } from "./flood-town.ts";

/** Of all runs of a workspace and its inboxes together. */
const ledger = z.object({
  adds_up: z.boolean(),
  total: z.looseObject({ adds_up: z.boolean() }),
  runs: z.array(z.looseObject({ session_id: z.string(), adds_up: z.boolean() })),
});

const found = z.object({ events: z.array(z.looseObject({ delivery_id: z.string() })) });

export async function askLedgers({ asker }: Town): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const workspace of WORKSPACES) {
    const {
      adds_up: addsUp,
      total,
      runs,
    } = await asker(workspace).read("/api/webhook-events/ledger?verify=d1", ledger);
    if (addsUp && total.adds_up) continue;
    const what = `its own ledger does not add up: ${JSON.stringify({ total, runs })}`;
    findings.push({ check: "counts", about: workspace, what });
  }
  return findings;
}

/** Each by the id under which it was acknowledged. */
export async function searchFor(
  { asker }: Town,
  events: readonly Told[],
  receivers: readonly Receiver[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { number, receiver, ids } of events) {
    const workspace = receivers[receiver]?.workspace ?? "";
    for (const id of ids) {
      const { events: listed } = await asker(workspace).read(`/api/webhook-events?q=${id}`, found);
      if (listed.length === 1 && listed[0]?.delivery_id === id) continue;
      findings.push({ check: "search", about: `event ${number}`, what: `${id} is found ${listed.length} times` });
    }
  }
  return findings;
}
