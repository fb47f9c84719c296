// Waiting inside a request or an alarm: always with an end.

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The outcome, or a rejection once `limitMs` have passed; what was asked goes on and is then ignored. */
export async function withinLimit<Outcome>(asked: Promise<Outcome>, limitMs: number): Promise<Outcome> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([asked, limit]);
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}
