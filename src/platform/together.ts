// What arrives in one moment is worked on together: many callers share the cost of one transaction.

interface Waiting<Item, Outcome> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Hands items over in the order they came, with all that had arrived by then; `act` answers one outcome for each. When it
 * rejects for several, each is tried by itself, so that one cannot spoil it for others: `act` must bear an item twice.
 */
export function together<Item, Outcome>(
  act: (items: readonly Item[]) => Promise<readonly Outcome[]>,
): (item: Item) => Promise<Outcome> {
  let gathered: Waiting<Item, Outcome>[] = [];

  async function settle(all: readonly Waiting<Item, Outcome>[]): Promise<void> {
    try {
      const outcomes = await act(all.map(({ item }) => item));
      for (const [index, { resolve, reject }] of all.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) reject(new Error("there is no outcome for this item"));
        else resolve(outcome);
      }
    } catch (error) {
      if (all.length > 1) for (const one of all) await settle([one]);
      else for (const { reject } of all) reject(error);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      gathered.push({ item, resolve, reject });
      if (gathered.length > 1) return;
      // Whatever else has arrived by now is handed over before the timer's turn comes.
      setTimeout(() => {
        const all = gathered;
        gathered = [];
        void settle(all);
      }, 0);
    });
}
