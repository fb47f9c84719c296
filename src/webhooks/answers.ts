// What a sender is told of a delivery, whichever front door it came through.
import { inboxCode } from "../inbox/projection.ts";
import { answerCode } from "../sync/delivery.ts";
import type { Received } from "./receive.ts";

export type TakenIn = Extract<Received, { ok: true }>;

/** 200 when a run took it in or had it already, 202 when it is only stored. */
export function deliveryAnswer({ result }: TakenIn) {
  switch (result.outcome) {
    case "held":
      return {
        code: 202,
        said: { status: "stored", message: "Stored until its run is known.", events_triggered: [] },
      } as const;
    case "duplicate":
      return {
        code: 200,
        said: {
          status: "duplicate",
          message: "This delivery was taken in before.",
          first_webhook_id: result.deliveryId,
          events_triggered: [],
        },
      } as const;
    case "recorded": {
      const { verdict, reason } = result;
      const code = "events" in result ? answerCode(verdict, reason) : inboxCode(verdict);
      const said = { verdict, reason, events_triggered: "events" in result ? result.events : [] };
      return code === 202
        ? ({ code, said: { status: "stored", message: `Stored without effect: ${reason}.`, ...said } } as const)
        : ({ code, said: { status: "processed", message: "Taken in.", ...said } } as const);
    }
  }
}
